"""The hooks in force: what they replace, and that nothing is left behind."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from diffusers import FirstBlockCacheConfig
from diffusers.hooks import HookRegistry, ModelHook
from torch import nn

from methods.base import AlreadyAppliedError, Decision, MethodError, NothingHookedError, StaleStateError
from methods.families.base import CachedModule, Family, Signal
from methods.families.wan import Wan
from methods.hooks import ROOT_HOOK, AppliedHooks

TIMESTEPS = (900.0, 600.0, 300.0)


class Pair(nn.Module):
    """A block with two streams, as CogVideoX and HunyuanVideo have them."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale, self.calls = scale, 0

    def forward(self, hidden_states, temb, encoder_hidden_states):
        self.calls += 1
        return hidden_states * self.scale, encoder_hidden_states + self.scale


class Denoiser(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Pair(scale) for scale in (2.0, 3.0, 5.0))
        self.head = nn.Identity()

    def forward(self, hidden, text):
        for block in self.blocks:
            hidden, text = block(hidden, None, encoder_hidden_states=text)
        return self.head(hidden + text)


class Scheduler:
    order = 1
    timesteps = torch.tensor(TIMESTEPS)


class Pipeline:
    def __init__(self) -> None:
        self.transformer, self.scheduler = Denoiser(), Scheduler()


class TwoStreams(Wan):
    block_streams = ("hidden_states", "encoder_hidden_states")

    def branch(self, context_name):
        return "both"

    def cached_modules(self, transformer):
        return [CachedModule("head", transformer.head, "feed_forward")]


class RangeMethod(AppliedHooks):
    keep = "residual"
    reuse_from = 1

    def attach_hooks(self) -> None:
        blocks = self.transformer.blocks[1:]
        self.attach_block_range(blocks, lambda: self.controller.call.step_index >= self.reuse_from, keep=self.keep)


class OutputMethod(RangeMethod):
    keep = "output"


@pytest.fixture
def toy() -> Pipeline:
    return Pipeline()


class TestBlockRange:
    def test_residuals_of_all_streams_are_added_to_the_current_input(self, toy):
        with RangeMethod(toy, TwoStreams()).install():
            first = toy.transformer(torch.tensor(1.0), torch.tensor(10.0))
            again = toy.transformer(torch.tensor(7.0), torch.tensor(20.0))
        assert first == 1 * 2 * 3 * 5 + (10 + 2 + 3 + 5)
        # The two blocks of the range turned 2 into 30, so they add 28, and 8 to the text.
        assert again == (7 * 2 + 28) + (20 + 2 + 8)
        assert [block.calls for block in toy.transformer.blocks] == [2, 1, 1]

    def test_outputs_replace_whatever_comes_in(self, toy):
        with OutputMethod(toy, TwoStreams()).install():
            toy.transformer(torch.tensor(1.0), torch.tensor(10.0))
            again = toy.transformer(torch.tensor(7.0), torch.tensor(20.0))
        assert again == 1 * 2 * 3 * 5 + (10 + 2 + 3 + 5)

    def test_the_input_is_let_go_once_the_residual_is_known(self, toy):
        with RangeMethod(toy, TwoStreams()).install() as applied:
            toy.transformer(torch.zeros(256), torch.zeros(256))
            assert applied.cache_bytes() == 2 * 256 * 4

    def test_a_reuse_before_anything_was_computed_is_an_error(self, toy):
        method = RangeMethod(toy, TwoStreams())
        method.reuse_from = 0
        with method.install(), pytest.raises(MethodError, match="reused before"):
            toy.transformer(torch.tensor(1.0), torch.tensor(10.0))

    def test_a_range_of_one_block_is_first_and_last(self, toy):
        class One(RangeMethod):
            def attach_hooks(self) -> None:
                self.attach_block_range(self.transformer.blocks[:1], lambda: self.controller.call.step_index > 0)

        with One(toy, TwoStreams()).install():
            toy.transformer(torch.tensor(1.0), torch.tensor(10.0))
            again = toy.transformer(torch.tensor(7.0), torch.tensor(20.0))
        assert again == (7 + 1) * 15 + (20 + 2 + 8)
        assert toy.transformer.blocks[0].calls == 1


class TestRootHook:
    def test_a_method_may_replace_whole_calls(self, toy):
        class EverySecond(AppliedHooks):
            def run_call(self, forward, args, kwargs):
                if self.controller.call.step_index % 2:
                    self.controller.decide("reuse")
                    return self.store.get("output")
                output = forward(*args, **kwargs)
                self.store.put("output", output)
                return output

        with EverySecond(toy, TwoStreams(), root_only=True).install() as applied:
            first = toy.transformer(torch.tensor(1.0), torch.tensor(10.0))
            assert toy.transformer(torch.tensor(7.0), torch.tensor(20.0)) is first
        assert [decision.action for decision in applied.decisions()] == ["compute", "reuse"]

    def test_the_context_reaches_a_method_applied_after_a_first_run(self, tiny_pipeline, generate):
        family = Wan()
        pipeline = tiny_pipeline(family)
        generate(pipeline, family)
        with AppliedHooks(pipeline, family, root_only=True).install() as applied:
            generate(pipeline, family)
        assert {decision.branch for decision in applied.decisions()} == {"cond", "uncond"}

    def test_a_second_video_without_reset_is_refused(self, tiny_pipeline, generate):
        family = Wan()
        pipeline = tiny_pipeline(family)
        with AppliedHooks(pipeline, family, root_only=True).install():
            generate(pipeline, family)
            with pytest.raises(StaleStateError):
                generate(pipeline, family)

    def test_what_is_cached_outlives_the_pipelines_own_reset(self, tiny_pipeline, generate):
        class Keeper(AppliedHooks):
            def begin_call(self, call) -> None:
                self.store.put("something", torch.zeros(10))

        family = Wan()
        pipeline = tiny_pipeline(family)
        with Keeper(pipeline, family, root_only=True).install() as applied:
            generate(pipeline, family)
            assert applied.cache_bytes() == 40


