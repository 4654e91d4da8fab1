"""Code that decides numbers does not change unnoticed: results of another version are never reused in silence."""

from __future__ import annotations

import json
import sys

import pytest
from code_versions import NOTED, present

from harness import discovery, records
from harness.discovery import code_hash


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="syntax trees are written differently; noted with 3.11")
def test_code_that_decides_numbers_is_as_noted() -> None:
    noted = json.loads(NOTED.read_text(encoding="utf-8"))
    changed = {path for path in noted.keys() | present().keys() if noted.get(path) != present().get(path)}
    assert not changed, (
        f"{', '.join(sorted(changed))} changed: raise harness.records.GENERATION if what a cell holds may differ, give "
        "a metric whose numbers may differ another name, and run python -m tests.harness.code_versions"
    )


def test_another_generation_makes_other_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    before = code_hash("fora", "wan")
    monkeypatch.setattr(records, "GENERATION", 2)
    discovery.code_hash.cache_clear()
    try:
        assert code_hash("fora", "wan") != before
    finally:
        monkeypatch.undo()
        discovery.code_hash.cache_clear()
    assert code_hash("fora", "wan") == before
