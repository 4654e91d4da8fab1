"""Which call is in progress and what is kept, without any model."""

from __future__ import annotations

import pytest
import torch
from diffusers.hooks.hooks import CacheContext

from methods.base import Decision, MethodError, StaleStateError
from methods.hooks import Controller, TensorStore

TIMESTEPS = (900.0, 600.0, 300.0)


def controller() -> Controller:
    return Controller(lambda: TIMESTEPS, lambda name: name or "both")


def run(control: Controller, *contexts: CacheContext | None) -> list[tuple[int, str, float]]:
    calls = []
    for context in contexts:
        call = control.begin(context)
        calls.append((call.step_index, call.branch, call.timestep))
        control.end()
    return calls


class TestController:
    def test_counts_steps_without_any_context(self):
        assert run(controller(), None, None, None) == [(0, "both", 900.0), (1, "both", 600.0), (2, "both", 300.0)]

    def test_a_step_begins_when_the_first_branch_comes_again(self):
        cond, uncond = CacheContext("cond"), CacheContext("uncond")
        steps = [step for step, _, _ in run(controller(), cond, uncond, cond, uncond, cond, uncond)]
        assert steps == [0, 0, 1, 1, 2, 2]

    def test_guidance_may_stop_midway(self):
        cond, uncond = CacheContext("cond"), CacheContext("uncond")
        assert [step for step, _, _ in run(controller(), cond, uncond, cond, cond)] == [0, 0, 1, 2]

    def test_repeated_timesteps_are_steps_of_their_own(self):
        control = Controller(lambda: (900.0, 600.0, 600.0), lambda name: "both")
        assert [step for step, _, _ in run(control, None, None, None)] == [0, 1, 2]

    def test_believes_the_context(self):
        control = controller()
        call = control.begin(CacheContext("cond", step_index=1, num_inference_steps=30))
        assert (call.step_index, call.num_steps, call.timestep) == (1, 30, 600.0)

    @pytest.mark.parametrize("step", [0, 1])
    def test_a_second_video_needs_a_reset(self, step):
        control = controller()
        run(control, CacheContext("cond", step_index=1))
        with pytest.raises(StaleStateError, match="reset"):
            control.begin(CacheContext("cond", step_index=step))
        control.reset()
        assert control.begin(CacheContext("cond", step_index=step)).step_index == step

    def test_a_second_video_without_context_needs_a_reset_too(self):
        control = controller()
        run(control, None, None, None)
        with pytest.raises(StaleStateError, match="reset"):
            control.begin(None)

    def test_timesteps_are_read_once_a_video(self):
        reads = []
        control = Controller(lambda: reads.append(1) or TIMESTEPS, lambda name: "both")
        run(control, None, None)
        assert len(reads) == 1
        control.reset()
        run(control, None)
        assert len(reads) == 2

    def test_a_memo_lasts_one_step(self):
        control, made = controller(), []

        def make() -> int:
            made.append(1)
            return len(made)

        seen = []
        for name in ("cond", "uncond", "cond", "uncond"):
            control.begin(CacheContext(name))
            seen.append(control.once_per_step(make))
            control.end()
        assert seen == [1, 1, 2, 2]

    def test_the_last_decision_of_a_call_counts_and_the_default_is_compute(self):
        control = controller()
        control.begin(None)
        control.decide("partial")
        control.decide("reuse", 0.25)
        control.end()
        run(control, None)
        assert control.decisions == (Decision(0, "both", "reuse", 0.25), Decision(1, "both", "compute"))

    def test_an_interrupted_call_is_not_written_down(self):
        control = controller()
        control.begin(None)
        assert control.decisions == ()

    def test_outside_of_a_call_there_is_none(self):
        with pytest.raises(MethodError, match="no transformer call"):
            _ = controller().call


class TestTensorStore:
    def test_counts_nested_tensors(self):
        store = TensorStore()
        store.put("a", (torch.zeros(4), {"b": [torch.zeros(2, dtype=torch.float16)]}))
        assert store.nbytes() == 16 + 4

    def test_counts_a_shared_storage_once_and_a_view_whole(self):
        whole = torch.zeros(100)
        store = TensorStore()
        store.put("view", whole[:1])
        store.put("other view", whole[1:3])
        assert store.nbytes() == 400

    def test_dropping_and_clearing_let_go(self):
        store = TensorStore()
        store.put("a", torch.zeros(4))
        store.put("b", torch.zeros(8))
        store.drop("a")
        store.drop("never there")
        assert "a" not in store
        assert store.nbytes() == 32
        store.clear()
        assert store.nbytes() == 0

    def test_says_that_nothing_was_computed(self):
        with pytest.raises(MethodError, match="reused before it computed"):
            TensorStore().get("a")
