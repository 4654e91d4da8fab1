"""Columns and shards."""

from __future__ import annotations

import math

from reports.page.cells import columns, shard_prompts, shards, significant, statuses
from reports.results import Results, collect
from tests.reports.page.shown import NO_MEMORY, shown
from tests.reports.synthetic import synthetic


def results() -> Results:
    source = shown()
    return collect(source, source.suite)


def test_a_column_has_a_value_per_planned_cell() -> None:
    """None where there is no video, and where the report leaves the number out of its mean."""
    found = columns(results(), ["psnr", "latency_s"])
    assert [len(row) for row in found["psnr"]] == [10, 10, 10, 10]
    assert found["psnr"][0] == [None] * 10
    assert found["psnr"][2][0] is None
    assert found["latency_s"][2][0] is not None
    assert found["psnr"][3][4] is None
    assert found["psnr"][3][5] == 32.0 - 60 * 0.06 + 0.3 * 2


def test_statuses() -> None:
    found = statuses(results())
    assert found[3][4] == "oom"
    assert found[3][7] == "pending"
    assert sum(row.count("ok") for row in found) == 38


def test_numbers_have_no_more_digits_than_are_read() -> None:
    assert significant(1234.56789) == 1234.57
    assert math.isinf(significant(math.inf))


def test_shards_hold_each_cell_once_with_its_reasons() -> None:
    here = results()
    videos = {cell_id: f"{cell_id}.mp4" for cell_id in here.frame.records}
    (shard,) = shards(here, columns(here, ["psnr"]), videos)
    cells = [cell for prompt in shard["prompts"] for sample in prompt for cell in sample]
    assert len(cells) == 40
    assert sum("video" in cell for cell in cells) == 38
    failed = shard["prompts"][2][0][3]
    assert (failed["status"], failed["reason"], failed["values"]) == ("oom", NO_MEMORY, {})
    assert "video" not in failed
    assert shard["prompts"][0][0][2]["remarks"] == [
        "psnr, ssim, lpips left out: started from other noise than the original's video"
    ]


def test_equal_traces_are_said_once() -> None:
    here = results()
    (shard,) = shards(here, {}, {})
    # All of one row's are equal here; `original` and `fewer_steps` compute the same three steps.
    assert len(shard["traces"]) == 3
    assert shard["prompts"][0][0][0]["trace"] == shard["prompts"][4][1][2]["trace"]
    assert shard["traces"][shard["prompts"][1][1][3]["trace"]][1]["branch"] == "uncond"


def test_large_suites_are_cut_between_prompts() -> None:
    source = synthetic(prompts=40, samples=2)
    here = collect(source, source.suite)
    per = shard_prompts(here)
    assert per == 18
    cut = list(shards(here, {}, {}))
    assert [shard["first"] for shard in cut] == [0, 18, 36]
    assert [len(shard["prompts"]) for shard in cut] == [18, 18, 4]


def test_prompts_may_differ_in_samples() -> None:
    source = synthetic(prompts=3, samples=2)
    rows = tuple(row.model_copy(update={"cell_ids": row.cell_ids[:5]}) for row in source.suite.rows)
    source.suite = source.suite.model_copy(update={"rows": rows, "prompt_samples": (2, 1, 2)})
    here = collect(source, source.suite)
    (shard,) = shards(here, {}, {cell_id: cell_id for cell_id in here.frame.records})
    assert [len(prompt) for prompt in shard["prompts"]] == [2, 1, 2]
    assert shard["prompts"][2][1][0]["video"] == rows[0].cell_ids[4]
