"""The adapter of cache-dit: what it decides is the library's own doing, and nothing of it stays behind."""

from __future__ import annotations

import dataclasses
import importlib.util

import pytest
import torch

from methods.base import Decision, MethodError
from methods.cache_dit import CacheDit, place
from methods.families.hunyuan_video import HunyuanVideo
from methods.families.latte import Latte
from methods.families.wan import Wan

needs_library = pytest.mark.skipif(
    importlib.util.find_spec("cache_dit") is None, reason="cache-dit, an optional dependency, is not installed"
)

DYNAMIC = CacheDit(Fn_compute_blocks=1, Bn_compute_blocks=1, residual_diff_threshold=0.15, max_warmup_steps=2)
"""Some steps of the tiny Wan below change less than that, and some more."""


@pytest.mark.parametrize(
    ("prefix", "where"),
    [
        ("blocks_Fn_residual", "blocks"),
        ("single_transformer_blocks_Fn_hidden_states", "single_transformer_blocks"),
        ("transformer_blocks_13_Fn_original", "transformer_blocks.13"),
    ],
)
def test_place_of_a_decision(prefix, where):
    assert place(prefix) == where


def test_a_name_of_another_version_is_refused():
    with pytest.raises(MethodError, match=r"compares 'Mn_blocks'.* install that one"):
        place("Mn_blocks")


class TestUnsupported:
    def test_without_the_library_there_is_a_reason_and_no_application(self, monkeypatch, tiny_pipeline):
        monkeypatch.setattr("methods.cache_dit.find_spec", lambda name: None)
        assert CacheDit().unsupported(Wan()) == "cache-dit is not installed; pip install cache-dit"
        with pytest.raises(MethodError, match="not installed"):
            CacheDit().apply(tiny_pipeline(Wan()), Wan())

    @needs_library
    def test_latte_has_no_adapter(self):
        assert CacheDit().unsupported(Latte()) == "cache-dit 1.5.3 has no adapter for LattePipeline"
        assert CacheDit().unsupported(Wan()) is None

    def test_asking_imports_no_library(self, monkeypatch):
        monkeypatch.setattr("methods.cache_dit.importlib.import_module", None)
        assert CacheDit().unsupported(Latte()) is not None


def with_the_library(family, generate, method, sampling=None):
    """The video of a new tiny pipeline under the library's own entry point."""
    import cache_dit

    pipeline = family.tiny(4)
    config, calibrator = method.cache_config(cache_dit), method.calibrator_config(cache_dit)
    config.enable_separate_cfg = len(family.branches(sampling or family.tiny_sampling())) == 2
    cache_dit.enable_cache(pipeline, cache_config=config, calibrator_config=calibrator)
    try:
        return generate(pipeline, family, sampling)
    finally:
        cache_dit.disable_cache(pipeline)


def with_ours(family, generate, method, sampling=None):
    pipeline = family.tiny(4)
    with method.apply(pipeline, family) as applied:
        return generate(pipeline, family, sampling), applied.decisions()


@needs_library
class TestAgreesWithTheLibrary:
    @pytest.mark.parametrize(
        "method",
        [
            DYNAMIC,
            dataclasses.replace(DYNAMIC, residual_diff_threshold=0.3, max_continuous_cached_steps=1),
            dataclasses.replace(DYNAMIC, residual_diff_threshold=0.3, cfg_diff_compute_separate=False),
            dataclasses.replace(DYNAMIC, calibrator="taylorseer", residual_diff_threshold=0.3),
            dataclasses.replace(DYNAMIC, calibrator="foca", residual_diff_threshold=0.3),
            dataclasses.replace(DYNAMIC, calibrator="dmd", residual_diff_threshold=0.3),
            dataclasses.replace(DYNAMIC, steps_computation_mask=[1, 0, 1, 0, 0, 1], steps_computation_policy="static"),
            dataclasses.replace(DYNAMIC, cache_type="DBPrune", residual_diff_threshold=0.3, non_prune_block_ids=[2]),
        ],
        ids=lambda method: f"{method.cache_type} {method.calibrator} {method.residual_diff_threshold}",
    )
    @pytest.mark.parametrize("guidance_scale", [3.0, 1.0])
    def test_bit_for_bit_on_wan(self, generate, method, guidance_scale):
        family = Wan()
        sampling = dataclasses.replace(family.tiny_sampling(), guidance_scale=guidance_scale)
        ours, decisions = with_ours(family, generate, method, sampling)
        assert "partial" in {decision.action for decision in decisions}
        assert torch.equal(ours, with_the_library(family, generate, method, sampling))

    def test_bit_for_bit_on_both_lists_of_hunyuan_video(self, generate):
        family = HunyuanVideo()
        method = CacheDit(Fn_compute_blocks=1, residual_diff_threshold=1.0, max_warmup_steps=2)
        ours, decisions = with_ours(family, generate, method)
        levels = {decision.level for decision in decisions if decision.action == "partial"}
        assert levels == {"transformer_blocks single_transformer_blocks"}
        assert torch.equal(ours, with_the_library(family, generate, method))


