"""Models whose videos are spread over devices: other cells, a size of worker, and what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import SuiteError
from harness.parallel import Parallel
from harness.plan import Plan, make_plan
from harness.suite import load_suite
from harness.tiny import tiny_suite

SUITE = """\
models:
  one: {family: wan, model: some/wan, dtype: float32}
  two: {family: wan, model: some/wan, dtype: float32, parallel: {ulysses: 2}}
  also_one: {family: latte, model: some/latte}
prompts: [a red circle]
methods:
  - method: original
  - method: cache_dit
resources: {two: {gpus: 1, cpus: 3}}
"""


def planned(folder: Path, text: str = SUITE) -> Plan:
    path = folder / "spread.yaml"
    path.write_text(text)
    return make_plan(load_suite(path))


def test_rows_and_cells_are_others_and_their_workers_have_ranks(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    rows = {row.name: row for row in plan.rows}
    one, two = rows["one: original"], rows["two: original"]
    assert (one.model.parallel, two.model.parallel) == (None, Parallel(ulysses=2))
    assert (one.model.resources.ranks, two.model.resources.ranks, two.model.resources.cpus) == (1, 2, 3)
    assert one.row_key != two.row_key
    keys = {task.row: task.key for task in plan.tasks()}
    assert keys["two: original"].parallel == {"ulysses": 2, "ring": 1}
    alone = keys["two: original"].model_copy(update={"parallel": None})
    assert alone.cell_id == keys["one: original"].cell_id, "cells of one device are named as ever"
    assert alone.cell_id != keys["two: original"].cell_id
    devices = {row.row: row.devices for row in plan.manifest().rows}
    assert (devices["one: original"], devices["two: original"]) == (1, 2)


def test_a_method_that_needs_one_device_says_why(tmp_path: Path) -> None:
    reasons = {row.name: row.skip_reason for row in planned(tmp_path).rows}
    assert reasons["one: cache_dit"] is None
    assert "before they are split over devices" in str(reasons["two: cache_dit"])


def test_one_device_is_one_device_however_it_is_written(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="row 'two: original' is the same as row 'one: original'; keep one"):
        planned(tmp_path, SUITE.replace("{ulysses: 2}", "{ulysses: 1, ring: 1}"))


def test_a_family_without_a_plan_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"models\.also_one\.parallel.*diffusers has no plan to spread latte over dev"):
        planned(tmp_path, SUITE.replace("model: some/latte", "model: some/latte, parallel: {ulysses: 2}"))


def test_stand_ins_run_on_one_device(tmp_path: Path) -> None:
    (tmp_path / "spread.yaml").write_text(SUITE)
    entries = tiny_suite(load_suite(tmp_path / "spread.yaml")).suite.models.values()
    assert {entry.parallel for entry in entries} == {None}
