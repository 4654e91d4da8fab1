"""DiT: loading, the tiny pipeline, its calls, and where its modules and signals are."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from diffusers import DDIMScheduler, DiTPipeline, DiTTransformer2DModel

from methods.families.dit import Dit
from methods.families.parts.reference_dit_pipeline import ReferenceDiTPipeline
from methods.families.parts.respaced_ddpm import RespacedDDPMScheduler


@pytest.fixture(scope="module")
def saved(tmp_path_factory, tiny_pipeline):
    """As the hub has it: diffusers' own pipeline with DDIM and names of classes."""
    folder, made = tmp_path_factory.mktemp("dit"), tiny_pipeline(Dit())
    pipeline = DiTPipeline(made.transformer, made.vae, DDIMScheduler(clip_sample=False), id2label={"0": "tench, fish"})
    pipeline.register_to_config(id2label={"0": "tench, fish"})
    pipeline.save_pretrained(folder)
    return folder


class TestLoad:
    def test_has_the_reference_sampler_and_the_models_names(self, saved):
        loaded = Dit().load(str(saved), revision=None, dtype="float32", device="cpu")
        assert type(loaded) is ReferenceDiTPipeline
        assert type(loaded.scheduler) is RespacedDDPMScheduler
        assert loaded.class_index("fish") == 0

    def test_the_hubs_old_name_of_the_transformer_is_understood(self, saved, tmp_path):
        for path in (path for path in saved.rglob("*") if path.is_file()):
            target = tmp_path / path.relative_to(saved)
            target.parent.mkdir(exist_ok=True)
            data = path.read_bytes()
            if path.suffix == ".json":
                data = data.replace(b"DiTTransformer2DModel", b"Transformer2DModel")
            target.write_bytes(data)
        loaded = Dit().load(str(tmp_path), revision=None, dtype="float32", device="cpu")
        assert type(loaded.transformer) is DiTTransformer2DModel

    def test_makes_the_same_image(self, saved, tiny_pipeline):
        family = Dit()
        loaded = family.load(str(saved), revision=None, dtype="float32", device="cpu")
        arguments = family.call_arguments("207", family.tiny_sampling()) | {"output_type": "latent"}
        made, expected = (
            pipeline(**arguments, generator=torch.Generator().manual_seed(0)).images
            for pipeline in (loaded, tiny_pipeline(family))
        )
        # Not bit for bit: where loaded weights lie in memory decides in which order a processor adds them up.
        torch.testing.assert_close(made, expected, rtol=1e-3, atol=1e-3)

    def test_the_autoencoder_stays_in_float32(self, saved):
        loaded = Dit().load(str(saved), revision=None, dtype="bfloat16", device="cpu")
        assert (loaded.transformer.dtype, loaded.vae.dtype) == (torch.bfloat16, torch.float32)
        images = loaded("207", num_inference_steps=2, generator=torch.Generator().manual_seed(0), output_type="np")
        assert Dit().videos(images).shape == (1, 1, 32, 32, 3)

    def test_a_model_of_another_pipeline_is_refused_before_weights_are_read(self, saved, tmp_path):
        index = json.loads((saved / "model_index.json").read_text())
        (tmp_path / "model_index.json").write_text(json.dumps(index | {"_class_name": "WanPipeline"}))
        with pytest.raises(ValueError, match="family dit runs DiTPipeline"):
            Dit().load(str(tmp_path), revision=None, dtype="float32", device="cpu")


class TestTiny:
    def test_same_seed_same_weights_whatever_the_global_random_state(self, tiny_pipeline):
        expected = tiny_pipeline(Dit()).transformer.state_dict()
        torch.manual_seed(3)
        drawn = torch.rand(4)
        torch.manual_seed(3)
        again, other = (Dit().tiny(seed).transformer.state_dict() for seed in (0, 1))
        assert torch.equal(torch.rand(4), drawn)
        assert all(torch.equal(value, expected[name]) for name, value in again.items())
        assert not all(torch.equal(value, expected[name]) for name, value in other.items())

    def test_makes_a_video_of_one_frame_and_the_class_matters(self, tiny_pipeline):
        family, videos = Dit(), []
        for prompt in ("a red circle", "a green square"):
            output = tiny_pipeline(family)(
                **family.call_arguments(prompt, family.tiny_sampling()),
                generator=torch.Generator().manual_seed(0),
                output_type="pt",
            )
            videos.append(family.videos(output))
        assert videos[0].shape == (1, 1, 3, 32, 32)
        assert videos[0].isfinite().all()
        assert videos[0].std() > 0.01
        assert not torch.equal(*videos)

    def test_is_as_deep_as_a_published_model(self):
        assert len(Dit().stack(Dit().tiny(0, like="facebook/DiT-XL-2-256").transformer)) == 28


