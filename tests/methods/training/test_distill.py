"""The check at the start, and what a trained rung says of itself."""

from __future__ import annotations

import pytest
import torch

from methods.families.wan import Wan
from methods.students.conditioning import ConditioningConfig
from methods.students.rung import read_card, read_tensors
from methods.students.student import Student
from methods.training.distill import Distillation, check_start, distill, first_batch
from methods.training.loop import LossValues, Trained, TrainingError


@pytest.mark.parametrize("away", [1e-3, float("nan")])
def test_a_student_that_begins_elsewhere_is_refused(away):
    teacher = torch.tensor([1.0, -2.0])
    check_start(teacher + 1e-6, teacher, "here")
    with pytest.raises(TrainingError, match=r"here: the student is .* away from its teacher before training"):
        check_start(teacher + away, teacher, "here")


def test_the_first_batch_is_that_of_no_iteration(loop):
    def draw(generator):
        return torch.rand(1, generator=generator), {}, {}

    (one, _, _), _ = first_batch(draw, loop())
    (again, _, _), _ = first_batch(draw, loop())
    assert torch.equal(one, again)


@pytest.mark.parametrize("ema_decay", [None, 0.5])
def test_writes_the_rung_with_its_history(tiny_pipeline, tmp_path, loop, ema_decay):
    student = Student.beside(Wan(), tiny_pipeline(Wan()).transformer, ConditioningConfig("added"))
    start = student.transformer.proj_out.bias.detach().clone()

    def loss(module, batch, generator):
        return LossValues({"student": sum(parameter.sum() for parameter in module.parameters())}, {})

    distillation = Distillation(
        "cfg_distilled", student, "f" * 64, (1.0, 8.0), loss, Trained(student, 0.01, ema_decay=ema_decay), {"a": 1}
    )
    seen = []
    rung = distill(distillation, lambda _: torch.zeros(1), loop(2), tmp_path, seen.append, torch.bfloat16)
    assert rung == read_card(tmp_path, kinds=("cfg_distilled",), family="wan")
    assert (rung.parent, rung.config["guidance_range"]) == ("f" * 64, [1.0, 8.0])
    assert rung.provenance["settings"] == {"a": 1}
    assert (rung.provenance["iterations"], rung.provenance["learning_rate"]) == (2, 0.01)
    assert [one.iteration for one in seen] == [1, 2]
    bias = read_tensors(tmp_path, rung)["transformer.proj_out.bias"]
    moved = 0.02 if ema_decay is None else 0.5 * 0.005 + 0.5 * 0.02
    torch.testing.assert_close(start - bias.float(), torch.full_like(start, moved), rtol=0, atol=2e-3)
    assert (tmp_path / "training" / "checkpoints" / "00000002").is_dir()
