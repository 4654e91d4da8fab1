"""The file of votes: nothing is lost, nothing is counted twice, nobody gets in by another's secret."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import harness.study.votes as module
from harness.errors import StudyError
from harness.study.plan import Comparison
from harness.study.votes import Asked, Draft, Votes

PAIR = Comparison("a", "b")


@pytest.fixture
def votes(tmp_path: Path) -> Votes:
    return Votes(tmp_path / "studies" / "small.sqlite", "small")


def rater_of(votes: Votes, name: str) -> int:
    rater = votes.rater(votes.enter(name))
    assert rater is not None
    return rater


def test_a_name_is_one_rater_in_many_sessions(votes: Votes) -> None:
    first, second = votes.enter("Ada"), votes.enter("Ada")
    assert first != second
    assert votes.rater(first) == votes.rater(second)
    assert votes.rater(first) != rater_of(votes, "Grace")
    assert votes.rater("made up") is None


def test_invitations_close_the_door_to_names(votes: Votes) -> None:
    assert not votes.invitation_needed()
    one, other = votes.invite(2)
    assert votes.invitation_needed()
    raters = {votes.rater(session) for session in map(votes.enter_invited, (one, other, one)) if session}
    assert len(raters) == 2
    assert votes.enter_invited("made up") is None


def test_secrets_are_not_in_the_file(votes: Votes) -> None:
    secrets = [*votes.invite(1), votes.enter("Ada")]
    content = votes.path.read_bytes()
    assert not any(secret.encode() in content for secret in secrets)


def test_a_question_stays_until_it_is_answered(votes: Votes) -> None:
    rater = rater_of(votes, "Ada")
    asked = votes.ask(rater, lambda asked: Draft(PAIR, swapped=True))
    assert asked is not None
    assert (asked.left_cell_id, asked.right_cell_id, asked.number) == ("b", "a", 0)
    assert votes.ask(rater, lambda asked: pytest.fail("there is an open question")) == asked
    assert votes.answer(rater, asked.question, "left")
    assert votes.ask(rater, lambda asked: None) is None


def test_the_first_answer_stays(votes: Votes) -> None:
    """A page that is sent again, or a click that came twice."""
    rater = rater_of(votes, "Ada")
    asked = votes.ask(rater, lambda asked: Draft(PAIR, swapped=False))
    assert asked is not None
    assert votes.answer(rater, asked.question, "left")
    assert votes.answer(rater, asked.question, "right")
    assert [vote.choice for vote in votes.record().votes] == ["left"]
    assert votes.answered(rater) == 1


def test_only_who_was_asked_can_answer(votes: Votes) -> None:
    asked = votes.ask(rater_of(votes, "Ada"), lambda asked: Draft(PAIR, swapped=False))
    assert asked is not None
    other = rater_of(votes, "Grace")
    assert not votes.answer(other, asked.question, "left")
    assert votes.question(other, asked.question) is None
    assert votes.record().votes == ()


def test_choosing_sees_what_was_asked(votes: Votes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open questions count until their rater has left; checks and videos that do not play never do."""
    seen: list[Asked] = []

    def choose(draft: Draft) -> Draft:
        return draft

    def look(rater: int) -> Asked:
        votes.ask(rater, lambda asked: seen.append(asked))
        return seen[-1]

    ada, grace = rater_of(votes, "Ada"), rater_of(votes, "Grace")
    open_one = votes.ask(ada, lambda asked: choose(Draft(PAIR, swapped=True)))
    assert open_one is not None
    assert look(grace) == Asked(counts={PAIR: 1}, seen=set(), number=0)
    monkeypatch.setattr(module, "OPEN_S", -1.0)
    assert look(grace).counts == {}
    votes.answer(ada, open_one.question, "tie")
    assert look(grace).counts == {PAIR: 1}
    for draft, choice in (
        (Draft(Comparison("a", "a"), swapped=False, is_check=True), "left"),
        (Draft(Comparison("a", "c"), swapped=False), "unplayable"),
    ):
        asked = votes.ask(ada, lambda asked, draft=draft: draft)
        assert asked is not None
        votes.answer(ada, asked.question, choice)  # type: ignore[arg-type]
    own = look(ada)
    assert own.counts == {PAIR: 1}
    assert own.seen == {PAIR, Comparison("a", "c")}
    assert own.number == 3


def test_the_record_has_sides_and_checks_and_no_names(votes: Votes) -> None:
    rater = rater_of(votes, "Ada Lovelace")
    drafts = (Draft(PAIR, swapped=True), Draft(Comparison("a", "a"), swapped=True, is_check=True))
    for draft, choice in zip(drafts, ("right", "left"), strict=True):
        asked = votes.ask(rater, lambda asked, draft=draft: draft)
        assert asked is not None
        votes.answer(rater, asked.question, choice)  # type: ignore[arg-type]
    record = votes.record()
    first, check = record.votes
    assert (first.left_cell_id, first.right_cell_id, first.choice, first.degraded) == ("b", "a", "right", None)
    assert (check.left_cell_id, check.right_cell_id, check.degraded) == ("a", "a", "left")
    assert first.shown_s >= 0
    assert "Lovelace" not in record.model_dump_json()


def test_threads_never_get_the_same_number(votes: Votes) -> None:
    """Each rater may have one open question, however often the page is loaded at once."""
    rater = rater_of(votes, "Ada")
    with ThreadPoolExecutor(8) as threads:
        asked = list(threads.map(lambda _: votes.ask(rater, lambda asked: Draft(PAIR, swapped=False)), range(24)))
    assert len({question.question for question in asked if question is not None}) == 1


def test_two_processes_may_begin_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "votes.sqlite"
    code = (
        "import pathlib, sys; from harness.study.votes import Votes; "
        "votes = Votes(pathlib.Path(sys.argv[1]), 'small'); print(votes.rater(votes.enter(sys.argv[2])))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code, str(path), name], stdout=subprocess.PIPE, text=True)
        for name in ("Ada", "Grace", "Mary")
    ]
    assert sorted(process.communicate()[0].strip() for process in running) == ["1", "2", "3"]


def test_files_of_others_are_refused_and_left_alone(tmp_path: Path, votes: Votes) -> None:
    with pytest.raises(StudyError, match="are on suite 'small', not 'other'"):
        Votes(votes.path, "other")
    text = tmp_path / "notes.txt"
    text.write_text("not a database, and long enough to be looked at as one" * 20)
    with pytest.raises(StudyError, match="cannot be used"):
        Votes(text, "small")
    assert text.read_text().startswith("not a database")
    with sqlite3.connect(votes.path) as connection:
        connection.execute("PRAGMA user_version = 7")
    with pytest.raises(StudyError, match="version 7"):
        Votes(votes.path, "small")
    other = tmp_path / "other.sqlite"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE theirs (value)")
    with pytest.raises(StudyError, match="version 0"):
        Votes(other, "small")
