"""Records read in shares are those read at once."""

from __future__ import annotations

import pytest

from harness.errors import StoreError
from reports import reading
from reports.reading import read
from tests.reports.synthetic import MemorySource, troubled


def test_shares_give_what_reading_at_once_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    source = troubled()
    ids = [cell_id for row in source.suite.rows for cell_id in row.cell_ids]
    cells, scores = read(source, ids)
    assert cells.keys() < set(ids)
    asked: list[int] = []

    def here(action, each):  # type: ignore[no-untyped-def]
        asked.extend(len(cell_ids) for *_, cell_ids in each)
        return [action(*arguments) for arguments in each]

    monkeypatch.setattr(reading, "MANY_CELLS", 1)
    monkeypatch.setattr(reading, "SHARE_CELLS", 5)
    monkeypatch.setattr(reading, "shared", here)
    assert read(source, ids) == (cells, scores)
    assert list(read(source, ids)[0]) == [cell_id for cell_id in ids if cell_id in source.done]
    assert max(asked) == 5
    assert sum(asked) == 2 * 2 * len(ids)


def test_what_cannot_be_read_is_the_sources_error(monkeypatch: pytest.MonkeyPatch) -> None:
    source = troubled()

    def unreadable(self: MemorySource, cell_ids: object) -> None:
        raise StoreError("the file server is away")

    monkeypatch.setattr(MemorySource, "cells", unreadable)
    with pytest.raises(StoreError, match="away"):
        read(source, source.suite.rows[0].cell_ids)
