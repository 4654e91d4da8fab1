"""Explanations of claims that do not hold: read strictly, and refused where there is nothing to explain."""

from __future__ import annotations

import pytest

from harness.errors import ReportError
from reports.bootstrap import Interval
from reports.claims.notes import Note, explained, read_notes
from reports.claims.verdict import Finding, Verdict
from reports.estimates import Contrast


def verdict(letter, low, high):
    return Verdict(letter, "It is so.", "a paper", "", (Finding("it", Contrast(0.0, Interval(low, high), 8)),))


VERDICTS = {"a": verdict("a", 1, 2), "b": verdict("b", -2, -1), "c": verdict("c", -1, 1)}


def test_notes_go_to_their_claims():
    told = explained(VERDICTS, {"b": Note(explanation="why", attempt="tried"), "c": Note(explanation="who knows")}, "n")
    assert [told[letter].explanation for letter in "abc"] == [None, "why", "who knows"]
    assert [told[letter].attempt for letter in "abc"] == [None, "tried", None]


@pytest.mark.parametrize(
    ("letter", "said"),
    [
        ("a", "notes: claims.a: explains why the claim does not hold, but it does"),
        ("z", "notes: claims.z: there is no"),
    ],
)
def test_a_note_that_explains_nothing_is_refused(letter, said):
    with pytest.raises(ReportError, match=said):
        explained(VERDICTS, {letter: Note(explanation="why")}, "notes")


def test_the_file_is_read_strictly(tmp_path):
    path = tmp_path / "notes.yaml"
    assert read_notes(path) == {}
    path.write_text("claims:\n  b:\n    explanation: why\n")
    assert read_notes(path) == {"b": Note(explanation="why")}
    path.write_text("claims:\n  b:\n    explanaton: why\n")
    with pytest.raises(ReportError, match=r"notes\.yaml:3: claims\.b\.explanaton: unknown key.*'explanation'"):
        read_notes(path)
    path.write_text("claims:\n  b: {}\n")
    with pytest.raises(ReportError, match=r"claims\.b\.explanation: is missing"):
        read_notes(path)
