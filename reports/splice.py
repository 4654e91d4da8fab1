"""Keep tables in a hand-written Markdown document up to date: what stands between two markers is written anew.

    <!-- table disca_table7 of disca_table7 -->
    <!-- end of table -->

The first names the table and the suite whose records it is made from; a document may hold tables of several suites.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from harness.errors import HarnessError

BEGIN: Final = re.compile(r"^<!-- table (?P<table>\S+) of (?P<suite>\S+) -->$")
END: Final = "<!-- end of table -->"


def splice(text: str, suite: str, rendered: Callable[[str], str], where: str) -> str:
    """The document with every table of `suite` as `rendered` gives it by name; all else stays as it is.

    Raises:
        HarnessError: no marker names the suite, or one is not closed. `where` names the document.
    """
    kept: list[str] = []
    found = False
    lines = iter(enumerate(text.split("\n"), start=1))
    for number, line in lines:
        kept.append(line)
        begin = BEGIN.match(line.rstrip())
        if begin is None:
            continue
        old = _until_end(lines, where, number)
        if begin["suite"] == suite:
            found = True
            kept += ["", *rendered(begin["table"]).rstrip("\n").split("\n"), "", END]
        else:
            kept += [*old, END]
    if not found:
        raise HarnessError(
            f"{where}: no table of suite {suite!r} is marked; add the lines <!-- table NAME of {suite} --> and {END}"
        )
    return "\n".join(kept)


def splice_file(path: Path, suite: str, rendered: Callable[[str], str], *, check: bool) -> bool:
    """Bring the tables of a suite in a file up to date, or with `check` only look. Whether the file was so before.

    Raises:
        HarnessError: as `splice`, or the file cannot be read or written.
    """
    try:
        old = path.read_text(encoding="utf-8")
        new = splice(old, suite, rendered, str(path))
        if new != old and not check:
            path.write_text(new, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise HarnessError(f"{path}: cannot be used ({reason}); give a Markdown file with marked tables") from None
    return new == old


def _until_end(lines: Iterator[tuple[int, str]], where: str, begun: int) -> list[str]:
    """The lines up to the closing marker, which is taken away."""
    inside: list[str] = []
    for number, line in lines:
        if line.rstrip() == END:
            return inside
        if BEGIN.match(line.rstrip()):
            raise HarnessError(f"{where}:{number}: a table begins inside of that of line {begun}; close it with {END}")
        inside.append(line)
    raise HarnessError(f"{where}:{begun}: the table has no end; add a line {END}")
