"""Which votes count, and for whom."""

from __future__ import annotations

import pytest

from harness.study.record import Choice
from reports.study.preferences import INATTENTIVE, STALE, UNPLAYABLE, preferences
from tests.reports.study.votes import cast, study
from tests.reports.synthetic import ROWS, synthetic

MANIFEST = synthetic(rows=ROWS[:3], prompts=2, samples=2).suite
ORIGINAL, FEWER, FEWEST = (row.cell_ids for row in MANIFEST.rows)


@pytest.mark.parametrize(
    ("left", "right", "choice", "outcome"),
    [
        (ORIGINAL[3], FEWER[3], "left", 1.0),
        (ORIGINAL[3], FEWER[3], "right", 0.0),
        (FEWER[3], ORIGINAL[3], "left", 0.0),
        (FEWER[3], ORIGINAL[3], "right", 1.0),
        (FEWER[3], ORIGINAL[3], "tie", 0.5),
    ],
)
def test_sides_do_not_matter(left: str, right: str, choice: Choice, outcome: float) -> None:
    (line,) = preferences(study(MANIFEST, cast(1, left, right, choice)), MANIFEST).votes.to_dict("records")
    assert (line["first"], line["second"], line["outcome"]) == ("original", "fewer_steps-25", outcome)
    assert (line["prompt_index"], line["sample_index"], line["rater"]) == (1, 1, 1)


def test_checks_are_no_votes() -> None:
    record = study(MANIFEST, cast(1, ORIGINAL[0], ORIGINAL[0], "left", degraded="right"))
    counted = preferences(record, MANIFEST)
    assert counted.votes.empty
    assert counted.left_out == {}
    assert (counted.raters[0].checks, counted.raters[0].passed) == (1, 1)


@pytest.mark.parametrize(
    ("answers", "attentive"),
    [("rrrr", True), ("rrrw", True), ("rrww", False), ("rrrt", True), ("t", False), ("", True)],
)
def test_who_fails_checks_is_not_counted(answers: str, attentive: bool) -> None:
    """r: right, w: wrong, t: tie."""
    choices: dict[str, Choice] = {"r": "left", "w": "right", "t": "tie"}
    checks = [cast(2, ORIGINAL[0], ORIGINAL[0], choices[answer], degraded="right") for answer in answers]
    other = cast(1, ORIGINAL[0], FEWER[0], "tie")
    counted = preferences(study(MANIFEST, *checks, cast(2, ORIGINAL[0], FEWER[0], "left"), other), MANIFEST)
    assert set(counted.votes["rater"]) == ({1, 2} if attentive else {1})
    assert counted.left_out == ({} if attentive else {INATTENTIVE: 1})


def test_a_check_that_did_not_play_is_neither_passed_nor_failed() -> None:
    check = cast(1, ORIGINAL[0], ORIGINAL[0], "unplayable", degraded="right")
    counted = preferences(study(MANIFEST, check, cast(1, ORIGINAL[0], FEWER[0], "left")), MANIFEST)
    assert counted.raters[0].checks == 0
    assert len(counted.votes) == 1


def test_what_is_left_out_is_counted() -> None:
    record = study(
        MANIFEST,
        cast(1, ORIGINAL[0], FEWER[0], "unplayable"),
        cast(1, ORIGINAL[0], "gone", "left"),
        cast(1, FEWEST[0], FEWER[0], "left"),
    )
    counted = preferences(record, MANIFEST)
    assert counted.left_out == {UNPLAYABLE: 1, STALE: 1}
    assert counted.votes["outcome"].tolist() == [0.0]
