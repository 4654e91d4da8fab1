"""Row estimates: means, ratios, differences, and the reasons where there are none."""

from __future__ import annotations

import statistics

import pytest

from reports.bootstrap import Interval
from reports.results import Results, collect
from tests.reports.synthetic import LPIPS_REASON, MemorySource, change, synthetic, troubled


def width(interval: Interval) -> float:
    """From end to end."""
    return interval.high - interval.low


def latencies(source: MemorySource, row: str) -> list[float]:
    """Straight from the records."""
    manifest = next(item for item in source.suite.rows if item.row == row)
    return [record.latency.total_s for record in source.cells(manifest.cell_ids).values() if record.latency]


@pytest.fixture(scope="module")
def complete() -> Results:
    """Nothing is missing but LPIPS."""
    source = synthetic()
    return collect(source, source.suite)


@pytest.fixture(scope="module")
def trouble() -> Results:
    """A bit of everything that goes wrong."""
    source = troubled()
    return collect(source, source.suite)


def test_mean_and_speedup() -> None:
    """Speedup is a quotient of means, not a mean of quotients."""
    source = synthetic()
    results = collect(source, source.suite)
    fast, slow = latencies(source, "fora-3"), latencies(source, "original")
    latency, speedup = results.estimate("fora-3", "latency_s"), results.estimate("fora-3", "speedup")
    assert latency.value == pytest.approx(statistics.fmean(fast))
    assert speedup.value == pytest.approx(statistics.fmean(slow) / statistics.fmean(fast))
    assert latency.interval is not None
    assert latency.interval.holds(latency.value or 0)
    assert (latency.n, latency.expected, latency.prompts, latency.complete) == (12, 12, 6, True)
    assert results.estimate("original", "speedup").value == 1.0


def test_speedup_over_common_cells_only() -> None:
    """The original's slowest cell has no partner, so it must not make the row look faster."""
    source = synthetic()
    original, fora = source.suite.rows[0], next(row for row in source.suite.rows if row.row == "fora-3")
    slow = source.done[original.cell_ids[0]].latency
    assert slow is not None
    change(source, original.cell_ids[0], latency=slow.model_copy(update={"total_s": 1000.0}))
    source.forget(fora.cell_ids[0])
    speedup = collect(source, source.suite).estimate("fora-3", "speedup")
    assert speedup.value == pytest.approx(2.3, rel=0.05)
    assert (speedup.n, speedup.expected) == (11, 12)
    assert speedup.reason == "1 x not generated yet"


def test_dimension_averages_the_cells_it_applies_to(complete: Results) -> None:
    """`multiple_objects` speaks about every other prompt: six of twelve cells, and nothing is missing."""
    estimate = complete.estimate("pab", "multiple_objects")
    assert (estimate.n, estimate.expected, estimate.complete) == (6, 6, True)


def test_score_is_the_mean_of_dimension_means(complete: Results) -> None:
    """Not the mean of per-cell scores, which would weigh dimensions by how often they apply."""
    for row in ("original", "fora-3"):
        frame = complete.cells[complete.cells["row"] == row]
        semantic = list(frame.columns).index("object_class")
        means = frame.iloc[:, semantic : semantic + 9].mean()
        assert complete.estimate(row, "semantic_score").value == pytest.approx(means.mean())
    quality, semantic_score, total = (
        complete.estimate("pab", f"{name}_score").value or 0 for name in ("quality", "semantic", "total")
    )
    assert total == pytest.approx((4 * quality + semantic_score) / 5)


def test_difference_is_paired(complete: Results) -> None:
    """Prompts differ in effort; pairing takes that out of the difference."""
    latency = complete.estimate("pab", "latency_s")
    assert latency.difference is not None
    assert latency.difference.interval is not None
    assert latency.interval is not None
    assert latency.difference.distinguishable is True
    assert width(latency.difference.interval) < 0.6 * width(latency.interval)
    assert complete.estimate("fewer_steps-25", "semantic_score").difference.distinguishable is True  # type: ignore[union-attr]
    assert complete.estimate("teacache-0.1", "scene").difference.distinguishable is False  # type: ignore[union-attr]


def test_unavailable_metric_is_none_with_its_reason(complete: Results) -> None:
    """LPIPS without weights."""
    lpips = complete.estimate("pab", "lpips")
    assert lpips.value is None
    assert lpips.reason == f"unavailable: {LPIPS_REASON}"
    assert complete.estimate("original", "lpips").expected == 0