class TestInstalling:
    def test_signals_are_read_before_the_first_block(self, toy):
        order = []

        class Reader(AppliedHooks):
            def attach_hooks(self) -> None:
                block = self.transformer.blocks[0]
                self.attach_block_range([block], lambda: bool(order.append("blocks")))
                self.attach_signal(Signal(block, "input", lambda args, kwargs: args[0]), order.append)
                self.attach_signal(Signal(self.transformer.head, "output", lambda output: output), order.append)

        with Reader(toy, TwoStreams()).install():
            toy.transformer(torch.tensor(1.0), torch.tensor(10.0))
        assert order == [torch.tensor(1.0), "blocks", torch.tensor(50.0)]

    def test_nothing_hooked_is_an_error(self, toy, attributes_of):
        before = attributes_of(toy.transformer)
        with pytest.raises(NothingHookedError, match="Denoiser"):
            AppliedHooks(toy, TwoStreams()).install()
        assert attributes_of(toy.transformer) == before

    def test_diffusers_own_cache_is_in_the_way(self, attributes_of):
        family = Wan()
        pipeline = family.tiny(3)
        pipeline.transformer.enable_cache(FirstBlockCacheConfig(threshold=0.1))
        before = attributes_of(pipeline.transformer)
        with pytest.raises(AlreadyAppliedError, match="disable_cache"):
            AppliedHooks(pipeline, family, root_only=True).install()
        assert attributes_of(pipeline.transformer) == before

    def test_hooks_that_were_there_stay_and_still_run(self, toy, attributes_of):
        class Doubler(ModelHook):
            def post_forward(self, module, output):
                return output * 2

        HookRegistry.check_if_exists_or_initialize(toy.transformer.head).register_hook(Doubler(), "doubler")
        expected = toy.transformer(torch.tensor(1.0), torch.tensor(10.0))
        before = attributes_of(toy.transformer)

        class Heads(AppliedHooks):
            def attach_hooks(self) -> None:
                for cached in self.family.cached_modules(self.transformer):
                    self.attach_module_cache(cached.name, cached.module, lambda: False)

        with Heads(toy, TwoStreams()).install() as applied:
            assert toy.transformer(torch.tensor(1.0), torch.tensor(10.0)) == expected
            applied.reset()
        toy.transformer.head._diffusers_hook._child_registries_cache = None
        assert toy.transformer(torch.tensor(1.0), torch.tensor(10.0)) == expected
        after = attributes_of(toy.transformer)
        assert after["head"]["forward"] == before["head"]["forward"]
        assert after["head"]["_diffusers_hook"] == before["head"]["_diffusers_hook"]
        assert list(toy.transformer.head._diffusers_hook.hooks) == ["doubler"]

    def test_an_own_forward_comes_back(self, toy):
        def own(hidden):
            return hidden + 1

        toy.transformer.head.forward = own

        class Heads(AppliedHooks):
            def attach_hooks(self) -> None:
                self.attach_module_cache("head", self.transformer.head, lambda: False)

        with Heads(toy, TwoStreams()).install():
            assert toy.transformer.head.forward is not own
        assert vars(toy.transformer.head)["forward"] is own

    def test_an_error_inside_the_context_also_restores(self, toy, attributes_of):
        before = attributes_of(toy.transformer)
        applied = RangeMethod(toy, TwoStreams()).install()
        assert toy.transformer._diffusers_hook.get_hook(ROOT_HOOK) is not None
        with pytest.raises(KeyError), applied:
            raise KeyError
        assert attributes_of(toy.transformer) == before

    def test_diffusers_list_of_hooked_descendants_is_current_while_applied_and_after(self, toy):
        root = HookRegistry.check_if_exists_or_initialize(toy.transformer)
        assert root._get_child_registries() == []
        with RangeMethod(toy, TwoStreams()).install():
            hooked = [block._diffusers_hook for block in toy.transformer.blocks[1:]]
            assert root._get_child_registries() == hooked
        assert root._get_child_registries() == []

    def test_decisions_are_readable_afterwards(self, toy):
        with RangeMethod(toy, TwoStreams()).install() as applied:
            toy.transformer(torch.tensor(1.0), torch.tensor(10.0))
        assert applied.decisions() == (Decision(0, "both", "compute"),)


def test_module_caches_are_kept_for_each_branch(tiny_pipeline, generate):
    family = Wan()
    pipeline = tiny_pipeline(family)

    class Frozen(AppliedHooks):
        def attach_hooks(self) -> None:
            cached = self.family.cached_modules(self.transformer)[1]
            self.attach_module_cache(cached.name, cached.module, lambda: self.controller.call.step_index > 0)

    with Frozen(pipeline, family).install() as applied:
        generate(pipeline, family, dataclasses.replace(family.tiny_sampling(), negative_prompt="a blue square"))
        name = family.cached_modules(pipeline.transformer)[1].name
        assert not torch.equal(applied.store.get((name, "cond")), applied.store.get((name, "uncond")))


def test_second_order_solvers_are_refused(toy):
    toy.scheduler.order = 2
    with pytest.raises(ValueError, match="order 2"):
        Family.timesteps(TwoStreams(), toy)
