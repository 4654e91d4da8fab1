"""DCM's training: two stages, each resumable, and a rung that runs."""

from __future__ import annotations

import pytest
import torch

from methods.dcm import Dcm
from methods.families.hunyuan_video import HunyuanVideo
from methods.families.wan import Wan
from methods.students.detail_expert import DetailConfig
from methods.students.rung import read_card, read_tensors, state_digest, under
from methods.training import dcm
from methods.training.dcm import DcmTraining, train_dcm
from methods.training.loop import TrainingError

FAMILIES = [Wan(), HunyuanVideo()]
QUICK = DcmTraining(
    semantic_iterations=2,
    coherence_frames=1,
    detail=DetailConfig(rank=2, alpha=4.0),
    head_width=8,
    learning_rate=1e-3,
    detail_learning_rate=1e-3,
)


class StoppedError(Exception):
    pass


@pytest.mark.parametrize("family", FAMILIES, ids=lambda one: one.name)
def test_trains_both_experts_into_a_rung_that_runs(family, batches, loop, generate, tmp_path):
    pipeline, seen = family.tiny(0), []
    transformer = pipeline.transformer
    before = state_digest(transformer.state_dict())
    draw = batches(family, transformer)
    rung = train_dcm(family, transformer, draw, QUICK, loop(4), tmp_path, seen.append, torch.bfloat16)
    assert [(one.iteration, one.iterations) for one in seen] == [(done, 4) for done in range(1, 5)]
    assert set(seen[0].losses) == {"semantic", "consistency", "coherence"}
    assert set(seen[-1].losses) == {"detail", "discriminator", "consistency", "adversarial", "matching"}
    assert (rung.kind, rung.parent) == ("dcm", before)
    assert state_digest(transformer.state_dict()) == before
    scale = 6.0 if family.name == "hunyuan_video" else None
    assert (rung.config["switch_timestep"], rung.config["guidance_scale"]) == (981, scale)
    tensors = read_tensors(tmp_path, rung)
    assert {value.dtype for value in tensors.values()} == {torch.bfloat16}
    assert any(value.abs().sum() > 0 for name, value in tensors.items() if name.endswith("up.weight"))
    own, semantic = under(tensors, "detail.own"), under(tensors, "semantic")
    assert any(not torch.equal(value, semantic[name]) for name, value in own.items())
    method = Dcm(str(tmp_path))
    with method.apply(pipeline, family):
        assert generate(pipeline, family, method.sampling(family.tiny_sampling())).isfinite().all()


@pytest.mark.parametrize("stopped_at", [3, 7], ids=["semantic", "detail"])
def test_a_resumed_training_ends_as_an_unbroken_one(batches, loop, tmp_path, stopped_at):
    family = Wan()

    def trained(out, report=None):
        transformer = family.tiny(0).transformer
        config = DcmTraining(**{name: getattr(QUICK, name) for name in QUICK.__slots__} | {"semantic_iterations": 4})
        draw = batches(family, transformer, batch=2)
        return train_dcm(family, transformer, draw, config, loop(8), tmp_path / out, report).weights_sha256

    def stop(progress):
        if progress.iteration == stopped_at:
            raise StoppedError

    with pytest.raises(StoppedError):
        trained("broken", stop)
    resumed = []
    assert trained("broken", resumed.append) == trained("whole")
    assert resumed[0].iteration == stopped_at


def test_the_average_is_what_is_kept(batches, loop, tmp_path):
    family = Wan()
    transformer = family.tiny(0).transformer
    draw = batches(family, transformer, batch=2)

    def semantic(out, **changed):
        config = DcmTraining(**{name: getattr(QUICK, name) for name in QUICK.__slots__} | changed)
        rung = train_dcm(family, transformer, draw, config, loop(3), tmp_path / out)
        return under(read_tensors(tmp_path / out, rung), "semantic")

    start, last, average = transformer.state_dict(), semantic("last"), semantic("average", ema_decay=0.999)
    name = "proj_out.weight"
    moved, kept = ((found[name] - start[name]).abs().max() for found in (last, average))
    assert 0 < kept < 0.01 * moved


def test_a_cfg_distilled_rung_may_be_the_teacher(taught, batches, loop, tmp_path):
    family = Wan()
    transformer = family.tiny(0).transformer
    folder, before = taught(family, transformer), state_digest(transformer.state_dict())
    draw = batches(family, transformer, batch=2)
    rung = train_dcm(family, transformer, draw, QUICK, loop(3), tmp_path / "out", teacher=folder)
    assert rung.parent == read_card(folder, kinds=("cfg_distilled",), family="wan").weights_sha256
    assert rung.config["guidance_scale"] is None
    assert state_digest(transformer.state_dict()) == before


def test_an_expert_that_does_not_begin_as_what_it_is_made_from_is_refused(batches, loop, tmp_path, monkeypatch):
    transformer = Wan().tiny(0).transformer
    monkeypatch.setattr(
        dcm.DetailExpert, "start", lambda self, transformer: [p.data.fill_(0.1) for p in self.parameters()]
    )
    with pytest.raises(TrainingError, match=r"DCM's detail expert: the student is .* away from its teacher"):
        train_dcm(Wan(), transformer, batches(Wan(), transformer), QUICK, loop(3), tmp_path)


def test_a_loop_without_a_detail_stage_is_refused(batches, loop, tmp_path):
    transformer = Wan().tiny(0).transformer
    with pytest.raises(ValueError, match="the loop has 2 iterations and the semantic stage takes 2; give more"):
        train_dcm(Wan(), transformer, batches(Wan(), transformer), QUICK, loop(2), tmp_path)


def test_the_ladders_experts_meet_where_its_schedule_says():
    assert DcmTraining().switch_timestep == 981
    assert DcmTraining(flow_shift=3.0).switch_timestep == 904
    assert DcmTraining(num_euler_steps=10, flow_shift=1.0, split_index=9).switch_timestep == 900


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"semantic_iterations": 0}, "semantic_iterations is 0; give at least 1"),
        ({"flow_shift": 0.0}, r"flow_shift is 0\.0; give more than 0"),
        ({"split_index": 50}, "split_index is 50; give 1 to 49"),
        ({"semantic_phases": 13}, "13 phases of steps 38 to 49"),
    ],
)
def test_refuses_impossible_values(changed, message):
    with pytest.raises(ValueError, match=message):
        DcmTraining(**changed)
