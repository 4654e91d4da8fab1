"""Wan: loading, the tiny pipeline, and where its modules and signals are."""

from __future__ import annotations

import dataclasses
import json
from types import MappingProxyType

import pytest
import torch
from diffusers import FlowMatchHeunDiscreteScheduler, UniPCMultistepScheduler

from methods.families.wan import Wan


@pytest.fixture(scope="module")
def saved(tmp_path_factory, tiny_pipeline):
    folder = tmp_path_factory.mktemp("wan")
    tiny_pipeline(Wan()).save_pretrained(folder)
    return folder


class TestLoad:
    def test_a_saved_pipeline_makes_the_same_video(self, saved, tiny_pipeline, generate):
        family = Wan()
        loaded = family.load(str(saved), revision=None, dtype="float32", device="cpu")
        original = tiny_pipeline(family)
        for name in ("transformer", "text_encoder", "vae"):
            expected = getattr(original, name).state_dict()
            assert all(torch.equal(value, expected[key]) for key, value in getattr(loaded, name).state_dict().items())
        # Not bit for bit: where loaded weights lie in memory decides in which order a processor adds them up.
        torch.testing.assert_close(generate(loaded, family), generate(original, family), rtol=1e-3, atol=1e-4)

    def test_the_autoencoder_stays_in_float32(self, saved):
        loaded = Wan().load(str(saved), revision=None, dtype="bfloat16", device="cpu")
        assert loaded.vae.dtype == torch.float32
        assert loaded.text_encoder.dtype == torch.bfloat16
        assert loaded.transformer.blocks[0].attn1.to_q.weight.dtype == torch.bfloat16

    def test_temb_is_read_before_it_is_rounded(self, saved, generate):
        family = Wan()
        loaded = family.load(str(saved), revision=None, dtype="bfloat16", device="cpu")
        signal = family.modulated_input(loaded.transformer, "temb")
        seen = []
        signal.module.register_forward_hook(lambda module, args, output: seen.append(signal.read(output).dtype))
        generate(loaded, family)
        assert set(seen) == {torch.float32}

    @pytest.mark.parametrize(
        "change", [{"transformer_2": ["diffusers", "WanTransformer3DModel"]}, {"expand_timesteps": True}]
    )
    def test_wan_22_is_refused_before_weights_are_read(self, saved, tmp_path, change):
        index = json.loads((saved / "model_index.json").read_text()) | change
        (tmp_path / "model_index.json").write_text(json.dumps(index))
        with pytest.raises(ValueError, match=r"Wan 2\.2"):
            Wan().load(str(tmp_path), revision=None, dtype="float32", device="cpu")

    @pytest.mark.parametrize("dtype", ["fp16", "int8", "nn"])
    def test_an_unknown_type_is_refused(self, saved, dtype):
        with pytest.raises(ValueError, match=f"dtype is '{dtype}'; give"):
            Wan().load(str(saved), revision=None, dtype=dtype, device="cpu")

    def test_no_such_model(self, tmp_path):
        with pytest.raises(OSError, match="nothing-here"):
            Wan().load(str(tmp_path / "nothing-here"), revision=None, dtype="float32", device="cpu")


class TestTiny:
    def test_same_seed_same_weights(self, tiny_pipeline):
        again, other = Wan().tiny(0), Wan().tiny(1)
        expected = tiny_pipeline(Wan()).transformer.state_dict()
        assert all(torch.equal(value, expected[name]) for name, value in again.transformer.state_dict().items())
        assert not all(torch.equal(value, expected[name]) for name, value in other.transformer.state_dict().items())

    def test_leaves_the_global_random_state_alone(self):
        torch.manual_seed(3)
        expected = torch.rand(4)
        torch.manual_seed(3)
        Wan().tiny(0)
        assert torch.equal(torch.rand(4), expected)

    def test_decodes_to_the_size_asked_for(self, tiny_pipeline):
        family = Wan()
        arguments = family.call_arguments("a red circle", family.tiny_sampling())
        frames = tiny_pipeline(family)(**arguments, generator=torch.Generator().manual_seed(0), output_type="pt").frames
        assert frames.shape == (1, 5, 3, 32, 32)
        assert frames.isfinite().all()
        assert frames.std() > 0.01

    def test_the_prompt_matters(self, tiny_pipeline):
        family = Wan()
        videos = [
            tiny_pipeline(family)(
                **family.call_arguments(prompt, family.tiny_sampling()),
                generator=torch.Generator().manual_seed(0),
                output_type="latent",
            ).frames
            for prompt in ("a red circle", "a green square")
        ]
        assert not torch.equal(*videos)


