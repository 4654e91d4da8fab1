"""Committed suites on models that ship with the harness leave nothing out, and name only what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.plan import make_plan
from harness.variant import load_variant

SUITES = Path(__file__).parents[1] / "suites"


@pytest.mark.parametrize("name", ["quickstart", "methods", "shapes_disca", "shapes_disca_speed", "vbench_quick"])
def test_no_row_is_skipped(name: str) -> None:
    rows = make_plan(load_variant(SUITES / f"{name}.yaml", tiny=False, first_prompts=1)).rows
    assert rows
    assert {row.name: row.skip_reason for row in rows if row.skip_reason is not None} == {}


def test_no_shipped_model_names_a_path_of_the_machine_it_was_saved_on() -> None:
    files = sorted((SUITES.parent / "harness" / "shapes").rglob("*.json"))
    assert files
    assert [str(path) for path in files if '": "/' in path.read_text(encoding="utf-8")] == []
