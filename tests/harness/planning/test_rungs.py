"""Trained weights that a suite names: found beside it, told apart by what they are, used as planned."""

from __future__ import annotations

import json

import pytest

from harness.cost.price import PriceList
from harness.errors import SuiteError
from harness.plan import make_plan
from harness.records import Status
from harness.suite import load_suite
from harness.worker import Worker
from methods.cfg_distilled import CfgDistilled
from methods.families.wan import Wan

SUITE = """\
models:
  tiny:
    family: wan
    model: ./model
    dtype: float32
    sampling: {num_inference_steps: 3, guidance_scale: 3, height: 32, width: 32, num_frames: 5, max_sequence_length: 8}
prompts: [a red circle]
methods:
  - method: original
  - {method: cfg_distilled, weights: rungs/student, guidance_scale: 4.0, num_inference_steps: 3}
"""


@pytest.fixture
def suite(tmp_path):
    pipeline = Wan().tiny(0)
    pipeline.save_pretrained(tmp_path / "model")
    CfgDistilled.conformance_weights(Wan(), pipeline, tmp_path / "rungs" / "student")
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE)
    return path


def task_of(path):
    return next(task for task in make_plan(load_suite(path)).tasks() if task.key.method == "cfg_distilled")


def change_card(path):
    card = path.parent / "rungs" / "student" / "rung.json"
    card.write_text(json.dumps(json.loads(card.read_text()) | {"provenance": {"trained": "again"}}))


def test_a_cell_is_filed_under_what_the_folder_holds_and_not_under_its_path(suite):
    task = task_of(suite)
    assert task.key.config["weights"].startswith("sha256:")
    assert str(suite.parent) not in task.key.model_dump_json()
    assert task.rungs == (("weights", str(suite.parent / "rungs" / "student")),)
    moved = suite.parent / "elsewhere"
    (suite.parent / "rungs").rename(moved)
    suite.write_text(SUITE.replace("rungs/student", "elsewhere/student"))
    assert task_of(suite).cell_id == task.cell_id


def test_other_weights_make_other_cells(suite):
    before = task_of(suite).cell_id
    change_card(suite)
    assert task_of(suite).cell_id != before


def test_a_missing_rung_is_one_line_with_its_place(suite):
    suite.write_text(SUITE.replace("rungs/student", "rungs/nothing"))
    with pytest.raises(SuiteError, match=r"suite\.yaml:10: methods\.1\.weights: 'rungs/nothing' holds no rung\.json"):
        make_plan(load_suite(suite))


def test_a_worker_runs_the_planned_rung_and_refuses_a_changed_one(suite, tmp_path):
    task = task_of(suite)
    worker = Worker(str(tmp_path / "store"), "cpu")
    record = worker.run(task)
    assert record.status is Status.OK, record.reason
    assert record.nfe == pytest.approx(3, rel=0.05)
    worker.close()
    change_card(suite)
    fresh = Worker(str(tmp_path / "other"), "cpu")
    refused = fresh.run(task)
    fresh.close()
    assert refused.status is Status.FAILED
    assert "has changed since the suite was planned" in refused.reason


class TestOutline:
    """The card of a rung that is not there."""

    @pytest.fixture
    def outlined(self, suite):
        """The suite's rung as a card alone, in the folder for such."""
        rungs = suite.parent / "rungs"
        outline = rungs / "outlines" / "student"
        outline.mkdir(parents=True)
        card = json.loads((rungs / "student" / "rung.json").read_text())
        card |= {"weights_sha256": "", "provenance": {"obtain": "convert them"}}
        (outline / "rung.json").write_text(json.dumps(card))
        (rungs / "student").rename(suite.parent / "away")
        return suite

    def test_is_planned_and_priced_and_has_no_cells(self, outlined):
        plan = make_plan(load_suite(outlined))
        row = plan.rows[1]
        assert row.skip_reason == "rungs/student holds no weights.safetensors: convert them"
        assert row.supported
        assert {task.key.method for task in plan.tasks()} == {"original"}
        cost = PriceList(plan).rows()[1]
        assert cost.reason == row.skip_reason
        assert cost.nfe == pytest.approx(3, rel=0.05)
        assert cost.theoretical_speedup == pytest.approx(2, rel=0.05)

    def test_counts_no_more_once_the_rung_is_there(self, outlined):
        (outlined.parent / "away").rename(outlined.parent / "rungs" / "student")
        plan = make_plan(load_suite(outlined))
        assert plan.rows[1].skip_reason is None
        assert plan.rows[1].method.weights == str(outlined.parent / "rungs" / "student")

    def test_a_rung_whose_weights_were_left_behind_says_so(self, suite):
        (suite.parent / "rungs" / "student" / "weights.safetensors").unlink()
        reason = make_plan(load_suite(suite)).rows[1].skip_reason
        assert reason == "rungs/student holds no weights.safetensors: copy the whole folder of the rung"
