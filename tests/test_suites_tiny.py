"""Every committed suite of a paper runs as it is on stand-ins of its models: a cell of each kind of row that can run.

Rows of one method that differ in numbers only are of one kind; that the numbers are valid, the plan says.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml

from harness.plan import make_plan
from harness.planning.row import Row
from harness.records import Status
from harness.variant import load_variant
from harness.worker import Worker

FILES = Path(__file__).parents[1].joinpath("suites").glob("*.yaml")
SUITES = sorted(path for path in FILES if not path.name.endswith(".example.yaml"))
ROWS_OF_OTHERS = ("vbench_full",)
"""Suites whose rows all stand in others too; that they plan is tested with what is their own."""


def of_a_paper(path: Path) -> bool:
    """Whether a suite names models of a hub; the others have a model beside them and need no stand-in."""
    if path.stem in ROWS_OF_OTHERS:
        return False
    models = yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
    return not any(entry["model"].startswith((".", "/")) for entry in models.values())


def kind(row: Row) -> tuple[object, ...]:
    """The model, whatever the videos' size; the method, and the switches of its hyper-parameters."""
    switches = {
        name: value for name, value in asdict(row.method).items() if isinstance(value, bool | str) or value is None
    }
    return row.model.family, row.model.model, row.model.rung, row.method_name, tuple(switches.items())


@pytest.mark.parametrize("path", [path for path in SUITES if of_a_paper(path)], ids=lambda path: path.stem)
@pytest.mark.slow
def test_one_cell_of_every_kind_of_row_is_made(path: Path, tmp_path: Path) -> None:
    plan = make_plan(load_variant(path, tiny=True, first_prompts=1))
    rows = {kind(row): row.name for row in reversed(plan.rows) if row.skip_reason is None}.values()
    worker = Worker(str(tmp_path / "store"), "cpu")
    try:
        # The metrics have tests of their own, and say nothing about noise.
        records = [worker.run(replace(task, metrics=())) for task in plan.tasks() if task.row in rows]
    finally:
        worker.close()
    failed = [(record.row, record.reason) for record in records if record.status is not Status.OK]
    assert not failed
    assert {record.row for record in records} == set(rows) != set()
    steps = {row.name: row.sampling.num_inference_steps for row in plan.rows}
    assert all(len(record.latency.step_s) == steps[record.row] for record in records if record.latency)
