"""Every committed suite of a paper runs as it is on stand-ins of its models: one cell of each row that can run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from harness.plan import make_plan
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


@pytest.mark.parametrize("path", [path for path in SUITES if of_a_paper(path)], ids=lambda path: path.stem)
def test_one_cell_of_every_row_is_made(path: Path, tmp_path: Path) -> None:
    plan = make_plan(load_variant(path, tiny=True, first_prompts=1))
    worker = Worker(str(tmp_path / "store"), "cpu")
    try:
        # The metrics have tests of their own, and say nothing about noise.
        records = [worker.run(replace(task, metrics=())) for task in plan.tasks()]
    finally:
        worker.close()
    failed = [(record.row, record.reason) for record in records if record.status is not Status.OK]
    assert not failed
    assert len(records) == sum(row.skip_reason is None for row in plan.rows) > 0
    steps = {row.name: row.sampling.num_inference_steps for row in plan.rows}
    assert all(len(record.latency.step_s) == steps[record.row] for record in records if record.latency)
