"""Restricted MeanFlow at inference: its own kind of rung, and the loop from training to a video."""

from __future__ import annotations

import pytest
import torch

from methods.cfg_distilled import CfgDistilled
from methods.families.hunyuan_video import HunyuanVideo
from methods.meanflow import MeanFlow
from methods.restricted_meanflow import RestrictedMeanFlow
from methods.students.rung import RungError
from methods.training.cfg_distillation import CfgDistillation, train_cfg_distillation
from methods.training.loop import LoopConfig
from methods.training.restricted_meanflow import RestrictedMeanFlowTraining, train_restricted_meanflow
from tests.methods.training.conftest import arguments_of


@pytest.mark.parametrize("method", [CfgDistilled, MeanFlow])
def test_is_no_other_kind(tiny_pipeline, tmp_path, method):
    family, pipeline = HunyuanVideo(), tiny_pipeline(HunyuanVideo())
    rung = RestrictedMeanFlow.conformance_weights(family, pipeline, tmp_path)
    with pytest.raises(RungError, match="of kind 'restricted_meanflow'; give one of kind"):
        method(rung.weights, 4.0, 4).apply(pipeline, family)


def test_the_ladder_from_a_teacher_to_a_video(generate, tmp_path):
    """Two trained rungs of one transformer, run in turn on the pipeline that they were trained for."""
    family = HunyuanVideo()
    pipeline = family.tiny(0)

    def batches(generator):
        latents, cond = arguments_of(family, pipeline.transformer, 2, generator)
        return latents, cond, arguments_of(family, pipeline.transformer, 2, generator)[1]

    loop = LoopConfig(1, device="cpu")
    first, second = tmp_path / "cfg", tmp_path / "restricted"
    train_cfg_distillation(
        family, pipeline.transformer, batches, CfgDistillation(teacher_guidance=6.0, learning_rate=1e-3), loop, first
    )
    train_restricted_meanflow(
        family, pipeline.transformer, first, batches, RestrictedMeanFlowTraining(second_time="average"), loop, second
    )
    original = generate(pipeline, family)
    videos = []
    for method in (CfgDistilled(str(first), 6.0, 4), RestrictedMeanFlow(str(second), 6.0, 4)):
        with method.apply(pipeline, family):
            videos.append(generate(pipeline, family, method.sampling(family.tiny_sampling())))
        assert torch.equal(generate(pipeline, family), original)
    assert not torch.equal(*videos)
    assert all(video.isfinite().all() for video in videos)
