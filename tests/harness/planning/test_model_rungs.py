"""A model of a suite that runs a trained student: planned, priced, calibrated and run as one model among others."""

from __future__ import annotations

import json

import pytest

from harness.calibrate.run import calibrate
from harness.cost.price import PriceList
from harness.errors import ModelError, SuiteError
from harness.loaded_model import loaded_model
from harness.plan import make_plan
from harness.records import Status
from harness.suite import load_suite
from harness.tiny import tiny_suite
from harness.worker import Worker
from methods.families.hunyuan_video import HunyuanVideo
from methods.students.random_rungs import write_random_predictor, write_random_student

SUITE = """\
models:
  whole:
    family: hunyuan_video
    model: ./model
    dtype: float32
    sampling: &sampling
      num_inference_steps: 4
      guidance_scale: 6.0
      height: 32
      width: 32
      num_frames: 5
      flow_shift: 3.0
      max_sequence_length: 8
      true_cfg_scale: 3.0
  student:
    family: hunyuan_video
    model: ./model
    dtype: float32
    baseline: whole
    sampling: *sampling
    rung: {weights: rungs/student, guidance_scale: 4.0}
prompts: [a red circle]
methods:
  - {method: original, name: original, models: [whole]}
  - method: restricted_meanflow
    name: by method
    models: [whole]
    weights: rungs/student
    guidance_scale: 4.0
    num_inference_steps: 4
  - {method: original, name: by model, models: [student]}
  - {method: fora, name: cached, models: [student], cache_interval: 2}
  - method: predictor_only
    name: predicted
    models: [student]
    weights: rungs/predictor
    num_inference_steps: 4
    step_list: [0, 2]
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A tiny pipeline, a random student of it and a predictor for that student."""
    folder, family = tmp_path_factory.mktemp("trained"), HunyuanVideo()
    pipeline = family.tiny(0)
    pipeline.save_pretrained(folder / "model")
    student = write_random_student(folder / "rungs" / "student", family, pipeline.transformer)
    for name, parent in (("predictor", student.weights_sha256), ("stranger", "f" * 64)):
        write_random_predictor(folder / "rungs" / name, family, pipeline.transformer, parent=parent)
    return folder


@pytest.fixture
def suite(trained, tmp_path):
    """The suite beside the trained folders, in a folder of its own."""
    for name in ("model", "rungs"):
        (tmp_path / name).symlink_to(trained / name)
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE)
    return path


def changed(suite, old, new):
    assert old in SUITE
    suite.write_text(SUITE.replace(old, new))
    return load_suite(suite)


def row_of(loaded, name):
    return next(row for row in make_plan(loaded).rows if row.name == name)


def test_the_student_is_part_of_what_the_model_is(suite):
    rows = {row.name: row for row in make_plan(load_suite(suite)).rows}
    student, whole = rows["by model"], rows["original"]
    assert student.fingerprint != whole.fingerprint
    assert student.code != whole.code
    assert student.baseline == "original"
    assert (student.sampling.guidance_scale, student.sampling.true_cfg_scale) == (1.0, None)
    other_scale = row_of(changed(suite, "student, guidance_scale: 4.0}", "student, guidance_scale: 5.0}"), "by model")
    assert other_scale.fingerprint not in (student.fingerprint, whole.fingerprint)
    manifest = make_plan(load_suite(suite)).manifest()
    assert next(row.model for row in manifest.rows if row.row == "cached").endswith("/model with rungs/student")


def test_rows_run_on_the_student_as_on_the_method_that_is_the_student(suite, tmp_path):
    worker = Worker(str(tmp_path / "store"), "cpu")
    records = {task.row: worker.run(task) for task in make_plan(load_suite(suite)).tasks()}
    worker.close()
    assert {name: record.reason for name, record in records.items() if record.status is not Status.OK} == {}
    assert records["by model"].frames_sha256 == records["by method"].frames_sha256
    assert records["by model"].frames_sha256 != records["original"].frames_sha256
    assert records["by model"].nfe == pytest.approx(4)
    assert [decision.action for decision in records["cached"].decisions] == ["compute", "partial"] * 2
    assert [decision.action for decision in records["predicted"].decisions] == ["compute", "predict"] * 2
    assert records["cached"].flops.denoiser < records["by model"].flops.denoiser


