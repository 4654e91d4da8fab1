"""Cards of the ladder: what is judged of each rung and how, and what its card says of where it is from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from harness.dimensions import QUALITY, SEMANTIC
from harness.errors import ModelError
from harness.shapes.ladder import card as module
from harness.shapes.ladder import evaluate
from harness.shapes.ladder.card import rung_card, write_cards
from harness.shapes.ladder.evaluate import STEP_LISTS, rung_methods, teacher_methods
from harness.shapes.ladder.model import Teacher, build_pipeline, embedded_autoencoder
from methods.cfg_distilled import CfgDistilled
from methods.dcm import Dcm
from methods.disca import Disca
from methods.families.hunyuan_video import HunyuanVideo
from methods.predictor_only import PredictorOnly
from methods.restricted_meanflow import RestrictedMeanFlow
from methods.students.conditioning import ConditioningConfig
from methods.students.packing import pack_rung
from methods.students.predictor import PredictorConfig, make_predictor
from methods.students.predictor_rung import write_predictor
from methods.students.rung import read_any_card, state_digest
from methods.students.step_list import maximum_interval
from methods.students.student import Student, write_student

FAMILY = HunyuanVideo()


@pytest.fixture(scope="module")
def pipeline():
    torch.manual_seed(0)
    return build_pipeline(Teacher().eval(), embedded_autoencoder())


@pytest.fixture(scope="module")
def rungs(pipeline, tmp_path_factory):
    """A student of the teacher, packed, and predictors for it and for the teacher."""
    home, transformer = tmp_path_factory.mktemp("ladder"), pipeline.transformer
    student = Student.beside(FAMILY, transformer, ConditioningConfig("added", "sum"))
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.01)
    own = state_digest(transformer.state_dict())
    said = {"settings": {"restriction": 0.2}, "iterations": 7, "seed": 3}
    trained = home / "trained" / "restricted"
    write_student(trained, student, kind="restricted_meanflow", parent=own, guidance_range=(1.0, 8.0), provenance=said)
    course = {
        "iterations": 7,
        "seconds": 61.4,
        "averaged_over": 20,
        "losses": {"student": {"first": 0.5, "last": 0.25}},
    }
    packed = pack_rung(trained, home / "rungs" / "restricted", transformer, provenance={"course": course})
    config = PredictorConfig()
    for name, parent, steps in (("disca", packed.weights_sha256, 20), ("alone", own, 50)):
        predictor = make_predictor(FAMILY, transformer, config, seed=0)
        write_predictor(
            home / "rungs" / name,
            predictor.state_dict(),
            config,
            family=FAMILY,
            parent=parent,
            delta_max=0.2,
            provenance={"settings": {"num_inference_steps": steps}},
        )
    return home / "rungs"


def methods_of(rungs, name):
    found = {folder.name: read_any_card(folder) for folder in rungs.iterdir()}
    students = {found["restricted"].weights_sha256: rungs / "restricted"}
    return rung_methods(rungs / name, found[name], students)


def test_a_few_step_student_is_judged_at_few_steps(rungs):
    methods = methods_of(rungs, "restricted")
    assert list(methods) == ["20 steps", "10 steps"]
    method = methods["10 steps"]
    assert isinstance(method, RestrictedMeanFlow)
    assert (method.guidance_scale, method.num_inference_steps) == (5.0, 10)


def test_one_that_still_takes_many_steps_is_judged_at_the_teachers(rungs):
    rung = replace(read_any_card(rungs / "restricted"), kind="cfg_distilled")
    methods = rung_methods(rungs / "restricted", rung, {})
    assert list(methods) == list(teacher_methods()) == ["50 steps", "20 steps", "10 steps"]
    assert all(isinstance(method, CfgDistilled) for method in methods.values())


def test_dcm_is_judged_at_its_own_steps_under_the_ladders_shift(rungs):
    rung = replace(read_any_card(rungs / "restricted"), kind="dcm")
    ((heading, method),) = rung_methods(rungs / "restricted", rung, {}).items()
    assert heading == "4 steps"
    assert isinstance(method, Dcm)
    # 3 s / (1 + 2 s)
    assert method.sigmas == pytest.approx((1.0, 2.64 / 2.76, 2.28 / 2.52, 1.14 / 1.76))


def test_a_predictor_is_judged_on_the_student_it_was_trained_for(rungs):
    methods = methods_of(rungs, "disca")
    assert list(methods) == ["8 of 20 steps full", "11 of 20 steps full", "13 of 20 steps full"]
    assert all(isinstance(method, Disca) for method in methods.values())
    assert {method.student_weights for method in methods.values()} == {str(rungs / "restricted")}
    assert [maximum_interval(method.step_list, 20) for method in methods.values()] == [4, 3, 2]
    assert [method.step_list for method in methods.values()] == list(STEP_LISTS)


def test_a_predictor_without_student_is_judged_on_the_teacher(rungs):
    (method,) = methods_of(rungs, "alone").values()
    assert isinstance(method, PredictorOnly)
    assert (method.num_inference_steps, len(method.step_list), method.step_list[:3]) == (50, 13, (0, 4, 8))


def test_cards_say_what_folders_hold_and_the_judge_says(rungs, pipeline, tmp_path, monkeypatch):
    model = tmp_path / "model"
    model.mkdir()
    (model / "training.json").write_text('{"steps_done": 11}\n')
    judged = []

    def judge(given, method, captions):
        assert given is pipeline
        judged.append(method)
        return {name: float(len(captions)) for name in (*SEMANTIC, *QUALITY)}

    monkeypatch.setattr(module, "load_pipeline", lambda folder: pipeline)
    monkeypatch.setattr(evaluate, "score_method", judge)
    written = write_cards(model, rungs, prompts=2)
    assert written == tuple(folder / "README.md" for folder in (model, *sorted(rungs.iterdir())))
    assert len(judged) == 3 + 1 + 3 + 2
    teacher, _, disca, restricted = (path.read_text() for path in written)
    assert '"steps_done": 11' in teacher
    assert "a 2.7 M parameter `HunyuanVideoTransformer3DModel` (4 dual and\n8 single blocks, width 96)" in teacher
    assert "| **semantic score** | 2.0 | 2.0 | 2.0 |" in teacher
    assert "| trained from | the teacher |" in restricted
    assert "| loss `student` | 0.5 to 0.25 (means of the first and last 20) |" in restricted
    assert "| seconds | 61 |" in restricted
    assert "| kept as | int8_differences: off by " in restricted
    assert '"restriction": 0.2' in restricted
    assert "| trained from | restricted |" in disca
    assert "kept as" not in disca
    assert "| dimension | 8 of 20 steps full | 11 of 20 steps full | 13 of 20 steps full |" in disca
    assert "2 held-out captions, seeds 0 to 1, guidance 5, shift 3" in disca


def test_a_parent_that_is_not_there_is_said_so(rungs):
    rung = replace(read_any_card(rungs / "disca"), parent="f" * 64)
    assert "| trained from | somebody |" in rung_card("disca", rung, "somebody", 1_234_567, "said")
    assert "| size | 1.23 MB |" in rung_card("disca", rung, "somebody", 1_234_567, "said")


def test_a_folder_without_pipeline_is_one_line(tmp_path):
    with pytest.raises(ModelError, match="no cards for") as refused:
        write_cards(tmp_path / "nothing", tmp_path)
    assert "\n" not in str(refused.value)


def test_scores_are_of_the_method_in_force_and_each_batch_begins_anew(rungs, pipeline, monkeypatch):
    """Two batches of one caption each, in two steps."""
    monkeypatch.setattr("harness.shapes.evaluate.BATCH", 1)
    captions = [
        "a small red circle moving left slowly on a gray background in vivid style",
        "a red circle left of a blue circle moving up slowly on a gray background in vivid style",
    ]
    method = Disca(str(rungs / "disca"), str(rungs / "restricted"), 5.0, 2, (0,), beyond_delta_max="warn")
    before = state_digest(pipeline.transformer.state_dict())
    with pytest.warns(UserWarning, match="beyond delta_max"):
        scores = evaluate.score_method(pipeline, method, captions)
    assert set(scores) == {*SEMANTIC, *QUALITY}
    assert all(0 <= value <= 100 for value in scores.values())
    assert state_digest(pipeline.transformer.state_dict()) == before
