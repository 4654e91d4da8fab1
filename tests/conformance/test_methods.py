"""What every method keeps to on every family, run on tiny pipelines.

A new method or family is covered by being there; nothing here names one.
"""

from __future__ import annotations

import dataclasses
import pickle
import re
from contextlib import contextmanager
from typing import Any

import pytest
import torch
import yaml
from diffusers.hooks import HookRegistry
from torch.utils.flop_counter import FlopCounterMode

from harness.measure.flops import FlopMeter
from methods.base import AlreadyAppliedError, Method, NothingHookedError
from tests.conformance.matrix import tried


class InterruptionError(Exception):
    pass


@pytest.fixture
def active(method_type, family, tiny_pipeline, tmp_path) -> Method:
    """A setting that does something, or the original's only one; with random weights where it needs its own."""
    method = tried(method_type, family)
    reason = method.unsupported(family)
    if reason is not None:
        pytest.skip(reason)
    return method_type.conformance_weights(family, tiny_pipeline(family), tmp_path) or method


@pytest.fixture
def pipeline(tiny_pipeline, family):
    return tiny_pipeline(family)


@pytest.fixture
def make(generate, family, pipeline):
    """Generate under a method that has been applied."""

    def run(method: Method, seed: int = 0, **extra: Any):
        return generate(pipeline, family, method.sampling(family.tiny_sampling()), seed=seed, **extra)

    return run


@contextmanager
def interrupted_hooking(monkeypatch, at):
    """Attaching the hook number `at`, counted from 0, fails; yields the count so far."""
    register, count = HookRegistry.register_hook, [0]

    def failing(self, hook, name):
        if count[0] == at:
            raise InterruptionError(name)
        count[0] += 1
        register(self, hook, name)

    with monkeypatch.context() as patch:
        patch.setattr(HookRegistry, "register_hook", failing)
        yield count


def test_runs_or_says_why_not(method_type, family):
    reason = tried(method_type, family).unsupported(family)
    assert reason is None or (len(reason) > 20 and "\n" not in reason)


def test_identity_equals_the_original_bit_for_bit(method_type, family, pipeline, generate):
    sampling = family.tiny_sampling()
    identity = method_type.conformance_identity(sampling)
    if identity is None or identity.unsupported(family):
        pytest.skip("no identity setting here")
    expected = generate(pipeline, family, sampling)
    with identity.apply(pipeline, family) as applied:
        assert torch.equal(generate(pipeline, family, identity.sampling(sampling)), expected)
        assert {decision.action for decision in applied.decisions()} == {"compute"}


def test_active_setting_changes_the_video_and_lowers_the_work(method_type, family, pipeline, generate, tmp_path):
    sampling = family.tiny_sampling()
    method = method_type.conformance_active(sampling)
    if method is None or method.unsupported(family):
        pytest.skip("no active setting here")
    method = method_type.conformance_weights(family, pipeline, tmp_path) or method
    with FlopMeter(family.transformer(pipeline), family) as meter:
        expected = generate(pipeline, family, sampling)
        full = meter.denoiser_flops()
        meter.reset()
        with method.apply(pipeline, family):
            video = generate(pipeline, family, method.sampling(sampling))
        assert 0 < meter.denoiser_flops() < 0.95 * full
    assert not torch.equal(video, expected)


def test_counted_work_is_the_work_done(active, family, pipeline, make):
    transformer = family.transformer(pipeline)
    with FlopMeter(transformer, family) as meter, active.apply(pipeline, family) as applied:
        make(active)
        applied.reset()
        meter.reset()
        true = 0
        hooked = vars(transformer)["forward"]

        def watched(*args, **kwargs):
            nonlocal true
            with FlopCounterMode(display=False) as counter:
                output = hooked(*args, **kwargs)
            true += counter.get_total_flops()
            return output

        vars(transformer)["forward"] = watched
        try:
            make(active)
        finally:
            vars(transformer)["forward"] = hooked
        assert meter.denoiser_flops() == pytest.approx(true, rel=1e-3)


def test_leaving_restores_everything(active, family, pipeline, make, generate, attributes_of):
    expected = generate(pipeline, family)
    before = attributes_of(family.transformer(pipeline))
    with active.apply(pipeline, family) as applied:
        assert attributes_of(family.transformer(pipeline)) != before
        make(active)
    assert attributes_of(family.transformer(pipeline)) == before
    assert applied.cache_bytes() == 0
    assert torch.equal(generate(pipeline, family), expected)


def test_leaves_no_trace_on_a_pipeline_that_never_ran(active, family, attributes_of):
    fresh = family.tiny(1)
    before = attributes_of(family.transformer(fresh))
    with active.apply(fresh, family):
        pass
    assert attributes_of(family.transformer(fresh)) == before


