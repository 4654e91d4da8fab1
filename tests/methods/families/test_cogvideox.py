"""CogVideoX: loading, the tiny pipeline, its calls, and where its modules and signals are."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from diffusers import CogVideoXDPMScheduler, CogVideoXPipeline, PNDMScheduler

from methods.families.cogvideox import CogVideoX


@pytest.fixture(scope="module")
def saved(tmp_path_factory, tiny_pipeline):
    folder = tmp_path_factory.mktemp("cogvideox")
    tiny_pipeline(CogVideoX()).save_pretrained(folder)
    return folder


class TestLoad:
    def test_a_saved_pipeline_makes_the_same_video(self, saved, tiny_pipeline, generate):
        family = CogVideoX()
        loaded = family.load(str(saved), revision=None, dtype="float32", device="cpu")
        assert type(loaded) is CogVideoXPipeline
        # Not bit for bit: where loaded weights lie in memory decides in which order a processor adds them up.
        torch.testing.assert_close(
            generate(loaded, family), generate(tiny_pipeline(family), family), rtol=1e-3, atol=1e-3
        )

    def test_all_components_are_in_the_type_asked_for(self, saved):
        loaded = CogVideoX().load(str(saved), revision=None, dtype="bfloat16", device="cpu")
        assert {part.dtype for part in (loaded.transformer, loaded.vae, loaded.text_encoder)} == {torch.bfloat16}

    def test_an_image_to_video_model_is_refused_before_weights_are_read(self, saved, tmp_path):
        index = json.loads((saved / "model_index.json").read_text())
        (tmp_path / "model_index.json").write_text(json.dumps(index | {"_class_name": "CogVideoXImageToVideoPipeline"}))
        with pytest.raises(ValueError, match="family cogvideox runs CogVideoXPipeline"):
            CogVideoX().load(str(tmp_path), revision=None, dtype="float32", device="cpu")


class TestTiny:
    def test_same_seed_same_weights_whatever_the_global_random_state(self, tiny_pipeline):
        expected = tiny_pipeline(CogVideoX()).transformer.state_dict()
        torch.manual_seed(3)
        drawn = torch.rand(4)
        torch.manual_seed(3)
        again, other = (CogVideoX().tiny(seed).transformer.state_dict() for seed in (0, 1))
        assert torch.equal(torch.rand(4), drawn)
        assert all(torch.equal(value, expected[name]) for name, value in again.items())
        assert not all(torch.equal(value, expected[name]) for name, value in other.items())

    def test_decodes_to_the_size_asked_for_and_the_prompt_matters(self, tiny_pipeline):
        family, videos = CogVideoX(), []
        for prompt in ("a red circle", "a green square"):
            output = tiny_pipeline(family)(
                **family.call_arguments(prompt, family.tiny_sampling()),
                generator=torch.Generator().manual_seed(0),
                output_type="pt",
            )
            videos.append(family.videos(output))
        assert videos[0].shape == (1, 9, 3, 32, 32)
        assert videos[0].isfinite().all()
        assert videos[0].std() > 0.01
        assert not torch.equal(*videos)

    @pytest.mark.parametrize(("model", "layers", "rotary"), [("2b", 30, False), ("5b", 42, True)])
    def test_is_as_deep_as_a_published_model(self, model, layers, rotary):
        config = CogVideoX().tiny(0, like=f"THUDM/CogVideoX-{model}").transformer.config
        assert (config.num_layers, config.use_rotary_positional_embeddings) == (layers, rotary)
        assert config.num_attention_heads * config.attention_head_dim == 32


class TestCallArguments:
    def test_hold_the_whole_sampling(self):
        sampling = dataclasses.replace(CogVideoX.default_sampling, max_sequence_length=32, negative_prompt="blurry")
        assert CogVideoX().call_arguments("a dog", sampling) == {
            "prompt": "a dog",
            "negative_prompt": "blurry",
            "height": 480,
            "width": 720,
            "num_frames": 49,
            "num_inference_steps": 50,
            "guidance_scale": 6.0,
            "max_sequence_length": 32,
        }

    def test_leave_the_pipelines_text_length_alone(self):
        assert "max_sequence_length" not in CogVideoX().call_arguments("a dog", CogVideoX.default_sampling)

    def test_frames_the_autoencoder_does_not_make_are_refused(self):
        sampling = dataclasses.replace(CogVideoX.default_sampling, num_frames=45)
        with pytest.raises(ValueError, match="num_frames is 45; CogVideoX makes 8k"):
            CogVideoX().call_arguments("a dog", sampling)


class TestTransformerCalls:
    @pytest.mark.parametrize(
        "change", [{}, {"guidance_scale": 1.0}, {"max_sequence_length": 12, "height": 48, "num_frames": 17}]
    )
    def test_are_the_pipelines(self, change, tiny_pipeline, seen_calls, promised_calls):
        family, pipeline = CogVideoX(), tiny_pipeline(CogVideoX())
        sampling = dataclasses.replace(family.tiny_sampling(), **change)
        assert seen_calls(pipeline, family, sampling) == promised_calls(pipeline, family, sampling)

    @pytest.mark.parametrize("model", ["2b", "5b"])
    def test_rotation_is_the_pipelines(self, model):
        family = CogVideoX()
        pipeline, sampling = family.tiny(0, like=f"THUDM/CogVideoX-{model}"), family.default_sampling
        (call,) = family.transformer_calls(pipeline.transformer, sampling)
        promised = call.arguments["image_rotary_emb"]
        if model == "2b":
            assert promised is None
            return
        made = pipeline._prepare_rotary_positional_embeddings(480, 720, 13, torch.device("cpu"))
        assert [(one.shape, one.dtype) for one in promised] == [(one.shape, one.dtype) for one in made]
        assert made[0].shape[0] == 13 * 30 * 45

    @pytest.mark.parametrize("model", ["2b", "5b"])
    def test_run_on_the_published_architecture_without_weights(self, model):
        family = CogVideoX()
        transformer = family.empty_transformer(family.architectures()[f"THUDM/CogVideoX-{model}"])
        sampling = dataclasses.replace(family.default_sampling, num_frames=9)
        (call,) = family.transformer_calls(transformer, sampling)
        assert transformer(**call.arguments)[0].shape == (2, 3, 16, 60, 90)


class TestTimesteps:
    def test_are_those_of_the_run(self, tiny_pipeline, generate):
        family, pipeline = CogVideoX(), tiny_pipeline(CogVideoX())
        generate(pipeline, family)
        timesteps = family.timesteps(pipeline)
        assert len(timesteps) == 6
        assert timesteps[0] == 999
        assert timesteps == tuple(sorted(timesteps, reverse=True))

    def test_the_5b_models_solver_is_first_order_and_calls_once_a_step(self, tiny_pipeline, seen_calls):
        family, pipeline = CogVideoX(), tiny_pipeline(CogVideoX())
        own = pipeline.scheduler
        pipeline.scheduler = CogVideoXDPMScheduler.from_config(own.config)
        try:
            assert len(seen_calls(pipeline, family, family.tiny_sampling())) == len(family.timesteps(pipeline)) == 6
        finally:
            pipeline.scheduler = own

    def test_a_solver_that_repeats_a_timestep_is_refused(self, tiny_pipeline):
        family, pipeline = CogVideoX(), tiny_pipeline(CogVideoX())
        own = pipeline.scheduler
        pipeline.scheduler = PNDMScheduler(skip_prk_steps=True)
        pipeline.scheduler.set_timesteps(10)
        try:
            with pytest.raises(ValueError, match="visits 11 timesteps, 10 of them different"):
                family.timesteps(pipeline)
        finally:
            pipeline.scheduler = own

    def test_a_shift_is_refused(self, tiny_pipeline):
        family = CogVideoX()
        sampling = dataclasses.replace(family.tiny_sampling(), flow_shift=2.0)
        with (
            pytest.raises(ValueError, match=r"flow_shift is 2\.0; CogVideoXDDIMScheduler has none"),
            family.scheduled(tiny_pipeline(family), sampling),
        ):
            pass


def test_modules_of_all_blocks_in_order(tiny_pipeline):
    transformer = tiny_pipeline(CogVideoX()).transformer
    cached = CogVideoX().cached_modules(transformer)
    assert [(one.name, one.kind) for one in cached[:3]] == [
        ("transformer_blocks.0.attn1", "self_attention"),
        ("transformer_blocks.0.ff", "feed_forward"),
        ("transformer_blocks.1.attn1", "self_attention"),
    ]
    assert len(cached) == 8
    assert all(one.module is transformer.get_submodule(one.name) for one in cached)


def test_the_signal_is_the_time_embedding_that_blocks_get(tiny_pipeline, generate):
    family, pipeline = CogVideoX(), tiny_pipeline(CogVideoX())
    signal = family.modulated_input(pipeline.transformer, "emb")
    assert signal.at == "output"
    read, given = [], []
    handles = [
        signal.module.register_forward_hook(lambda module, args, output: read.append(signal.read(output))),
        pipeline.transformer.transformer_blocks[0].register_forward_pre_hook(
            lambda module, args, kwargs: given.append(kwargs["temb"]), with_kwargs=True
        ),
    ]
    generate(pipeline, family)
    for handle in handles:
        handle.remove()
    assert len(read) == 6
    assert all(torch.equal(one, other) for one, other in zip(read, given, strict=True))


@torch.no_grad()
def test_the_unconditional_half_comes_first(tiny_pipeline):
    family, pipeline, calls = CogVideoX(), tiny_pipeline(CogVideoX()), []
    handle = pipeline.transformer.register_forward_pre_hook(
        lambda module, args, kwargs: calls.append(kwargs), with_kwargs=True
    )
    arguments = family.call_arguments("a red circle", family.tiny_sampling())
    pipeline(**arguments, generator=torch.Generator().manual_seed(0), output_type="latent")
    handle.remove()
    expected = {
        "cond": pipeline.encode_prompt("a red circle", max_sequence_length=8)[0],
        "uncond": pipeline.encode_prompt("", max_sequence_length=8)[0],
    }
    halves = calls[0]["encoder_hidden_states"].chunk(2)
    assert all(torch.equal(half, expected[name]) for half, name in zip(halves, family.batched_branches, strict=True))
    assert all(len(calls[0][name]) == 2 for name in family.batched_arguments)


@pytest.mark.parametrize(("model", "millions"), [("2b", 1690), ("5b", 5570)])
def test_parameters_of_the_published_models(model, millions, parameter_count):
    """1.69 and 5.57 billion: arXiv 2408.06072 names them 2B and 5B; sizes of the files on the hub."""
    for owner in ("THUDM", "zai-org"):
        hub_id = f"{owner}/CogVideoX-{model}"
        assert parameter_count(CogVideoX(), hub_id, "transformer") / 1e6 == pytest.approx(millions, rel=0.005)
        assert parameter_count(CogVideoX(), hub_id, "text_encoder") / 1e9 == pytest.approx(4.76, rel=0.005)
        assert parameter_count(CogVideoX(), hub_id, "vae") / 1e6 == pytest.approx(215.6, rel=0.005)


def test_unknown_names_are_refused(tiny_pipeline):
    with pytest.raises(ValueError, match="signal is 'temb'; cogvideox has emb"):
        CogVideoX().modulated_input(tiny_pipeline(CogVideoX()).transformer, "temb")
    for name in (None, "cond"):
        with pytest.raises(ValueError, match="CogVideoXPipeline enters 'cond_uncond'"):
            CogVideoX().branch(name)
    assert CogVideoX().branch("cond_uncond") == "both"