class TestCallArguments:
    def test_hold_the_whole_sampling(self):
        assert Dit().call_arguments("207", Dit.default_sampling) == {
            "class_labels": "207",
            "height": 256,
            "width": 256,
            "num_inference_steps": 250,
            "guidance_scale": 1.5,
        }

    def test_what_images_of_classes_have_not_is_refused(self):
        with pytest.raises(ValueError, match="num_frames is 5; DiT makes images"):
            Dit().call_arguments("207", dataclasses.replace(Dit.default_sampling, num_frames=5))
        with pytest.raises(ValueError, match="negative_prompt is 'blurry'; DiT has none"):
            Dit().call_arguments("207", dataclasses.replace(Dit.default_sampling, negative_prompt="blurry"))


class TestTransformerCalls:
    @pytest.mark.parametrize("change", [{}, {"guidance_scale": 1.0}])
    def test_are_the_pipelines(self, change, tiny_pipeline, seen_calls, promised_calls):
        family, pipeline = Dit(), tiny_pipeline(Dit())
        sampling = dataclasses.replace(family.tiny_sampling(), **change)
        assert seen_calls(pipeline, family, sampling) == promised_calls(pipeline, family, sampling)

    def test_run_on_the_published_architecture_without_weights(self):
        family = Dit()
        transformer = family.empty_transformer(family.architectures()["facebook/DiT-XL-2-256"])
        (call,) = family.transformer_calls(transformer, family.default_sampling)
        assert transformer(**call.arguments)[0].shape == (2, 8, 32, 32)
        assert family.token_frames(transformer, call.arguments["hidden_states"]) == 1


def test_timesteps_are_those_of_the_run(tiny_pipeline, generate):
    family, pipeline = Dit(), tiny_pipeline(Dit())
    generate(pipeline, family)
    assert family.timesteps(pipeline) == (999, 799, 599, 400, 200, 0)


def test_modules_of_all_blocks_in_order(tiny_pipeline):
    transformer = tiny_pipeline(Dit()).transformer
    cached = Dit().cached_modules(transformer)
    assert [(one.name, one.kind) for one in cached[:3]] == [
        ("transformer_blocks.0.attn1", "self_attention"),
        ("transformer_blocks.0.ff", "feed_forward"),
        ("transformer_blocks.1.attn1", "self_attention"),
    ]
    assert len(cached) == 8
    assert all(one.module is transformer.get_submodule(one.name) for one in cached)


def test_the_signal_is_what_enters_the_first_attention(tiny_pipeline, generate):
    family, pipeline = Dit(), tiny_pipeline(Dit())
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


@pytest.mark.parametrize("size", [256, 512])
def test_parameters_of_the_published_models(size, parameter_count):
    """675 million (arXiv 2212.09748, table 1); diffusers gives each block a copy of the embedder of time and class."""
    family, hub_id = Dit(), f"facebook/DiT-XL-2-{size}"
    transformer = family.empty_transformer(family.architectures()[hub_id])
    embedders = [
        sum(value.numel() for value in block.norm1.emb.parameters()) for block in transformer.transformer_blocks
    ]
    assert (parameter_count(family, hub_id, "transformer") - sum(embedders[1:])) / 1e6 == pytest.approx(675, rel=0.002)
    assert parameter_count(family, hub_id, "vae") / 1e6 == pytest.approx(83.65, rel=0.005)


def test_unknown_names_are_refused(tiny_pipeline):
    with pytest.raises(ValueError, match="signal is 'temb'; dit has modulated_hidden"):
        Dit().modulated_input(tiny_pipeline(Dit()).transformer, "temb")
    with pytest.raises(ValueError, match="DiTPipeline enters None"):
        Dit().branch("cond")
    assert Dit().branch(None) == "both"