def test_applying_twice_raises_and_leaves_the_first_in_force(active, family, pipeline, make):
    with active.apply(pipeline, family) as applied:
        first = make(active)
        applied.reset()
        with pytest.raises(AlreadyAppliedError):
            active.apply(pipeline, family)
        assert torch.equal(make(active), first)


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_failure_midway_rolls_back(active, family, pipeline, make, attributes_of, monkeypatch, share):
    transformer = family.transformer(pipeline)
    with interrupted_hooking(monkeypatch, at=None) as count, active.apply(pipeline, family):
        hooks = count[0]
        expected = make(active)
    before = attributes_of(transformer)
    with interrupted_hooking(monkeypatch, at=int(share * (hooks - 1))), pytest.raises(InterruptionError):
        active.apply(pipeline, family)
    assert attributes_of(transformer) == before
    with active.apply(pipeline, family):
        assert torch.equal(make(active), expected)


def test_second_video_equals_a_fresh_one(active, family, pipeline, make):
    with active.apply(pipeline, family):
        expected = make(active, seed=1)
    with active.apply(pipeline, family) as applied:
        other = make(active, seed=0)
        applied.reset()
        assert applied.cache_bytes() == 0
        assert applied.decisions() == ()
        assert torch.equal(make(active, seed=1), expected)
    assert not torch.equal(other, expected)


@pytest.mark.parametrize("where", ["between steps", "within a call"])
def test_an_interrupted_video_leaves_nothing_behind(active, family, pipeline, make, monkeypatch, where):
    def interrupt(*args, **kwargs):
        raise InterruptionError

    def interrupt_before_last(*args, **kwargs):
        nonlocal left
        left -= 1
        if not left:
            if where == "between steps":
                raise InterruptionError
            monkeypatch.setattr(head, "forward", interrupt)
        return step(*args, **kwargs)

    # By the scheduler's class, since not every pipeline takes a callback and `scheduled` may exchange the instance.
    scheduler = type(pipeline.scheduler)
    step, left = scheduler.step, active.sampling(family.tiny_sampling()).num_inference_steps - 1
    head = list(family.transformer(pipeline).children())[-1]
    with active.apply(pipeline, family) as applied:
        expected = make(active)
        applied.reset()
        monkeypatch.setattr(scheduler, "step", interrupt_before_last)
        with pytest.raises(InterruptionError):
            make(active)
        monkeypatch.undo()
        applied.reset()
        assert torch.equal(make(active), expected)


@pytest.mark.parametrize("guided", [True, False])
def test_one_decision_for_each_call_in_order(active, family, pipeline, generate, guided):
    sampling = active.sampling(family.tiny_sampling())
    if not guided:
        sampling = dataclasses.replace(sampling, guidance_scale=1.0, true_cfg_scale=None)
    branches = family.branches(sampling)
    with active.apply(pipeline, family) as applied:
        generate(pipeline, family, sampling)
        decisions = applied.decisions()
    expected = [(step, branch) for step in range(sampling.num_inference_steps) for branch in branches]
    assert [(decision.step_index, decision.branch) for decision in decisions] == expected


def test_a_family_without_modules_is_refused(active, family, pipeline, attributes_of, monkeypatch):
    with interrupted_hooking(monkeypatch, at=None) as count, active.apply(pipeline, family):
        if count[0] == 1:
            pytest.skip("this method hooks no module")
    before = attributes_of(family.transformer(pipeline))
    monkeypatch.setattr(type(family), "block_lists", lambda self, transformer: [])
    monkeypatch.setattr(type(family), "cached_modules", lambda self, transformer: [])
    with pytest.raises(NothingHookedError), active.apply(pipeline, family):
        pass
    assert attributes_of(family.transformer(pipeline)) == before


def test_configuration_survives_yaml_and_pickle(method_type, family):
    sampling = family.tiny_sampling()
    for method in (method_type.conformance_identity(sampling), method_type.conformance_active(sampling)):
        if method is not None:
            assert method_type(**yaml.safe_load(yaml.safe_dump(method.config()))) == method
            assert pickle.loads(pickle.dumps(method)) == method
            assert hash(method) == hash(pickle.loads(pickle.dumps(method)))


def test_says_where_it_comes_from(method_type):
    assert "Source:" in (method_type.__doc__ or "")
    assert "Difference" in (method_type.__doc__ or "")
    assert re.search(r"arXiv \d{4}\.\d{4,5}|\w@[0-9a-f]{7}|diffusers \d", method_type.source)
    assert method_type.summary
    assert method_type.__dataclass_params__.frozen
