"""DisCa's Table 7, priced from the architecture alone, against the paper's FLOPs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from harness.cost.price import PriceList
from harness.plan import make_plan
from harness.suite import load_suite

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
PAPER_FULL_STEP = 3945.5232e12
"""One forward in the paper; every row of its table is a multiple of it."""
FULL_STEPS = {
    "Original: 50 steps": 50,
    "CFG Distilled: 50 steps": 50,
    "Original: 10 steps": 10,
    "CFG Distilled: 20 steps": 20,
    "Delta-DiT (N=5)": 10,
    "PAB (N=5)": 10,
    "TeaCache (l=0.15)": 19.10,
    "FORA (N=3)": 17,
    "TaylorSeer (N=3, O=1)": 19,
    "CFG Distilled: 10 steps": 10,
    "Delta-DiT (N=8)": 7,
    "PAB (N=8)": 8,
    "TeaCache (l=0.4)": 10.34,
    "FORA (N=6)": 9,
    "TaylorSeer (N=6, O=1)": 11,
    "MeanFlow: 20 steps": 20,
    "Restricted MeanFlow: 20 steps": 20,
    "Restricted MeanFlow: 9 steps": 9,
    "DisCa (R=0.2, N=2)": 13,
    "DisCa (R=0.2, N=3)": 11,
    "DisCa (R=0.2, N=4)": 8,
}
IRREGULAR = ("FORA (N=3)", "TaylorSeer (N=3, O=1)")
"""Printed with exactly 20 full steps, which no published schedule gives."""


@pytest.fixture(scope="module")
def priced():
    begin = time.process_time()
    costs = PriceList(make_plan(load_suite(ROOT / "suites" / "disca_table7.yaml"))).rows()
    return {cost.row: cost for cost in costs}, time.process_time() - begin


def test_every_row_of_the_table_is_priced_within_a_minute(priced):
    costs, seconds = priced
    assert {name: cost.full_steps for name, cost in costs.items()} == pytest.approx(FULL_STEPS)
    assert all(cost.published_flops is not None for cost in costs.values())
    assert seconds < 60


@pytest.mark.parametrize("row", [row for row in FULL_STEPS if row not in IRREGULAR])
def test_flops_are_the_papers(row, priced):
    cost = priced[0][row]
    assert cost.flops == pytest.approx(cost.published_flops, rel=0.015)
    full_call = cost.flops / cost.nfe
    assert full_call == pytest.approx(3905.4e12, rel=1e-4)
    assert cost.nfe == pytest.approx(cost.published_flops / PAPER_FULL_STEP, rel=0.005)
    assert cost.theoretical_speedup == pytest.approx(cost.published.speedup, rel=0.006)  # printed with 3 digits


def test_the_irregular_rows_are_shown_as_they_come_out(priced):
    assert [round(priced[0][row].difference, 3) for row in IRREGULAR] == [-0.159, -0.06]


def test_caches_are_of_the_papers_order(priced):
    """The paper measured peaks on its own code: it tells a few hundred megabytes from tens of gigabytes."""
    for row, cost in priced[0].items():
        if cost.cache_bytes and cost.published.cache_gb:
            assert 0.5 < cost.cache_bytes / 1e9 / cost.published.cache_gb < 2, row
    ours = {row: cost.cache_bytes for row, cost in priced[0].items()}
    tokens, width, bfloat16 = 33 * 44 * 44 + 256, 3072, 2
    assert ours["Delta-DiT (N=5)"] == tokens * width * bfloat16  # text and image after the last block
    assert ours["PAB (N=5)"] == 60 * tokens * width * bfloat16
    assert ours["FORA (N=6)"] == 80 * tokens * width * bfloat16
    assert ours["TaylorSeer (N=6, O=1)"] == 160 * tokens * width * bfloat16


def test_rows_without_weights_say_where_these_are_from(priced):
    unable = {row: cost.reason for row, cost in priced[0].items() if cost.reason is not None}
    assert unable.keys() == {row for row in FULL_STEPS if "MeanFlow" in row or "DisCa" in row}
    assert unable["MeanFlow: 20 steps"].startswith("rungs/hyvideo10_meanflow holds no weights.safetensors: the paper's")
    for file in ("hyvideo10_t2v_restricted_meanflow_540p", "hyvideo10_t2v_predictor_540p"):
        assert f"rungs/{file} holds no weights.safetensors: convert {file}" in unable["DisCa (R=0.2, N=4)"]


def test_disca_adds_its_predictor_and_one_token_state_to_the_students_memory(priced):
    student, disca = priced[0]["Restricted MeanFlow: 20 steps"], priced[0]["DisCa (R=0.2, N=4)"]
    assert disca.model_bytes - student.model_bytes == pytest.approx(0.623e9, rel=1e-3)
    assert disca.cache_bytes == (33 * 44 * 44 + 256) * 3072 * 2
    added = disca.predicted_peak_bytes - student.predicted_peak_bytes
    assert added == disca.cache_bytes + disca.model_bytes - student.model_bytes