def test_a_price_is_what_is_then_counted(suite, tmp_path):
    plan = make_plan(load_suite(suite))
    worker = Worker(str(tmp_path / "store"), "cpu")
    counted = {task.row: worker.run(task).flops.denoiser for task in plan.tasks()}
    worker.close()
    prices = {cost.row: cost for cost in PriceList(plan).rows()}
    assert {name: cost.reason for name, cost in prices.items() if cost.reason} == {}
    assert {name: cost.flops for name, cost in prices.items()} == counted
    assert prices["by model"].theoretical_speedup > 1.9


def test_a_calibration_of_the_student_is_not_one_of_the_model(suite):
    loaded = load_suite(suite)
    made = {label: calibrate(loaded, "magcache", label=label, prompts=1, options={}) for label in loaded.suite.models}
    assert made["student"].fields != made["whole"].fields
    assert made["student"].model_fingerprint == row_of(loaded, "by model").fingerprint
    assert made["student"].sampling["true_cfg_scale"] is None


def test_weights_that_do_not_go_together_are_a_stated_reason(suite):
    misplaced = changed(suite, "name: by method\n    models: [whole]", "name: by method\n    models: [student]")
    reason = "the model runs a restricted_meanflow already, which a restricted_meanflow would take the place of"
    assert row_of(misplaced, "by method").skip_reason == reason
    assert PriceList(make_plan(misplaced)).rows()[1].reason == reason
    strange = row_of(changed(suite, "weights: rungs/predictor", "weights: rungs/stranger"), "predicted")
    assert strange.skip_reason == "stranger was trained for another student than the model's student"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "{weights: rungs/student, g",
            "{weights: rungs/none, g",
            r"yaml:21: models\.student\.rung\.weights: 'rungs/none",
        ),
        ("{weights: rungs/student, g", "{wieghts: rungs/student, g", r"rung\.wieghts: unknown key.*'weights'"),
        ("student, guidance_scale: 4.0}", "student, guidance_scale: 0.0}", r"guidance_scale: input should be greater"),
    ],
)
def test_a_wrong_entry_is_one_line_with_its_place(suite, old, new, said):
    with pytest.raises(SuiteError, match=said):
        make_plan(changed(suite, old, new))


def test_a_family_that_can_run_no_student_is_refused(suite):
    models, _, methods = SUITE.partition("prompts:")
    suite.write_text(models.replace("hunyuan_video", "cogvideox") + "prompts:" + methods)
    with pytest.raises(SuiteError, match=r"models\.student\.rung: cogvideox has no known place"):
        make_plan(load_suite(suite))


def test_a_student_that_changed_since_is_refused(suite, trained):
    spec = row_of(load_suite(suite), "by model").model
    card = trained / "rungs" / "student" / "rung.json"
    before = card.read_text()
    card.write_text(json.dumps(json.loads(before) | {"provenance": {"trained": "again"}}))
    try:
        with pytest.raises(ModelError, match="has changed since"), loaded_model(HunyuanVideo(), spec, "cpu"):
            pass
    finally:
        card.write_text(before)


def test_a_student_that_does_not_fit_is_named_with_its_model(suite, tmp_path):
    spec = row_of(changed(suite, "student, guidance_scale: 4.0}", "student, guidance_scale: 9.0}"), "by model").model
    with (
        pytest.raises(ModelError, match="cannot be loaded: RungError: guidance_scale is 9"),
        loaded_model(HunyuanVideo(), spec, "cpu"),
    ):
        pass


def test_there_is_no_tiny_stand_in(suite):
    with pytest.raises(SuiteError, match=r"models\.student\.rung: trained weights fit no tiny stand-in"):
        tiny_suite(load_suite(suite))