def test_missing_cells_are_accounted_for(trouble: Results) -> None:
    """Every number that rests on fewer cells says so and why."""
    latency = trouble.estimate("fora-3", "latency_s")
    assert (latency.n, latency.expected) == (10, 12)
    assert latency.reason == "1 x oom: CUDA out of memory, 3.2 GB asked for; 1 x not generated yet"
    assert trouble.estimate("disca", "speedup").reason == "not run: disca has no predictor for wan"
    for (row, measure), estimate in trouble.estimates.items():
        assert estimate.complete or estimate.reason, (row, measure)
        assert estimate.value is None or estimate.n > 0, (row, measure)


def test_score_is_withheld(trouble: Results) -> None:
    """A dimension that is absent altogether withholds the score it belongs to and the total, not the other."""
    assert trouble.estimate("teacache-0.1", "semantic_score").value is None
    assert trouble.estimate("teacache-0.1", "total_score").reason == "withheld: no value for color"
    assert trouble.estimate("teacache-0.1", "quality_score").value is not None


def test_other_devices_are_left_out_of_timings_only(trouble: Results) -> None:
    """Two of PAB's cells ran elsewhere: their latency does not count, their scores do."""
    assert trouble.estimate("pab", "latency_s").n == 10
    assert "Other CPU" in (trouble.estimate("pab", "speedup").reason or "")
    assert trouble.estimate("pab", "semantic_score").n == 12
    assert trouble.estimate("pab", "flops").n == 12


def test_other_noise_is_left_out_of_fidelity(trouble: Results) -> None:
    """PSNR between videos of different noise measures the noise."""
    assert trouble.estimate("pab", "psnr").n == 11
    assert "noise" in (trouble.estimate("pab", "psnr").reason or "")


def test_infinite_psnr_has_no_mean() -> None:
    """A method that changed nothing is perfect, which no mean can say."""
    source = synthetic()
    row = source.suite.rows[3]
    for cell_id in row.cell_ids:
        score = source.scored[cell_id]["psnr"]
        source.scored[cell_id]["psnr"] = score.model_copy(update={"values": {"psnr": float("inf")}})
    psnr = collect(source, source.suite).estimate(row.row, "psnr")
    assert psnr.value is None
    assert psnr.reason == "infinite psnr: the video equals the original's"


def test_one_prompt_gives_no_interval() -> None:
    """There is nothing to resample."""
    source = synthetic(prompts=1)
    latency = collect(source, source.suite).estimate("pab", "latency_s")
    assert latency.value is not None
    assert latency.interval is None


def test_nothing_generated_yet() -> None:
    """A report of a suite that has only been planned is empty, not an error."""
    source = synthetic()
    source.done.clear()
    source.scored.clear()
    results = collect(source, source.suite)
    assert all(estimate.value is None for estimate in results.estimates.values())
    assert results.estimate("pab", "semantic_score").reason == "not generated yet"


def test_rows_frame_is_tidy(complete: Results) -> None:
    """One line per row and measure."""
    frame = complete.rows_frame()
    assert not frame.duplicated(["row", "measure"]).any()
    line = frame[(frame["row"] == "fora-3") & (frame["measure"] == "speedup")].iloc[0]
    assert line["low"] < line["value"] < line["high"]


def test_suite_without_an_original() -> None:
    """Costs and scores stand; whatever needs a comparison says that there is none."""
    source = synthetic()
    rows = tuple(row.model_copy(update={"baseline": None}) for row in source.suite.rows if row.method != "original")
    source.suite = source.suite.model_copy(update={"rows": rows})
    results = collect(source, source.suite)
    assert results.estimate("pab", "latency_s").complete
    assert results.estimate("pab", "semantic_score").difference is None
    for measure in ("speedup", "psnr"):
        assert results.estimate("pab", measure).reason == "the suite has no original of this model to compare with"


def test_rows_on_students_of_a_model_are_compared_with_its_original() -> None:
    source = synthetic(prompts=1)
    rows = source.suite.rows
    manifest = source.suite.model_copy(
        update={"rows": (rows[1], *rows[2:], rows[0].model_copy(update={"model_label": "teacher"}))}
    )
    results = collect(source, manifest)
    assert {model: len(found) for model, found in results.models().items()} == {"shapes": 6, "teacher": 1}
    assert list(results.compared()) == ["teacher"]
    assert [row.row for row in results.compared()["teacher"]] == [row.row for row in rows]
