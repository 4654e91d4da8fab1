"""Plain MeanFlow: the original's times and weights, and a training of a few iterations."""

from __future__ import annotations

import pytest
import torch

from methods.families.wan import Wan
from methods.students.conditioning import ConditioningConfig
from methods.students.rung import read_card
from methods.students.student import read_student
from methods.training.meanflow import MeanFlowTraining, draw_times, train_meanflow


class TestTimes:
    @staticmethod
    def drawn(config=None, batch=20_000):
        return draw_times(config or MeanFlowTraining(), batch, torch.Generator().manual_seed(0))

    def test_three_in_four_have_no_interval(self):
        t, r = self.drawn()
        assert ((t == r).float().mean() - 0.75).abs() < 0.01
        assert (r <= t).all()
        assert (r > 0).all()
        assert (t < 1).all()

    def test_are_logit_normal(self):
        """The larger and the smaller of two draws: together they are the draws again."""
        t, r = self.drawn(MeanFlowTraining(equal_share=0.0))
        logits = torch.cat([t, r]).logit()
        assert logits.mean().item() == pytest.approx(-0.4, abs=0.02)
        assert logits.std().item() == pytest.approx(1.0, abs=0.02)
        assert (t != r).all()

    def test_the_larger_one_stays_where_the_other_is_raised(self):
        forced, free = self.drawn(MeanFlowTraining(equal_share=0.75)), self.drawn(MeanFlowTraining(equal_share=0.0))
        assert torch.equal(forced[0], free[0])


def test_trains_a_rung_of_its_teacher(tiny_pipeline, batches, taught, loop, tmp_path):
    family, transformer = Wan(), tiny_pipeline(Wan()).transformer
    teacher = taught(family, transformer)
    config, seen = MeanFlowTraining(second_time_value="interval", ema_decay=None, learning_rate=1e-3), []
    folder = tmp_path / "student"
    rung = train_meanflow(
        family, transformer, teacher, batches(family, transformer), config, loop(2), folder, seen.append
    )
    assert rung.parent == read_card(teacher, kinds=("cfg_distilled",), family="wan").weights_sha256
    student = read_student(folder, family, transformer, kinds=("meanflow",))
    assert student.config == ConditioningConfig("added", "sum", "interval")
    assert student.conditioning.second_time_in.linear_2.weight.abs().max() > 0
    assert {"student", "squared_error", "derivative_rms"} == set(seen[0].losses)
    assert rung.provenance["betas"] == [0.9, 0.95]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"equal_share": 1.0}, r"equal_share is 1\.0; give"), ({"guidance_min": 9.0}, "guidance is drawn from 9")],
)
def test_refuses_impossible_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        MeanFlowTraining(**arguments)
