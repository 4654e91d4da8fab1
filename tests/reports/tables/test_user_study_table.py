"""The section that votes make."""

from __future__ import annotations

from reports.formats.markdown import render
from reports.results import collect
from reports.tables.user_study import belongs, sheet
from tests.reports.study.votes import by_strength, cast, study
from tests.reports.synthetic import ROWS, MemorySource, synthetic


def voted() -> MemorySource:
    source = synthetic(rows=ROWS[:3], prompts=6, samples=1)
    strength = {"original": 0.3, "fewer_steps-25": 0.25, "fewer_steps-10": -0.9}
    source.voted = by_strength(source.suite, strength.__getitem__)
    return source


def text_of(source: MemorySource) -> str:
    return render(sheet(collect(source, source.suite)))


def cells_of(text: str, row: str) -> list[str]:
    """Of the first line of a row."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {row} |"))
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def test_who_was_asked_and_what_came_of_it() -> None:
    text = text_of(voted())
    assert "72 votes of 4 raters" in text
    assert "Attention checks (a video against a degraded copy of itself): 4 of 4 passed." in text
    assert "Krippendorff's alpha is 0." in text
    name, votes, won, tied, lost, rate, *_ = cells_of(text, "fewer_steps-10")
    assert (name, votes) == ("fewer_steps-10", "48")
    assert int(won) + int(tied) + int(lost) == 48
    assert rate.startswith(f"{100 * (int(won) + int(tied) / 2) / 48:.1f}")


def test_a_preference_that_is_no_preference_is_marked() -> None:
    text = text_of(voted())
    assert "≈" in cells_of(text, "fewer_steps-25")[-1]
    assert "≈" not in cells_of(text, "fewer_steps-10")[-1]
    assert cells_of(text, "original")[-1] == "-"


def test_row_against_row() -> None:
    """The second table has each pair twice, and the two shares make a whole."""
    text = text_of(voted()).split("percent preferred")[1]
    above = cells_of(text, "original")[2].partition(" ")
    below = cells_of(text, "fewer_steps-25")[1].partition(" ")
    assert abs(float(above[0]) + float(below[0]) - 100) <= 1
    assert above[2] == below[2] == "(24)"


def test_why_there_is_no_strength_and_what_was_left_out() -> None:
    source = synthetic(rows=ROWS[:2], prompts=2, samples=1)
    original, fewer = (row.cell_ids for row in source.suite.rows)
    source.voted = study(
        source.suite,
        cast(1, original[0], fewer[0], "left"),
        cast(1, original[1], fewer[1], "left"),
        cast(1, original[1], fewer[1], "unplayable"),
    )
    text = text_of(source)
    assert "No finite strength" in text
    assert "Left out: 1 vote where a video did not play." in text
    assert "nothing is known of their agreement" in text


def test_it_belongs_where_somebodys_votes_count() -> None:
    source = synthetic(prompts=1, samples=1)
    assert not belongs(collect(source, source.suite))
    assert sheet(collect(source, source.suite)).blocks == ()
    source.voted = study(source.suite)
    assert not belongs(collect(source, source.suite))
    assert belongs(collect(voted(), voted().suite))
