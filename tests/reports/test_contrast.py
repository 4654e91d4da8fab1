"""Rows weighed against each other: sums and ratios of means and scores, paired over the cells that all have."""

from __future__ import annotations

import pytest

from harness.records import Status
from reports.estimates import Contrast
from reports.results import collect
from reports.scores import SEMANTIC_SCORE
from tests.reports.synthetic import ROWS, synthetic


@pytest.fixture(scope="module")
def results():
    source = synthetic()
    return collect(source, source.suite)


def test_a_row_less_the_original_is_the_difference_that_tables_show(results):
    for measure in (SEMANTIC_SCORE, "latency_s", "color"):
        shown = results.estimate("fora-3", measure).difference
        contrast = results.contrast((1.0, "fora-3", measure), (-1.0, "original", measure))
        assert contrast == Contrast(shown.absolute, shown.interval, shown.pairs)


def test_a_difference_of_differences_is_paired_too(results):
    def value(row):
        return results.estimate(row, SEMANTIC_SCORE).value

    terms = [(1.0, "pab"), (-1.0, "fora-3"), (-1.0, "teacache-0.1"), (1.0, "teacache-0.3")]
    contrast = results.contrast(*((weight, row, SEMANTIC_SCORE) for weight, row in terms))
    assert contrast.value == pytest.approx(sum(weight * value(row) for weight, row in terms))
    assert contrast.interval.holds(contrast.value)
    nothing = results.contrast((1.0, "pab", SEMANTIC_SCORE), (-1.0, "pab", SEMANTIC_SCORE))
    assert nothing.value == 0
    assert nothing.interval == (0, 0)


def test_a_ratio_is_of_means(results):
    contrast = results.contrast((1.0, "original", "latency_s"), (-1.0, "pab", "latency_s"), ratio=True)
    shown = results.estimate("pab", "speedup")
    assert contrast.value == pytest.approx(shown.value)
    assert tuple(contrast.interval) == pytest.approx(tuple(shown.interval))
    root = results.contrast((0.5, "pab", "flops"), (0.5, "fora-3", "flops"), ratio=True)
    flops = [results.estimate(row, "flops").value for row in ("pab", "fora-3")]
    assert root.value == pytest.approx((flops[0] * flops[1]) ** 0.5)
    assert isinstance(results.contrast((-1.0, "original", "cache_bytes"), ratio=True), str)


def test_only_cells_that_all_rows_have_count():
    source = synthetic()
    rows = {row.row: row for row in source.suite.rows}
    whole = collect(source, source.suite)
    source.fail(rows["pab"].cell_ids[0], Status.OOM, "out of memory")
    contrast = collect(source, source.suite).contrast((1.0, "original", "latency_s"), (-1.0, "pab", "latency_s"))
    assert contrast.pairs == whole.contrast((1.0, "original", "latency_s")).pairs - 1


def test_what_is_missing_is_said():
    source = synthetic(rows=ROWS[:2])
    found = collect(source, source.suite)
    assert found.contrast((1.0, "nobody", "latency_s")) == "the suite has no row 'nobody'"
    said = found.contrast((1.0, "fewer_steps-25", "lpips"))
    assert said.startswith("fewer_steps-25: ")
    assert "alexnet" in said
