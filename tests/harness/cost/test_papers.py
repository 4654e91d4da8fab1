"""The other paper suites: what the papers state about fixed schedules and caches, and what we find."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.cost.price import PriceList
from harness.plan import make_plan
from harness.suite import load_suite

ROOT = Path(__file__).parents[3]
GIB = 2**30
WAN_480P_BLOCK = 21 * 30 * 52 * 5120 * 2
"""Bytes of one block's output on Wan 14B at 480p, bfloat16."""


def priced(suite, *methods):
    """The suite's rows, or only those of these methods and the originals."""
    plan = make_plan(load_suite(ROOT / "suites" / f"{suite}.yaml"))
    rows = tuple(row for row in plan.rows if not methods or row.method_name in ("original", *methods))
    return {cost.row: cost for cost in PriceList(replace(plan, rows=rows)).rows()}


@pytest.mark.parametrize(
    "suite",
    [
        "mixcache_table1",
        "mixcache_table2",
        "mixcache_table3",
        "adacache_a1_cogvideox",
        "adacache_a1_dit",
        "disca_table4",
        "disca_table7",
    ],
)
def test_every_row_of_a_paper_suite_has_published_numbers_and_a_name_of_its_own(suite):
    plan = make_plan(load_suite(ROOT / "suites" / f"{suite}.yaml"))
    for row in plan.rows:
        assert row.published is not None, row.name
        assert not row.name.startswith(f"{row.model.label}: ")
        assert row.method.adaptive == (row.cost is not None), row.name


def test_block_candidates_hold_half_of_what_the_paper_measured():
    costs = priced("mixcache_table3")
    names = ["blocks (20)", "blocks (10, 30)", "blocks (10, 20, 30)", "blocks (10, 15, 20, 25, 30, 35)"]
    for name, candidates in zip(names, (1, 2, 3, 6), strict=True):
        published = costs[name].published.cache_gb
        assert published == pytest.approx(2 * candidates * WAN_480P_BLOCK / GIB, rel=0.03)
        latents = costs[name].cache_bytes - candidates * WAN_480P_BLOCK
        assert 0 < latents < 0.05 * GIB


def test_blockdance_is_a_little_faster_in_theory_than_in_the_papers_seconds():
    costs = priced("mixcache_table1", "blockdance")
    for name, theoretical in {
        "Wan 14B 480p: BlockDance 4": 1.30,
        "Wan 14B 720p: BlockDance 4": 1.30,
        "HunyuanVideo 544p: BlockDance 4": 1.415,
        "CogVideoX 5B: BlockDance 4": 1.282,
    }.items():
        assert costs[name].theoretical_speedup == pytest.approx(theoretical, abs=0.005)
        assert costs[name].full_steps == 28
    for name, cost in costs.items():
        # 1.5 % of room for the digits that were printed.
        assert cost.theoretical_speedup > 0.985 * cost.published.speedup, name


def test_dit_with_fora_follows_the_repositorys_countdown():
    costs = priced("adacache_a1_dit", "fora")
    assert [costs[name].full_steps for name in ("DiT-XL/2", "FORA (Thres=3)", "FORA (Thres=5)")] == [250, 84, 51]
    assert costs["FORA (Thres=3)"].theoretical_speedup == pytest.approx(2.96, abs=0.01)


def test_hunyuan_videos_students_take_as_many_calls_as_in_the_papers_seconds():
    costs = priced("disca_table4", "disca")
    student, disca = costs["R-MeanFlow (R=0.2) (NFE 8)"], costs["DisCa (N=2, R=0.2) (NFE 4)"]
    assert student.theoretical_speedup == pytest.approx(student.published.speedup, rel=0.002)
    assert disca.full_steps == 4
    predicted = (disca.nfe - 4) / 4
    assert predicted == pytest.approx(0.039, abs=0.001)
    assert disca.theoretical_speedup == pytest.approx(disca.published.speedup, rel=0.01)
    assert "rungs/hyvideo15_i2v_predictor_480p holds no weights.safetensors" in disca.reason
