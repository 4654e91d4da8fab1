"""`harness study` as people use it; the page itself is tested in tests/harness/study."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from harness.cli import main
from harness.store import Store
from harness.study.plan import Comparison
from harness.study.record import Choice
from harness.study.votes import Draft, Votes
from tests.reports.synthetic import ROWS, synthetic


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three rows with records, and no video files."""
    source = synthetic(rows=ROWS[:3], prompts=3, samples=1)
    store = Store(str(tmp_path / "runs"))
    store.write_manifest(source.suite)
    for record in source.done.values():
        store.write_cell(record)
    return store


def run_main(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of one command, error handling included."""
    monkeypatch.setattr(sys, "argv", ["harness", "study", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    said = capsys.readouterr()
    return int(stop.value.code or 0), said.out, said.err


def vote(store: Store, path: Path | None = None) -> None:
    """Two raters prefer the original to everything, and fewer_steps-25 to fewer_steps-10 once each."""
    rows = store.manifest("synthetic").rows
    votes = Votes(path or Path(store.root) / "studies" / "synthetic.sqlite", "synthetic")
    for name in ("Ada", "Grace"):
        rater = votes.rater(votes.enter(name))
        assert rater is not None
        for first, second in ((0, 1), (0, 2), (1, 2), (1, 2)):
            for at in range(3):
                comparison = Comparison(rows[first].cell_ids[at], rows[second].cell_ids[at])
                asked = votes.ask(rater, lambda asked, pair=comparison: Draft(pair, swapped=False))
                choice: Choice = "left" if at else "tie"
                assert asked is not None
                votes.answer(rater, asked.question, choice)


def test_report_counts_the_votes_into_the_report(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    vote(store)

    code, out, err = run_main(monkeypatch, capsys, "report", "synthetic", "--store", store.root, "--no-track")

    folder = Path(store.root) / "reports" / "synthetic"
    assert code == 0, err
    assert "24 votes of 2 raters" in out
    assert "## User study" in (folder / "report.md").read_text(encoding="utf-8")
    assert (folder / "figures" / "user_study.png").exists()
    study = store.study("synthetic")
    assert study is not None
    assert len(study.votes) == 24
    assert "Ada" not in study.model_dump_json()


def test_report_as_json(store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    file = Path(store.root) / "elsewhere.sqlite"
    vote(store, file)

    code, out, _ = run_main(
        monkeypatch, capsys, "report", "synthetic", "--store", store.root, "--votes", str(file), "--no-track", "--json"
    )

    said = json.loads(out)
    assert code == 0
    assert (said["votes"], said["raters"]) == (24, 2)
    assert [row["row"] for row in said["rows"]] == ["original", "fewer_steps-25", "fewer_steps-10"]
    assert said["rows"][0]["win_rate"] == pytest.approx(100 * 5 / 6)


def test_a_study_nobody_voted_in_names_the_remedy(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run_main(monkeypatch, capsys, "report", "synthetic", "--store", store.root)
    assert code == 1
    assert "harness study serve" in err
    assert err.count("\n") == 1
    assert not (Path(store.root) / "studies").exists()


def test_votes_that_do_not_count_say_why(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    votes = Votes(Path(store.root) / "studies" / "synthetic.sqlite", "synthetic")
    rater = votes.rater(votes.enter("Ada"))
    assert rater is not None
    asked = votes.ask(rater, lambda asked: Draft(Comparison("gone", "too"), swapped=False))
    assert asked is not None
    votes.answer(rater, asked.question, "left")
    code, _, err = run_main(monkeypatch, capsys, "report", "synthetic", "--store", store.root, "--no-track")
    assert code == 1
    assert "on videos that the suite no longer has" in err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--row", "fewer"), "did you mean 'fewer_steps-25'?"),
        (("--host", "0.0.0.0"), "--name"),
        (("--host", "0.0.0.0", "--name", "lab.example"), "--invite"),
        (("--reference",), "begun with --no-reference"),
        (("--against", "original"), "run its cell again"),
    ],
)
def test_serving_what_cannot_be_served_is_one_line(
    arguments: tuple[str, ...],
    expected: str,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The last one has no video files at all."""
    vote(store)
    code, _, err = run_main(monkeypatch, capsys, "serve", "synthetic", "--store", store.root, *arguments)
    assert code == 1
    assert expected in err
    assert err.count("\n") == 1


def test_a_remote_store_needs_a_local_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], store: Store
) -> None:
    remote = Store("memory://study")
    remote.write_manifest(store.manifest("synthetic"))
    code, _, err = run_main(monkeypatch, capsys, "report", "synthetic", "--store", "memory://study")
    assert code == 1
    assert "--votes" in err
