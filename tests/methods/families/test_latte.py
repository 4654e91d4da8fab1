"""Latte: loading, the tiny pipeline, its calls, and how tokens get from block to block."""

from __future__ import annotations

import dataclasses
import json
from contextlib import contextmanager
from itertools import combinations_with_replacement

import pytest
import torch
from diffusers import LattePipeline, PNDMScheduler

from methods.families.latte import Latte


@pytest.fixture(scope="module")
def saved(tmp_path_factory, tiny_pipeline):
    folder = tmp_path_factory.mktemp("latte")
    tiny_pipeline(Latte()).save_pretrained(folder)
    return folder


class TestLoad:
    def test_a_saved_pipeline_makes_the_same_video(self, saved, tiny_pipeline, generate):
        family = Latte()
        loaded = family.load(str(saved), revision=None, dtype="float32", device="cpu")
        assert type(loaded) is LattePipeline
        # Not bit for bit: where loaded weights lie in memory decides in which order a processor adds them up.
        torch.testing.assert_close(
            generate(loaded, family), generate(tiny_pipeline(family), family), rtol=1e-3, atol=1e-3
        )

    def test_all_components_are_in_the_type_asked_for(self, saved):
        loaded = Latte().load(str(saved), revision=None, dtype="float16", device="cpu")
        assert {part.dtype for part in (loaded.transformer, loaded.vae, loaded.text_encoder)} == {torch.float16}

    def test_a_model_of_another_pipeline_is_refused_before_weights_are_read(self, saved, tmp_path):
        index = json.loads((saved / "model_index.json").read_text())
        (tmp_path / "model_index.json").write_text(json.dumps(index | {"_class_name": "WanPipeline"}))
        with pytest.raises(ValueError, match="family latte runs LattePipeline"):
            Latte().load(str(tmp_path), revision=None, dtype="float32", device="cpu")


class TestTiny:
    def test_same_seed_same_weights_whatever_the_global_random_state(self, tiny_pipeline):
        expected = tiny_pipeline(Latte()).transformer.state_dict()
        torch.manual_seed(3)
        drawn = torch.rand(4)
        torch.manual_seed(3)
        again, other = (Latte().tiny(seed).transformer.state_dict() for seed in (0, 1))
        assert torch.equal(torch.rand(4), drawn)
        assert all(torch.equal(value, expected[name]) for name, value in again.items())
        assert not all(torch.equal(value, expected[name]) for name, value in other.items())

    def test_decodes_to_the_size_asked_for_and_the_prompt_matters(self, tiny_pipeline):
        family, videos = Latte(), []
        for prompt in ("a red circle", "a green square"):
            output = tiny_pipeline(family)(
                **family.call_arguments(prompt, family.tiny_sampling()),
                generator=torch.Generator().manual_seed(0),
                output_type="pt",
            )
            videos.append(family.videos(output))
        assert videos[0].shape == (1, 3, 3, 32, 32)
        assert videos[0].isfinite().all()
        assert videos[0].std() > 0.01
        assert not torch.equal(*videos)

    def test_is_as_deep_as_the_published_model(self):
        transformer = Latte().tiny(0, like="maxin-cn/Latte-1").transformer
        assert len(Latte().stack(transformer)) == 28


class TestCallArguments:
    def test_hold_the_whole_sampling(self):
        sampling = dataclasses.replace(Latte.default_sampling, negative_prompt="blurry")
        assert Latte().call_arguments("a dog", sampling) == {
            "prompt": "a dog",
            "negative_prompt": "blurry",
            "height": 512,
            "width": 512,
            "video_length": 16,
            "num_inference_steps": 50,
            "guidance_scale": 7.5,
            "clean_caption": False,
        }

    def test_a_text_length_is_refused(self):
        sampling = dataclasses.replace(Latte.default_sampling, max_sequence_length=32)
        with pytest.raises(ValueError, match="max_sequence_length is 32; LattePipeline takes only 120"):
            Latte().call_arguments("a dog", sampling)


class TestTransformerCalls:
    @pytest.mark.parametrize("change", [{}, {"guidance_scale": 1.0}, {"height": 48, "num_frames": 1}])
    def test_are_the_pipelines_for_the_longest_prompt(
        self, change, tiny_pipeline, seen_calls, promised_calls, monkeypatch
    ):
        family, pipeline = Latte(), tiny_pipeline(Latte())
        monkeypatch.setattr(LattePipeline, "mask_text_embeddings", lambda self, emb, mask: (emb, emb.shape[2]))
        sampling = dataclasses.replace(family.tiny_sampling(), **change)
        assert seen_calls(pipeline, family, sampling) == promised_calls(pipeline, family, sampling)

    def test_run_on_the_published_architecture_without_weights(self):
        family = Latte()
        transformer = family.empty_transformer(family.architectures()["maxin-cn/Latte-1"])
        (call,) = family.transformer_calls(transformer, family.default_sampling)
        assert transformer(**call.arguments)[0].shape == (2, 8, 16, 64, 64)


@contextmanager
def passing(blocks):
    """These blocks return what they get; yields what the first and the last of them got in each call."""
    got = ([], [])

    def forward_of(index):
        def forward(hidden_states, *args, **kwargs):
            if index == 0:
                got[0].append(hidden_states)
            if index == len(blocks) - 1:
                got[1].append(hidden_states)
            return hidden_states

        return forward

    for index, block in enumerate(blocks):
        vars(block)["forward"] = forward_of(index)
    try:
        yield got
    finally:
        for block in blocks:
            del vars(block)["forward"]


