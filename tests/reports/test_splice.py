"""Tables inside a document that somebody wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import HarnessError
from reports.splice import splice, splice_file

DOCUMENT = """# Ours

<!-- table speed of mine -->
old
<!-- end of table -->
Between.
<!-- table speed of yours -->
theirs
<!-- end of table -->
"""
SPLICED = """# Ours

<!-- table speed of mine -->

the table speed

<!-- end of table -->
Between.
<!-- table speed of yours -->
theirs
<!-- end of table -->
"""


def rendered(name: str) -> str:
    return f"the table {name}\n"


def test_only_the_suites_own_tables_change() -> None:
    assert splice(DOCUMENT, "mine", rendered, "a.md") == SPLICED


def test_splicing_again_changes_nothing() -> None:
    assert splice(SPLICED, "mine", rendered, "a.md") == SPLICED


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nothing\n", "a.md: no table of suite 'mine' is marked; add the lines <!-- table NAME of mine -->"),
        ("<!-- table a of yours -->\n<!-- end of table -->\n", "no table of suite 'mine'"),
        ("\n<!-- table a of mine -->\n", "a.md:2: the table has no end; add a line <!-- end of table -->"),
        ("<!-- table a of mine -->\n<!-- table b of mine -->\n", "a.md:2: a table begins inside of that of line 1"),
    ],
)
def test_broken_documents_are_refused(text: str, expected: str) -> None:
    with pytest.raises(HarnessError) as refused:
        splice(text, "mine", rendered, "a.md")
    assert expected in str(refused.value)


def test_file_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(DOCUMENT)
    assert not splice_file(path, "mine", rendered, check=True)
    assert path.read_text() == DOCUMENT
    assert not splice_file(path, "mine", rendered, check=False)
    assert path.read_text() == SPLICED
    assert splice_file(path, "mine", rendered, check=True)


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match="No such file or directory"):
        splice_file(tmp_path / "none.md", "mine", rendered, check=True)
    (tmp_path / "binary.md").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(HarnessError, match="not UTF-8 text"):
        splice_file(tmp_path / "binary.md", "mine", rendered, check=False)
