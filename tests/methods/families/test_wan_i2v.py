"""Wan image-to-video: loading, the tiny pipeline, its calls and how the image enters."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from diffusers import WanImageToVideoPipeline
from PIL import Image

from methods.families.wan_i2v import WanI2V

HUB_IDS = [f"Wan-AI/Wan2.1-I2V-14B-{lines}P-Diffusers" for lines in (480, 720)]


@pytest.fixture(scope="module")
def saved(tmp_path_factory, tiny_pipeline):
    folder = tmp_path_factory.mktemp("wan_i2v")
    tiny_pipeline(WanI2V()).save_pretrained(folder)
    return folder


class TestLoad:
    def test_a_saved_pipeline_makes_the_same_video(self, saved, tiny_pipeline, generate):
        family = WanI2V()
        loaded = family.load(str(saved), revision=None, dtype="float32", device="cpu")
        assert type(loaded) is WanImageToVideoPipeline
        # Not bit for bit: where loaded weights lie in memory decides in which order a processor adds them up.
        torch.testing.assert_close(
            generate(loaded, family), generate(tiny_pipeline(family), family), rtol=1e-3, atol=1e-3
        )

    def test_autoencoder_and_image_encoder_stay_in_float32(self, saved):
        loaded = WanI2V().load(str(saved), revision=None, dtype="bfloat16", device="cpu")
        assert loaded.vae.dtype == loaded.image_encoder.dtype == torch.float32
        assert loaded.text_encoder.dtype == torch.bfloat16
        assert loaded.transformer.blocks[0].attn1.to_q.weight.dtype == torch.bfloat16

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"transformer_2": ["diffusers", "WanTransformer3DModel"]}, r"Wan 2\.2"),
            ({"expand_timesteps": True}, r"Wan 2\.2"),
            ({"_class_name": "WanPipeline"}, "family wan_i2v runs WanImageToVideoPipeline"),
        ],
    )
    def test_other_models_are_refused_before_weights_are_read(self, saved, tmp_path, change, told):
        index = json.loads((saved / "model_index.json").read_text()) | change
        (tmp_path / "model_index.json").write_text(json.dumps(index))
        with pytest.raises(ValueError, match=told):
            WanI2V().load(str(tmp_path), revision=None, dtype="float32", device="cpu")


class TestTiny:
    def test_same_seed_same_weights_whatever_the_global_random_state(self, tiny_pipeline):
        expected = tiny_pipeline(WanI2V()).transformer.state_dict()
        torch.manual_seed(3)
        drawn = torch.rand(4)
        torch.manual_seed(3)
        again, other = (WanI2V().tiny(seed).transformer.state_dict() for seed in (0, 1))
        assert torch.equal(torch.rand(4), drawn)
        assert all(torch.equal(value, expected[name]) for name, value in again.items())
        assert not all(torch.equal(value, expected[name]) for name, value in other.items())

    def test_decodes_to_the_size_asked_for_and_prompt_and_image_matter(self, tiny_pipeline):
        family, videos = WanI2V(), []
        for prompt, colour in (("a red circle", "red"), ("a green square", "red"), ("a red circle", "blue")):
            output = tiny_pipeline(family)(
                **family.call_arguments(prompt, family.tiny_sampling(), Image.new("RGB", (32, 32), colour)),
                generator=torch.Generator().manual_seed(0),
                output_type="pt",
            )
            videos.append(family.videos(output))
        assert videos[0].shape == (1, 5, 3, 32, 32)
        assert videos[0].isfinite().all()
        assert videos[0].std() > 0.01
        assert not torch.equal(videos[0], videos[1])
        assert not torch.equal(videos[0], videos[2])

    @pytest.mark.parametrize("hub_id", HUB_IDS)
    def test_is_as_deep_as_a_published_model(self, hub_id):
        assert len(WanI2V().stack(WanI2V().tiny(0, like=hub_id).transformer)) == 40


class TestCallArguments:
    def test_hold_the_whole_sampling(self):
        image = Image.new("RGB", (832, 480))
        sampling = dataclasses.replace(WanI2V.default_sampling, max_sequence_length=512, negative_prompt="blurry")
        assert WanI2V().call_arguments("a dog", sampling, image) == {
            "image": image,
            "prompt": "a dog",
            "negative_prompt": "blurry",
            "height": 480,
            "width": 832,
            "num_frames": 81,
            "num_inference_steps": 40,
            "guidance_scale": 5.0,
            "max_sequence_length": 512,
        }

    def test_without_an_image_they_are_refused(self):
        with pytest.raises(ValueError, match="image is missing; wan_i2v begins"):
            WanI2V().call_arguments("a dog", WanI2V.default_sampling)

    def test_another_text_length_is_refused(self):
        sampling = dataclasses.replace(WanI2V.default_sampling, max_sequence_length=256)
        with pytest.raises(ValueError, match="max_sequence_length is 256; WanImageToVideoPipeline takes only 512"):
            WanI2V().call_arguments("a dog", sampling, Image.new("RGB", (32, 32)))


class TestTransformerCalls:
    @pytest.mark.parametrize("change", [{}, {"guidance_scale": 1.0}, {"height": 48, "num_frames": 9}])
    def test_are_the_pipelines(self, change, tiny_pipeline, seen_calls, promised_calls):
        family, pipeline = WanI2V(), tiny_pipeline(WanI2V())
        sampling = dataclasses.replace(family.tiny_sampling(), **change)
        assert seen_calls(pipeline, family, sampling) == promised_calls(pipeline, family, sampling)

    def test_run_on_the_published_architecture_without_weights(self):
        family = WanI2V()
        transformer = family.empty_transformer(family.architectures()[HUB_IDS[0]])
        sampling = dataclasses.replace(family.default_sampling, num_frames=5)
        cond, uncond = family.transformer_calls(transformer, sampling)
        assert (cond.context_name, uncond.context_name) == ("cond", "uncond")
        assert transformer(**cond.arguments)[0].shape == (1, 16, 2, 60, 104)


@pytest.mark.parametrize("hub_id", HUB_IDS)
def test_parameters_of_the_published_models(hub_id, parameter_count):
    """16.4 billion: Wan 14B (arXiv 2503.20314) with keys and values of image tokens, 2 x 5120 x 5120 in 40 blocks."""
    assert parameter_count(WanI2V(), hub_id, "transformer") / 1e9 == pytest.approx(
        14.29 + 40 * 2 * 5.12e3**2 / 1e9, rel=0.002
    )
    assert parameter_count(WanI2V(), hub_id, "text_encoder") / 1e9 == pytest.approx(5.68, rel=0.005)
    assert parameter_count(WanI2V(), hub_id, "image_encoder") / 1e6 == pytest.approx(632, rel=0.005)
    assert parameter_count(WanI2V(), hub_id, "vae") / 1e6 == pytest.approx(127, rel=0.005)


def test_signals_and_branches_are_text_to_videos(tiny_pipeline):
    transformer = tiny_pipeline(WanI2V()).transformer
    assert WanI2V().modulated_input(transformer, "temb").module is transformer.condition_embedder.time_embedder
    assert WanI2V().branch("uncond") == "uncond"
    with pytest.raises(ValueError, match="signal is 'emb'; wan_i2v has temb, timestep_proj"):
        WanI2V().modulated_input(transformer, "emb")
    with pytest.raises(ValueError, match="cache context is None; WanImageToVideoPipeline names cond and uncond"):
        WanI2V().branch(None)
