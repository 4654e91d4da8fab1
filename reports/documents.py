"""`docs/tables` and `docs/figures`: made anew from archived records and calibration files, and only from them.

Both folders belong to this module: what it does not make is removed from them.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pandas as pd

import reports.figures as figures
from harness.archive import SUFFIX, opened
from harness.errors import ReportError, StoreError
from harness.records import SuiteManifest
from reports import provenance
from reports.calibration import draw_calibration
from reports.discovery import modules
from reports.export import write_tables
from reports.figure_section import figure_section
from reports.results import collect
from reports.same import same
from reports.source import RecordSource
from reports.training import draw_trainings

TABLES: Final = "tables"
FIGURES: Final = "figures"
CALIBRATIONS: Final = "calibrations"
TRAININGS: Final = "trainings"
TRAININGS_FILE: Final = f"{TRAININGS}.csv.gz"
"""Among the records: what `harness train curves --keep` has written."""
PAGE: Final = "README.md"
"""What code hosts show of a folder."""


def write_documents(records: Path, calibrations: Path, out: Path, *, check: bool = False) -> list[Path]:
    """Bring `out/tables` and `out/figures` up to date, or with `check` only look. The files that were not.

    Of every `records/*.tar.xz` the tables and figures that a report of the suite has, of every calibration file and of
    `records/trainings.csv.gz` the curves. A figure counts as up to date if no difference can be seen; see
    `reports.same`.

    Raises:
        ReportError: there are neither records nor calibrations.
        StoreError: an archive cannot be read, or `out` cannot be written.
        CalibrationError: a calibration file cannot be read.
    """
    archives, calibrated = sorted(records.glob(f"*{SUFFIX}")), sorted(calibrations.glob("*/*.json"))
    if not archives and not calibrated:
        raise ReportError(f"{records}: holds no *{SUFFIX}; run `harness archive SUITE --out {records}` first")
    with TemporaryDirectory() as folder:
        made = Path(folder)
        for archive in archives:
            with opened(archive) as (source, manifest):
                _suite(source, manifest, made)
        for label in dict.fromkeys(path.parent for path in calibrated):
            _calibrations([path for path in calibrated if path.parent == label], label.name, made)
        if (records / TRAININGS_FILE).is_file():
            _trainings(pd.read_csv(records / TRAININGS_FILE), made)
        try:
            return [path for part in (TABLES, FIGURES) for path in bring(made / part, out / part, check=check)]
        except OSError as error:
            raise StoreError(f"{out} cannot be written ({error}); choose another --out") from error


def _suite(source: RecordSource, manifest: SuiteManifest, made: Path) -> None:
    results = collect(source, manifest)
    write_tables(results, "markdown", made / TABLES / manifest.suite)
    folder = made / FIGURES / manifest.suite
    folder.mkdir(parents=True)
    lines, _ = figure_section(results, source, folder, folder)
    _page(folder, [f"# Figures of {manifest.suite}", "", *provenance.head(results), "", *lines])


def _calibrations(paths: list[Path], label: str, made: Path) -> None:
    """What was measured of one model, a section per file."""
    folder = made / FIGURES / CALIBRATIONS / label
    lines = [f"# What calibrations measured of {label}", ""]
    for path in paths:
        drawn = draw_calibration(path, folder / path.stem)
        lines += [f"## {path.stem}", "", *_pictures(drawn, "of_calibration", folder)]
    _page(folder, lines)


def _trainings(frame: pd.DataFrame, made: Path) -> None:
    folder = made / FIGURES / TRAININGS
    _page(folder, ["# Losses of trainings", "", *_pictures(draw_trainings(frame, folder), "of_trainings", folder)])


def _pictures(drawn: list[Path], offers: str, folder: Path) -> list[str]:
    """Pictures over what their modules say of them, and which ones there are no values for."""
    offered = modules(figures.__name__, figures.__path__, offers)
    lines = []
    for picture in drawn:
        said = (offered[picture.stem].__doc__ or "").partition("\n")[0]
        lines += [f"![{picture.stem}]({picture.relative_to(folder).as_posix()})", "", said, ""]
    absent = sorted(offered.keys() - {picture.stem for picture in drawn})
    return [*lines, *([f"Not drawn, since no value was recorded for it: {', '.join(absent)}.", ""] if absent else [])]


def _page(folder: Path, lines: list[str]) -> None:
    (folder / PAGE).write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def bring(made: Path, kept: Path, *, check: bool) -> list[Path]:
    """Make `kept` hold the files of `made` and no others. Those that had to change; all others stay untouched."""
    new = {path.relative_to(made) for path in made.rglob("*") if path.is_file()}
    old = {path.relative_to(kept) for path in kept.rglob("*") if path.is_file()}
    changed = sorted(new ^ old | {name for name in new & old if not same(made / name, kept / name)})
    for name in [] if check else changed:
        if name in new:
            (kept / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(made / name, kept / name)
        else:
            (kept / name).unlink()
    return [kept / name for name in changed]