class TestArrive:
    @pytest.mark.parametrize("num_frames", [3, 1])
    @pytest.mark.parametrize(("first", "last"), combinations_with_replacement(range(6), 2))
    def test_is_what_the_transformer_does_between_blocks(self, first, last, num_frames, tiny_pipeline, generate):
        family, pipeline = Latte(), tiny_pipeline(Latte())
        order = [block for pair in family.stack(pipeline.transformer) for block in pair]
        blocks = order[first : last + 1]
        sampling = dataclasses.replace(family.tiny_sampling(), num_frames=num_frames, num_inference_steps=1)
        with passing(blocks) as (before, after):
            generate(pipeline, family, sampling)
        arrived = family.arrive(pipeline.transformer, blocks, (before[0],), (after[0],))
        assert len(arrived) == 1
        assert torch.equal(arrived[0], after[0])

    def test_a_range_of_all_lists_in_the_order_of_the_lists(self, tiny_pipeline, generate):
        family, pipeline = Latte(), tiny_pipeline(Latte())
        transformer = pipeline.transformer
        blocks = [block for _, members in family.block_lists(transformer) for block in members]
        with passing([blocks[0], *blocks[1:]]) as (before, after):
            generate(pipeline, family, dataclasses.replace(family.tiny_sampling(), num_inference_steps=1))
        (arrived,) = family.arrive(transformer, blocks, (before[0],), (after[0],))
        assert torch.equal(arrived, after[0])


def test_the_signal_is_what_enters_the_first_attention(tiny_pipeline, generate):
    family, pipeline = Latte(), tiny_pipeline(Latte())
    signal = family.modulated_input(pipeline.transformer, "modulated_hidden")
    assert signal.at == "input"
    read, given = [], []
    handles = [
        signal.module.register_forward_pre_hook(
            lambda module, args, kwargs: read.append(signal.read(args, kwargs)), with_kwargs=True
        ),
        pipeline.transformer.transformer_blocks[0].attn1.register_forward_pre_hook(
            lambda module, args: given.append(args[0])
        ),
    ]
    generate(pipeline, family)
    for handle in handles:
        handle.remove()
    assert len(read) == 6
    assert all(torch.equal(one, other) for one, other in zip(read, given, strict=True))


def test_modules_in_the_order_in_which_they_run(tiny_pipeline):
    transformer = tiny_pipeline(Latte()).transformer
    cached = Latte().cached_modules(transformer)
    assert [(one.name, one.kind) for one in cached[:6]] == [
        ("transformer_blocks.0.attn1", "self_attention"),
        ("transformer_blocks.0.attn2", "cross_attention"),
        ("transformer_blocks.0.ff", "feed_forward"),
        ("temporal_transformer_blocks.0.attn1", "self_attention"),
        ("temporal_transformer_blocks.0.ff", "feed_forward"),
        ("transformer_blocks.1.attn1", "self_attention"),
    ]
    assert len(cached) == 20
    assert all(one.module is transformer.get_submodule(one.name) for one in cached)


@torch.no_grad()
def test_the_unconditional_half_comes_first(tiny_pipeline):
    family, pipeline, calls = Latte(), tiny_pipeline(Latte()), []
    handle = pipeline.transformer.register_forward_pre_hook(
        lambda module, args, kwargs: calls.append(kwargs), with_kwargs=True
    )
    arguments = family.call_arguments("a red circle", family.tiny_sampling())
    pipeline(**arguments, generator=torch.Generator().manual_seed(0), output_type="latent")
    handle.remove()
    expected = dict(zip(("cond", "uncond"), pipeline.encode_prompt("a red circle"), strict=True))
    halves = calls[0]["encoder_hidden_states"].chunk(2)
    assert all(torch.equal(half, expected[name]) for half, name in zip(halves, family.batched_branches, strict=True))
    assert all(len(calls[0][name]) == 2 for name in family.batched_arguments)


def test_a_solver_that_repeats_a_timestep_is_refused(tiny_pipeline):
    family, pipeline = Latte(), tiny_pipeline(Latte())
    own = pipeline.scheduler
    pipeline.scheduler = PNDMScheduler(skip_prk_steps=True)
    pipeline.scheduler.set_timesteps(50)
    try:
        with pytest.raises(ValueError, match="visits 51 timesteps, 50 of them different"):
            family.timesteps(pipeline)
    finally:
        pipeline.scheduler = own


def test_parameters_of_the_published_model(parameter_count):
    """1.06 billion: DiT-XL/2's blocks twice, without its modulation layers and half of them with cross-attention."""
    count = {
        part: parameter_count(Latte(), "maxin-cn/Latte-1", part) for part in ("transformer", "text_encoder", "vae")
    }
    assert count["transformer"] / 1e9 == pytest.approx(1.06, rel=0.005)
    assert count["text_encoder"] / 1e9 == pytest.approx(4.76, rel=0.005)
    assert count["vae"] / 1e6 == pytest.approx(83.65, rel=0.005)


def test_unknown_names_are_refused(tiny_pipeline):
    with pytest.raises(ValueError, match="signal is 'temb'; latte has modulated_hidden"):
        Latte().modulated_input(tiny_pipeline(Latte()).transformer, "temb")
    with pytest.raises(ValueError, match="LattePipeline enters None"):
        Latte().branch("cond")
    assert Latte().branch(None) == "both"
