"""Tables on their own: one as text, or all of a suite's report as files."""

from __future__ import annotations

from pathlib import Path

from harness.errors import HarnessError, StoreError
from reports import formats, tables
from reports.results import Results


def check_names(table: str | None, form: str | None) -> None:
    """Before anything is read or planned.

    Raises:
        HarnessError: there is no such table or format.
    """
    if table is not None:
        tables.load(table)
    if form is not None:
        formats.load(form)


def table_text(results: Results, table: str, form: str) -> str:
    """One table in one format.

    Raises:
        HarnessError: there is no such table or format, or the table has nothing to say of this suite.
    """
    found, written_as = tables.load(table), formats.load(form)
    sheet = found.sheet(results)
    if not sheet.blocks:
        raise HarnessError(f"table {table!r} has nothing to show of suite {results.manifest.suite!r}; leave it out")
    return written_as.render(sheet)


def write_tables(results: Results, form: str, folder: Path) -> list[Path]:
    """Every table of the suite's report into a folder, a file each: `NAME.tex` and the like.

    Raises:
        HarnessError: there is no such format.
        StoreError: the folder cannot be written.
    """
    suffix = formats.load(form).SUFFIX
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in tables.discover().items():
            if table.belongs(results):
                path = folder / f"{name}{suffix}"
                path.write_text(table_text(results, name, form), encoding="utf-8")
                written.append(path)
    except OSError as error:
        raise StoreError(f"tables folder {str(folder)!r} cannot be written ({error}); choose another") from error
    return written