@needs_library
class TestDecisions:
    def test_hold_what_was_measured_and_compared(self, generate):
        _, decisions = with_ours(Wan(), generate, DYNAMIC)
        assert {decision.distance for decision in decisions[:4]} == {None}  # warm-up
        for decision in decisions[4:]:
            assert decision.distance is not None
            assert (decision.action == "partial") == (decision.distance < DYNAMIC.residual_diff_threshold)
        assert {decision.action for decision in decisions[4:]} == {"compute", "partial"}

    def test_branches_have_their_own_state(self, generate):
        family, pipeline = Wan(), Wan().tiny(4)
        sampling = dataclasses.replace(family.tiny_sampling(), negative_prompt="a blue square")
        with DYNAMIC.apply(pipeline, family) as applied:
            generate(pipeline, family, sampling)
            distances = {
                branch: [one.distance for one in applied.decisions() if one.branch == branch]
                for branch in ("cond", "uncond")
            }
        assert distances["cond"] != distances["uncond"]

    @pytest.mark.parametrize("cache_type", ["DBCache", "DBPrune"])
    def test_are_followed_without_a_measurement(self, generate, cache_type, monkeypatch):
        method = dataclasses.replace(DYNAMIC, cache_type=cache_type, residual_diff_threshold=0.3)
        expected, decisions = with_ours(Wan(), generate, method)
        pipeline = Wan().tiny(4)
        manager = "cache_dit.caching.cache_contexts.cache_manager.CachedContextManager"
        monkeypatch.setattr(f"{manager}.similarity", None)
        with dataclasses.replace(method, residual_diff_threshold=0.0).apply(pipeline, Wan()) as applied:
            applied.follow(decisions)
            assert torch.equal(generate(pipeline, Wan()), expected)
            assert [one.level for one in applied.decisions()] == [one.level for one in decisions]

    def test_a_stated_step_is_reused_wherever_it_can_be(self, generate):
        pipeline = Wan().tiny(4)
        trace = [Decision(step, branch, "partial") for step in (3, 4) for branch in ("cond", "uncond")]
        with DYNAMIC.apply(pipeline, Wan()) as applied:
            applied.follow(trace)
            generate(pipeline, Wan())
            found = [(one.step_index, one.branch, one.level) for one in applied.decisions() if one.action == "partial"]
        assert found == [(step, branch, "blocks") for step in (3, 4) for branch in ("cond", "uncond")]


@needs_library
def test_what_its_calibrators_hold_is_counted(generate):
    held = {}
    for calibrator in (None, "taylorseer"):
        pipeline = Wan().tiny(4)
        method = CacheDit(Fn_compute_blocks=1, residual_diff_threshold=0.0, calibrator=calibrator)
        with method.apply(pipeline, Wan()) as applied:
            generate(pipeline, Wan())
            held[calibrator] = applied.cache_bytes()
            applied.reset()
            assert applied.cache_bytes() == 0
    assert held["taylorseer"] > held[None] > 0


@needs_library
def test_more_blocks_than_there_are_is_refused(tiny_pipeline, attributes_of):
    pipeline = tiny_pipeline(Wan())
    before = attributes_of(pipeline.transformer)
    with pytest.raises(MethodError, match=r"Fn_compute_blocks \+ Bn_compute_blocks is 8, but blocks has 4 blocks"):
        CacheDit().apply(pipeline, Wan())
    assert attributes_of(pipeline.transformer) == before


@needs_library
def test_the_pipelines_class_stays_as_it_is(tiny_pipeline, generate):
    pipeline = tiny_pipeline(Wan())
    before = dict(vars(type(pipeline)))
    with DYNAMIC.apply(pipeline, Wan()):
        assert dict(vars(type(pipeline))) == before
        generate(pipeline, Wan())
    assert dict(vars(type(pipeline))) == before


@needs_library
def test_every_field_is_one_of_the_library_s_with_its_default():
    import cache_dit

    own = CacheDit()
    for config in (own.cache_config(cache_dit), CacheDit(cache_type="DBPrune").cache_config(cache_dit)):
        library = type(config)()
        for field in dataclasses.fields(library):
            if field.name not in ("cache_type", "enable_separate_cfg", "cfg_compute_first", "num_inference_steps"):
                assert getattr(config, field.name) == getattr(library, field.name), field.name
                assert hasattr(own, field.name)
    for name in ("taylorseer", "foca", "dmd"):
        config = CacheDit(calibrator=name).calibrator_config(cache_dit)
        assert config == type(config)()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"cache_type": "FBCache"}, "cache_type is 'FBCache'; give one of DBCache, DBPrune"),
        ({"steps_computation_policy": "both"}, "steps_computation_policy is 'both'; give one of dynamic, static"),
        ({"calibrator": "linear"}, "calibrator is 'linear'; give one of taylorseer, foca, dmd, or none"),
        ({"Fn_compute_blocks": 0}, "Fn_compute_blocks is 0; give at least 1"),
        ({"max_warmup_steps": -1}, "max_warmup_steps is -1; give at least 0"),
    ],
)
def test_refuses_impossible_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        CacheDit(**arguments)
