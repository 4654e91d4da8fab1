"""PAB as diffusers runs it: its hooks, its counters, and on Wan its mixing of the branches."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from diffusers.hooks import PyramidAttentionBroadcastConfig, apply_pyramid_attention_broadcast

from methods.families.hunyuan_video import HunyuanVideo
from methods.families.latte import Latte
from methods.families.wan import Wan
from methods.pab import Pab
from methods.pab_diffusers import PabDiffusers

EVERYWHERE = (-1, 1001)


def hooked(pipeline) -> list[str]:
    return [
        name
        for name, module in pipeline.transformer.named_modules()
        if "_diffusers_hook" in vars(module)
        and module._diffusers_hook.get_hook("pyramid_attention_broadcast") is not None
    ]


@pytest.mark.parametrize("family", [Wan(), HunyuanVideo()])
def test_makes_the_very_video_that_the_library_makes(generate, family):
    pipeline = family.tiny(4)
    apply_pyramid_attention_broadcast(
        pipeline.transformer,
        PyramidAttentionBroadcastConfig(
            spatial_attention_block_skip_range=3, current_timestep_callback=lambda: pipeline.current_timestep
        ),
    )
    theirs = generate(pipeline, family)
    other = family.tiny(4)
    with PabDiffusers(spatial_attention_block_skip_range=3, identifiers="diffusers").apply(other, family) as applied:
        assert torch.equal(generate(other, family), theirs)
        assert "partial" in {decision.action for decision in applied.decisions()}


class TestBranchesOnWan:
    """Range 8, 6 steps of 2 calls, every one inside the window: calls 0 and 8 compute, both conditional."""

    METHOD = PabDiffusers(spatial_attention_block_skip_range=8, spatial_attention_timestep_skip_range=EVERYWHERE)

    @staticmethod
    def computed(method, pipeline, generate):
        """The (step, branch) of each call in which attention really ran, and what was decided."""
        family, ran = Wan(), []
        with method.apply(pipeline, family) as applied:

            def note(*_):
                call = applied.controller.call
                ran.append((call.step_index, call.branch))

            handle = pipeline.transformer.blocks[1].attn1.to_q.register_forward_hook(note)
            try:
                generate(pipeline, family, dataclasses.replace(family.tiny_sampling(), negative_prompt="a blue square"))
            finally:
                handle.remove()
            return ran, applied.decisions()

    def test_attention_is_computed_in_conditional_calls_only(self, tiny_pipeline, generate):
        ran, decisions = self.computed(self.METHOD, tiny_pipeline(Wan()), generate)
        assert ran == [(0, "cond"), (4, "cond")]
        partial = [(one.step_index, one.branch) for one in decisions if one.action == "partial"]
        assert partial == [
            (step, branch) for step in range(6) for branch in ("cond", "uncond") if (step, branch) not in ran
        ]

    def test_the_method_with_a_counter_for_each_branch_computes_both(self, tiny_pipeline, generate):
        ran, _ = self.computed(Pab(8, EVERYWHERE), tiny_pipeline(Wan()), generate)
        assert ran == [(0, "cond"), (0, "uncond")]

    def test_outside_of_the_window_both_branches_compute(self, tiny_pipeline, generate):
        method = PabDiffusers(spatial_attention_block_skip_range=100)
        pipeline = tiny_pipeline(Wan())
        ran, decisions = self.computed(method, pipeline, generate)
        outside = [step for step, time in enumerate(Wan().timesteps(pipeline)) if not 100 < time < 800]
        assert 0 < len(outside) < 6
        assert ran == [(step, branch) for step in outside for branch in ("cond", "uncond")]
        assert [one.action for one in decisions] == [
            "compute" if step in outside else "partial" for step in range(6) for _ in range(2)
        ]


class TestWhatIsHooked:
    def test_the_text_refiner_of_hunyuan_video_only_when_asked(self):
        family = HunyuanVideo()
        pipeline = family.tiny(0)
        with PabDiffusers().apply(pipeline, family):
            narrow = hooked(pipeline)
        with PabDiffusers(identifiers="diffusers").apply(pipeline, family):
            wide = hooked(pipeline)
        expected = [one.name for one in family.cached_modules(pipeline.transformer) if one.kind == "self_attention"]
        assert sorted(narrow) == sorted(expected)
        assert {name.split(".")[0] for name in set(wide) - set(narrow)} == {"context_embedder"}

    def test_temporal_attention_of_latte_has_its_own_range(self):
        family = Latte()
        pipeline = family.tiny(0)
        with PabDiffusers(2).apply(pipeline, family):
            assert {name.split(".")[0] for name in hooked(pipeline)} == {"transformer_blocks"}
        with PabDiffusers(2, temporal_attention_block_skip_range=5).apply(pipeline, family):
            ranges = {
                name.split(".")[0]: pipeline.transformer.get_submodule(name)
                ._diffusers_hook.get_hook("pyramid_attention_broadcast")
                .block_skip_range
                for name in hooked(pipeline)
            }
        assert ranges == {"transformer_blocks": 2, "temporal_transformer_blocks": 5}

    def test_cross_attention_when_it_has_a_range(self):
        pipeline = Wan().tiny(0)
        with PabDiffusers(None, cross_attention_block_skip_range=4).apply(pipeline, Wan()):
            assert {name.split(".")[2] for name in hooked(pipeline)} == {"attn2"}


def test_the_timestep_is_a_number_that_no_module_reads_from_the_device(tiny_pipeline, generate):
    pipeline, seen = tiny_pipeline(Wan()), []
    with PabDiffusers().apply(pipeline, Wan()):
        hook = pipeline.transformer.blocks[0].attn1._diffusers_hook.get_hook("pyramid_attention_broadcast")
        ask = hook.current_timestep_callback
        hook.current_timestep_callback = lambda: seen.append(ask()) or seen[-1]
        generate(pipeline, Wan())
        assert all(type(timestep) is float for timestep in seen)
        assert seen[::2] == list(Wan().timesteps(pipeline))


def test_caches_are_held_until_the_next_video(tiny_pipeline, generate):
    pipeline = tiny_pipeline(Wan())
    with PabDiffusers(2, spatial_attention_timestep_skip_range=EVERYWHERE).apply(pipeline, Wan()) as applied:
        generate(pipeline, Wan())
        tokens, width = 8, 24
        assert applied.cache_bytes() == 4 * (tokens * width * 4)
        applied.reset()
        assert applied.cache_bytes() == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"spatial_attention_block_skip_range": 0}, "spatial_attention_block_skip_range is 0; give"),
        ({"spatial_attention_block_skip_range": None}, "is None; give at least one"),
        ({"cross_attention_timestep_skip_range": (9, 1)}, r"cross_attention_timestep_skip_range is \(9, 1\); give two"),
        ({"identifiers": "all"}, "identifiers is 'all'; give one of blocks, diffusers"),
    ],
)
def test_refuses_impossible_values(arguments, message):
    with pytest.raises(ValueError, match=message):
        PabDiffusers(**arguments)
