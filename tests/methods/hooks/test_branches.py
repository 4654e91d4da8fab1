"""Calls run for some branches and made for the others, the same for every way in which a family runs them."""

from __future__ import annotations

import pytest
import torch
from diffusers.models.modeling_outputs import Transformer2DModelOutput
from torch import nn

from methods.families.wan import Wan
from methods.hooks.branches import BranchHooks


class Denoiser(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def forward(self, hidden_states, return_dict=True):
        self.batches.append(hidden_states.shape[0])
        return Transformer2DModelOutput(sample=hidden_states * 2) if return_dict else (hidden_states * 2,)


class Scheduler:
    order = 1
    timesteps = torch.tensor((900.0, 600.0, 300.0))


class Pipeline:
    def __init__(self) -> None:
        self.transformer, self.scheduler = Denoiser(), Scheduler()


class Batched(Wan):
    guidance = "batched"
    batched_branches = ("uncond", "cond")
    batched_arguments = ("hidden_states",)

    def branch(self, context_name):
        return "both"


class CondFirst(Batched):
    batched_branches = ("cond", "uncond")


class Offset(BranchHooks):
    """From the second step on the unconditional output is the conditional one plus 100; the third repeats both."""

    seen: tuple = ()

    def runs(self, branch):
        step = self.controller.call.step_index
        return step == 0 or (step == 1 and branch == "cond")

    def computed(self, branch, sample):
        self.seen = (*self.seen, branch)
        self.store.put(branch, sample)

    def made(self, branch):
        if self.controller.call.step_index == 1:
            self.store.put("uncond", self.store.get("cond") + 100)
        return self.store.get(branch)


@pytest.mark.parametrize("return_dict", [True, False])
@pytest.mark.parametrize(("family", "cond"), [(Batched(), 1), (CondFirst(), 0)])
def test_a_batched_call_runs_the_conditional_half_and_returns_both(family, cond, return_dict):
    pipeline = Pipeline()
    with Offset(pipeline, family, root_only=True).install() as applied:
        outputs = [
            pipeline.transformer(hidden_states=torch.tensor([[1.0 + step], [5.0 + step]]), return_dict=return_dict)
            for step in range(3)
        ]
    samples = [(output.sample if return_dict else output[0]).flatten().tolist() for output in outputs]
    alone = 2 * (2.0 if cond == 0 else 6.0)
    expected = [alone + 100, alone] if cond else [alone, alone + 100]
    assert samples == [[2.0, 10.0], expected, expected]
    assert pipeline.transformer.batches == [2, 1]
    assert applied.seen == ("cond", "uncond", "cond")


def test_a_batch_of_one_is_the_conditional_branch():
    pipeline = Pipeline()
    with Offset(pipeline, Batched(), root_only=True).install() as applied:
        samples = [pipeline.transformer(torch.tensor([[1.0 + step]])).sample.item() for step in range(3)]
    assert samples == [2.0, 4.0, 4.0]
    assert applied.seen == ("cond", "cond")


def test_a_call_that_runs_whole_returns_the_transformers_own_output():
    pipeline = Pipeline()
    with Offset(pipeline, Batched(), root_only=True).install() as applied:
        output = pipeline.transformer(torch.tensor([[1.0], [5.0]]))
        assert output.sample.untyped_storage()._cdata == applied.store.get("cond").untyped_storage()._cdata
