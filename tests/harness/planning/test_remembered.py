"""A memory makes a plan faster and never another one: whatever befalls its file, the worst is that code is asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.planning import remembered as module
from harness.planning.remembered import KEPT_FILES, Remembered, users_memory


class Code:
    """Answers, and counts how often it had to."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    def ask(self, remembered: Remembered, question: object = "what", answer: object = 1) -> object:
        def told() -> object:
            self.asked.append(question)
            return answer

        return remembered.ask(question, told)


@pytest.fixture
def code() -> Code:
    return Code()


@pytest.fixture
def state(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The state of the code; a test that appends changes it."""
    states = ["first"]
    monkeypatch.setattr(module, "code_state", lambda: states[-1])
    return states


def learned(folder: Path, code: Code, **answers: object) -> None:
    remembered = Remembered(folder)
    for question, answer in answers.items():
        code.ask(remembered, question, answer)
    remembered.keep()


def only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


@pytest.mark.usefixtures("state")
class TestAnswers:
    def test_are_those_of_the_first_time_in_the_next_process(self, tmp_path: Path, code: Code) -> None:
        learned(tmp_path, code, what={"steps": [1, 2.0, None]})
        assert code.ask(Remembered(tmp_path), "what", "something else") == {"steps": [1, 2.0, None]}
        assert code.asked == ["what"]

    def test_have_gone_through_json_the_first_time_too(self, tmp_path: Path, code: Code) -> None:
        assert code.ask(Remembered(tmp_path), "what", {"steps": (1, 2)}) == {"steps": [1, 2]}

    def test_are_not_there_unless_they_were_kept(self, tmp_path: Path, code: Code) -> None:
        code.ask(Remembered(tmp_path))
        code.ask(Remembered(tmp_path))
        assert len(code.asked) == 2

    def test_that_were_no_answers_are_not_kept(self, tmp_path: Path, code: Code) -> None:
        remembered = Remembered(tmp_path)
        with pytest.raises(ZeroDivisionError):
            remembered.ask("what", lambda: 1 / 0)
        remembered.keep()
        assert list(tmp_path.iterdir()) == []

    def test_to_questions_that_only_look_equal_differ(self, tmp_path: Path, code: Code) -> None:
        questions = [1, 1.0, True, "1", [1], (1,), {"a": 1, "b": 2}, {"b": 2, "a": 1}]
        remembered = Remembered(tmp_path)
        assert [code.ask(remembered, question, index) for index, question in enumerate(questions)] == list(range(8))

    def test_asked_longest_ago_go_first(self, tmp_path: Path, code: Code, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "MOST_ANSWERS", 2)
        learned(tmp_path, code, a=1, b=2)
        learned(tmp_path, code, a=1, c=3)
        assert code.asked == ["a", "b", "c"]
        learned(tmp_path, code, a=1, c=3, b=2)
        assert code.asked == ["a", "b", "c", "b"]


@pytest.mark.usefixtures("state")
class TestFile:
    def test_cut_short_anywhere_counts_as_empty(self, tmp_path: Path, code: Code) -> None:
        learned(tmp_path, code, what=1)
        path = only_file(tmp_path)
        whole = path.read_bytes()
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            assert code.ask(Remembered(tmp_path), "what", 2) == 2
        path.write_bytes(whole)
        assert code.ask(Remembered(tmp_path), "what", 2) == 1

    def test_with_any_byte_changed_counts_as_empty(self, tmp_path: Path, code: Code) -> None:
        learned(tmp_path, code, what=1)
        path = only_file(tmp_path)
        whole = path.read_bytes()
        for place in range(len(whole)):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
            assert code.ask(Remembered(tmp_path), "what", 2) == 2

    def test_is_written_anew_after_it_was_lost_or_damaged(self, tmp_path: Path, code: Code) -> None:
        learned(tmp_path, code, what=1)
        path = only_file(tmp_path)
        path.write_bytes(b"")
        learned(tmp_path, code, what=1)
        path.unlink()
        learned(tmp_path, code, what=1)
        learned(tmp_path, code, what=1)
        assert len(code.asked) == 3

    def test_that_cannot_be_written_is_no_error(self, tmp_path: Path, code: Code) -> None:
        taken = tmp_path / "taken"
        taken.touch()
        learned(taken, code, what=1)
        learned(taken / "below", code, what=1)
        assert len(code.asked) == 2

    def test_is_not_written_where_nothing_was_learned(self, tmp_path: Path, code: Code) -> None:
        learned(tmp_path, code, what=1)
        written = only_file(tmp_path).stat().st_mtime_ns
        learned(tmp_path, code, what=1)
        assert only_file(tmp_path).stat().st_mtime_ns == written


class TestCodeThatChanges:
    def test_is_asked_again_and_its_old_answers_stay_beside(self, tmp_path: Path, code: Code, state: list[str]) -> None:
        learned(tmp_path, code, what=1)
        state.append("second")
        learned(tmp_path, code, what=2)
        assert code.ask(Remembered(tmp_path)) == 2
        state.append("first")
        assert code.ask(Remembered(tmp_path)) == 1
        assert len(code.asked) == 2

    def test_while_it_answers_is_not_remembered(self, tmp_path: Path, code: Code, state: list[str]) -> None:
        remembered = Remembered(tmp_path)
        code.ask(remembered)
        state.append("second")
        remembered.keep()
        assert list(tmp_path.iterdir()) == []

    def test_leaves_no_more_than_the_last_files(self, tmp_path: Path, code: Code, state: list[str]) -> None:
        for turn in range(KEPT_FILES + 3):
            state.append(f"state-{turn}")
            learned(tmp_path, code, what=turn)
        assert len(list(tmp_path.iterdir())) == KEPT_FILES
        assert code.ask(Remembered(tmp_path), "what", "asked") == KEPT_FILES + 2


WRITER = """
import sys
from pathlib import Path
from harness.planning import remembered
remembered.code_state = lambda: "first"
for turn in range(40):
    memory = remembered.Remembered(Path(sys.argv[1]))
    memory.ask((sys.argv[2], turn), lambda: list(range(1000)))
    assert memory.ask("both", lambda: "same") == "same"
    memory.keep()
"""


def test_processes_that_write_at_once_never_show_half_a_file(tmp_path: Path, state: list[str]) -> None:
    folder = tmp_path / "plans"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(folder), name]) for name in "ab"]
    path, seen = folder / "first.json", 0
    while any(writer.poll() is None for writer in writers):
        if path.is_file():
            checksum, _, body = path.read_bytes().partition(b"\n")
            assert checksum == module._checksum(body)
            assert "same" in json.loads(body).values()
            seen += 1
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen > 1
    assert Remembered(folder).ask("both", lambda: "other") == "same"


def test_a_process_that_has_torch_remembers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(sys.modules, "torch", sys)
    assert users_memory() is None
    monkeypatch.delitem(sys.modules, "torch")
    assert isinstance(users_memory(), Remembered)
