from pathlib import Path

from methods.training.history import HISTORY, History, read_history
from methods.training.loop import Progress


def progress(iteration: int, loss: float) -> Progress:
    return Progress(iteration, 10, {"student": loss}, {"student": 2 * loss}, float(iteration), 1.0)


def test_what_is_reported_is_read_back(tmp_path: Path) -> None:
    said: list[Progress] = []
    history = History(tmp_path / "training", said.append)
    for iteration in (1, 2):
        history(progress(iteration, iteration / 4))
    moments = read_history(tmp_path / "training")
    assert [moment.iteration for moment in moments] == [1, 2]
    assert moments[1].losses == {"student": 0.5}
    assert moments[1].gradient_norms == {"student": 1.0}
    assert [one.iteration for one in said] == [1, 2]


def test_a_continued_training_forgets_what_came_after_its_checkpoint(tmp_path: Path) -> None:
    first = History(tmp_path)
    for iteration in (1, 2, 3):
        first(progress(iteration, 1.0))
    History(tmp_path)(progress(3, 7.0))
    moments = read_history(tmp_path)
    assert [(moment.iteration, moment.losses["student"]) for moment in moments] == [(1, 1.0), (2, 1.0), (3, 7.0)]


def test_a_line_cut_short_is_left_out(tmp_path: Path) -> None:
    history = History(tmp_path)
    history(progress(1, 1.0))
    with (tmp_path / HISTORY).open("a", encoding="utf-8") as file:
        file.write('{"iteration": 2, "los')
    assert [moment.iteration for moment in read_history(tmp_path)] == [1]


def test_no_history_is_empty(tmp_path: Path) -> None:
    assert read_history(tmp_path) == []
