"""docs/tables and docs/figures from archives, calibrations and kept losses."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from harness.archive import write_archive
from harness.errors import ReportError, StoreError
from reports.documents import bring, write_documents
from reports.training import keep_trainings
from tests.harness.test_archive import stored
from tests.reports.synthetic import ROWS, synthetic

SHIPPED = Path(__file__).parents[2] / "suites" / "calibrations"


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A folder whose documents are up to date, and one of calibrations."""
    out, calibrations = tmp_path_factory.mktemp("docs"), tmp_path_factory.mktemp("calibrations")
    source = synthetic(rows=ROWS[:2], prompts=2, samples=1)
    store = stored(source, tmp_path_factory.mktemp("store"))
    write_archive(store, source.suite, [], out / "records")
    (calibrations / "shapes").mkdir()
    shutil.copyfile(SHIPPED / "shapes" / "magcache.json", calibrations / "shapes" / "magcache.json")
    lines = [("cfg", "loss/student", iteration, 1 / iteration) for iteration in range(1, 9)]
    frame = pd.DataFrame([*lines, ("cfg", "gradient", 1, 3.0)], columns=["rung", "quantity", "iteration", "value"])
    keep_trainings(frame, out / "records" / "trainings.csv.gz")
    changed = write_documents(out / "records", calibrations, out)
    assert sorted(changed) == sorted(path for part in ("tables", "figures") for path in (out / part).rglob("*.*"))
    return out, calibrations


def test_tables_and_figures_of_everything_that_is_kept(docs: tuple[Path, Path]) -> None:
    out, _ = docs
    assert (out / "tables" / "synthetic" / "efficiency.md").is_file()
    page = (out / "figures" / "synthetic" / "README.md").read_text()
    assert "![Quality against FLOPs](quality_flops.svg)" in page
    assert "shapes: no method was measured at more than one setting." in page
    measured = (out / "figures" / "calibrations" / "shapes" / "README.md").read_text()
    assert "![step_changes](magcache/step_changes.svg)" in measured
    assert "Not drawn, since no value was recorded for it: cache_error, impact, motion, redundancy." in measured
    losses = (out / "figures" / "trainings" / "README.md").read_text()
    assert "![training_losses](training_losses.svg)" in losses
    assert "adversarial_losses." in losses
    for page in (out / "figures").rglob("README.md"):
        for line in page.read_text().splitlines():
            if line.startswith("!["):
                assert (page.parent / line.partition("](")[2].rstrip(")")).is_file()


def test_made_again_they_are_up_to_date(docs: tuple[Path, Path]) -> None:
    out, calibrations = docs
    assert write_documents(out / "records", calibrations, out, check=True) == []


def test_only_what_changed_is_touched(tmp_path: Path) -> None:
    """With a check nothing is."""
    made, kept = tmp_path / "made", tmp_path / "kept"
    for folder, files in (
        (made, {"same.svg": "0.50001", "new/table.md": "new", "edited.md": "made"}),
        (kept, {"same.svg": "0.5", "stale.svg": "old", "edited.md": "by hand"}),
    ):
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    changed = [kept / name for name in ("edited.md", "new/table.md", "stale.svg")]
    assert bring(made, kept, check=True) == changed
    assert (kept / "edited.md").read_text() == "by hand"
    assert bring(made, kept, check=False) == changed
    assert {path.name: path.read_text() for path in kept.rglob("*.*")} == {
        "same.svg": "0.5",
        "table.md": "new",
        "edited.md": "made",
    }
    assert bring(made, kept, check=True) == []


def test_nothing_to_make_them_of(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="harness archive"):
        write_documents(tmp_path / "records", tmp_path / "calibrations", tmp_path)


def test_losses_that_cannot_be_kept_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StoreError, match="--keep"):
        keep_trainings(pd.DataFrame({"quantity": ["loss/x"]}), tmp_path / "taken" / "trainings.csv.gz")