class TestCallArguments:
    def test_hold_the_whole_sampling(self):
        sampling = dataclasses.replace(Wan.default_sampling, max_sequence_length=32, negative_prompt="blurry")
        assert Wan().call_arguments("a dog", sampling) == {
            "prompt": "a dog",
            "negative_prompt": "blurry",
            "height": 480,
            "width": 832,
            "num_frames": 81,
            "num_inference_steps": 50,
            "guidance_scale": 5.0,
            "max_sequence_length": 32,
        }

    def test_leave_the_pipelines_text_length_alone(self):
        assert "max_sequence_length" not in Wan().call_arguments("a dog", Wan.default_sampling)


class TestScheduled:
    @pytest.mark.parametrize(
        "scheduler",
        [None, UniPCMultistepScheduler(use_flow_sigmas=True, flow_shift=3.0, prediction_type="flow_prediction")],
    )
    def test_shifts_the_timesteps_and_puts_the_models_own_back(self, tiny_pipeline, generate, scheduler):
        family, pipeline = Wan(), tiny_pipeline(Wan())
        own = pipeline.scheduler
        pipeline.scheduler = scheduler or own
        try:
            during, before = {}, pipeline.scheduler
            for shift in (None, 1.0, 8.0):
                with family.scheduled(pipeline, dataclasses.replace(family.tiny_sampling(), flow_shift=shift)):
                    generate(pipeline, family)
                    during[shift] = family.timesteps(pipeline)
                assert pipeline.scheduler is before
        finally:
            pipeline.scheduler = own
        assert during[1.0][3] < during[None][3] < during[8.0][3]
        assert {len(timesteps) for timesteps in during.values()} == {6}

    def test_a_scheduler_without_shift_is_refused(self, tiny_pipeline):
        family, pipeline = Wan(), tiny_pipeline(Wan())
        own = pipeline.scheduler

        class Plain:
            config = MappingProxyType({"num_train_timesteps": 1000})

        pipeline.scheduler = Plain()
        try:
            with (
                pytest.raises(ValueError, match=r"flow_shift is 2\.0; Plain has none"),
                family.scheduled(pipeline, dataclasses.replace(family.tiny_sampling(), flow_shift=2.0)),
            ):
                pass
        finally:
            pipeline.scheduler = own

    def test_heun_is_refused(self, tiny_pipeline):
        family, pipeline = Wan(), tiny_pipeline(Wan())
        own = pipeline.scheduler
        pipeline.scheduler = FlowMatchHeunDiscreteScheduler()
        try:
            with pytest.raises(ValueError, match="order 2"):
                family.timesteps(pipeline)
        finally:
            pipeline.scheduler = own


def test_modules_of_all_blocks_in_order(tiny_pipeline):
    transformer = tiny_pipeline(Wan()).transformer
    cached = Wan().cached_modules(transformer)
    assert [one.name for one in cached[:4]] == ["blocks.0.attn1", "blocks.0.attn2", "blocks.0.ffn", "blocks.1.attn1"]
    assert len(cached) == 12
    assert all(one.module is transformer.get_submodule(one.name) for one in cached)
    assert all(one.module.is_cross_attention == (one.kind == "cross_attention") for one in cached[:2])


def test_the_time_embedding_makes_a_vector_once_a_call(generate, tiny_pipeline):
    family, pipeline, seen = Wan(), tiny_pipeline(Wan()), []
    transformer = pipeline.transformer
    embedding = family.time_embedding(transformer)
    handle = embedding.register_forward_hook(lambda module, args, output: seen.append((args[0].shape, output.shape)))
    try:
        generate(pipeline, family)
    finally:
        handle.remove()
    width = transformer.config.num_attention_heads * transformer.config.attention_head_dim
    assert seen == [((1, embedding.linear_1.in_features), (1, width))] * 12
    assert family.takes_conditions
    assert family.guidance_embedder(transformer) is None


def test_unknown_names_are_refused(tiny_pipeline):
    with pytest.raises(ValueError, match="signal is 'emb'; wan has temb, timestep_proj"):
        Wan().modulated_input(tiny_pipeline(Wan()).transformer, "emb")
    for name in (None, "cond_uncond"):
        with pytest.raises(ValueError, match="cache context is"):
            Wan().branch(name)


@pytest.mark.parametrize(("size", "billions"), [("1.3B", 1.42), ("14B", 14.3)])
def test_parameters_of_the_published_models(size, billions, parameter_count):
    hub_id = f"Wan-AI/Wan2.1-T2V-{size}-Diffusers"
    assert parameter_count(Wan(), hub_id, "transformer") / 1e9 == pytest.approx(billions, rel=0.005)
    assert parameter_count(Wan(), hub_id, "text_encoder") / 1e9 == pytest.approx(5.68, rel=0.005)
    assert parameter_count(Wan(), hub_id, "vae") / 1e6 == pytest.approx(127, rel=0.005)
