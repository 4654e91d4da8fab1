"""The table of VBench's dimensions: its own numbers, and a reason wherever there is none."""

from __future__ import annotations

import pytest

from harness.dimensions import QUALITY, SEMANTIC
from harness.records import DimensionScoreRecord, ScoringRecord
from harness.vbench.scores import vbench_scores
from reports.formats.markdown import render
from reports.results import Results, collect
from reports.scores import QUALITY_SCORE, TOTAL_SCORE, VBENCH
from reports.tables import vbench
from tests.reports.synthetic import MemorySource, synthetic

ALL = (*QUALITY, *SEMANTIC)


def scored(*dimensions: str, metrics: tuple[str, ...] = ("psnr",)) -> MemorySource:
    """The synthetic suite, every video of which has 0.75 in each dimension, in four pairs of frames."""
    source = synthetic(metrics=metrics)
    source.suite = source.suite.model_copy(update={"vbench_dimensions": dimensions})
    for cell_id, cell in source.done.items():
        source.done[cell_id] = cell.model_copy(update={"video_sha256": cell_id * 2})
        source.vbench_scored[cell_id] = {
            name: DimensionScoreRecord(
                cell_id=cell_id,
                dimension=name,
                status="ok",
                value=75.0 if name == "imaging_quality" else 0.75,
                frame_values=(0.5, 0.75, 0.75, 1.0),
                video_sha256=cell_id * 2,
                scored_at=0.0,
            )
            for name in dimensions
        }
    return source


def results(source: MemorySource) -> Results:
    return collect(source, source.suite)


def text(source: MemorySource) -> str:
    return render(vbench.sheet(results(source)))


def test_a_suite_that_does_not_ask_has_no_such_table() -> None:
    assert not vbench.belongs(results(synthetic()))
    assert vbench.belongs(results(scored("scene")))


def test_raw_values_are_percent_and_scores_are_the_leaderboards() -> None:
    expected = vbench_scores(dict.fromkeys(ALL, 0.75))
    assert isinstance(expected.total, float)
    line = next(line for line in text(scored(*ALL)).splitlines() if line.startswith("| pab"))
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[3] == f"{100 * expected.total:.2f}"
    assert cells[4:] == ["75.00"] * 16


def test_scores_are_shown_only_where_all_of_their_dimensions_are_asked() -> None:
    assert "Quality score" in text(scored(*QUALITY))
    assert "Total score" not in text(scored(*QUALITY))


def test_one_video_that_is_not_scored_withholds_the_number_and_is_counted() -> None:
    source = scored("temporal_flickering")
    row = source.suite.rows[-1]
    del source.vbench_scored[row.cell_ids[0]]
    said = text(source)
    assert "Withheld: 1 of 12 videos: not scored yet" in said
    assert "12 expected, 12 generated, 11 decoded, 11 scored." in said


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": "failed", "reason": "RuntimeError: too small", "value": None}, "RuntimeError: too small"),
        ({"video_sha256": "0" * 64}, "of another file than this"),
    ],
)
def test_a_score_that_is_none_says_why(change: dict[str, object], said: str) -> None:
    source = scored("scene")
    cell_id = source.suite.rows[0].cell_ids[0]
    source.vbench_scored[cell_id]["scene"] = source.vbench_scored[cell_id]["scene"].model_copy(update=change)
    assert said in text(source)


def test_a_dimension_that_cannot_be_had_says_what_is_missing() -> None:
    source = scored("scene")
    source.vbench_scored.clear()
    source.vbench_left_out = ScoringRecord(suite="synthetic", unavailable={"scene": "Tag2Text is missing"})
    assert "unavailable: Tag2Text is missing" in text(source)


def test_undetected_videos_are_left_out_as_vbench_does_and_told() -> None:
    source = scored("color")
    cell_id = source.suite.rows[0].cell_ids[0]
    undetected = {"status": "undetected", "reason": "no car", "value": None}
    source.vbench_scored[cell_id]["color"] = source.vbench_scored[cell_id]["color"].model_copy(update=undetected)
    assert "11 scored, 1 left out: no car." in text(source)


class TestAsTheJudge:
    """Where no other judge is asked, every table and figure of scores has VBench's, on its scale."""

    def test_scores_are_normalised_and_weighted(self) -> None:
        found = results(scored(*ALL))
        expected = vbench_scores(dict.fromkeys(ALL, 0.75))
        assert found.judge == VBENCH
        assert found.estimate("pab", TOTAL_SCORE).value == pytest.approx(100 * expected.total)
        assert found.estimate("pab", QUALITY_SCORE).value == pytest.approx(100 * expected.quality)
        assert found.estimate("pab", "imaging_quality").value == pytest.approx(75)

    def test_what_is_missing_is_withheld(self) -> None:
        found = results(scored(*QUALITY))
        assert found.estimate("pab", TOTAL_SCORE).value is None
        assert "withheld" in (found.estimate("pab", TOTAL_SCORE).reason or "")

    def test_another_judge_of_the_suite_goes_first(self) -> None:
        assert results(scored("scene", metrics=("psnr", "shapes"))).judge == "shapes"
