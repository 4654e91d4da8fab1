"""HunyuanVideo 1.5 image-to-video: what it does otherwise than text-to-video."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from methods.families.hunyuan_video15_i2v import HunyuanVideo15I2V

STEP_DISTILLED = "hunyuanvideo-community/HunyuanVideo-1.5-Diffusers-480p_i2v_step_distilled"
CHANGES = {
    "guided": {},
    "unguided": {"guidance_scale": 1.0},
    "longer text": {"max_sequence_length": 12, "num_frames": 9},
}


@pytest.fixture
def video(tiny_pipeline):
    def make(prompt="a red circle", colour=(200, 30, 30), output_type="latent"):
        family = HunyuanVideo15I2V()
        pipeline, sampling = tiny_pipeline(family), dataclasses.replace(family.tiny_sampling(), num_inference_steps=2)
        arguments = family.call_arguments(prompt, sampling, Image.new("RGB", (32, 32), colour))
        with family.scheduled(pipeline, sampling):
            output = pipeline(**arguments, generator=torch.Generator().manual_seed(0), output_type=output_type)
        return family.videos(output)

    return make


def test_a_saved_pipeline_makes_the_same_video(tmp_path, tiny_pipeline, generate):
    family = HunyuanVideo15I2V()
    pipeline = tiny_pipeline(family)
    pipeline.save_pretrained(tmp_path)
    loaded = family.load(str(tmp_path), revision=None, dtype="float32", device="cpu")
    torch.testing.assert_close(generate(loaded, family), generate(pipeline, family), rtol=1e-3, atol=1e-4)


def test_decodes_to_the_size_asked_for(video):
    frames = video(output_type="pt")
    assert frames.shape == (1, 5, 3, 32, 32)
    assert frames.isfinite().all()
    assert frames.std() > 0.01


def test_prompt_and_image_matter(video):
    assert not torch.equal(video(), video(prompt="a green square"))
    assert not torch.equal(video(), video(colour=(30, 200, 30)))


class TestCallArguments:
    def test_hold_the_sampling_but_for_the_size(self):
        sampling = dataclasses.replace(HunyuanVideo15I2V.default_sampling, negative_prompt="blurry")
        arguments = HunyuanVideo15I2V().call_arguments("a dog", sampling, Image.new("RGB", (1000, 500)))
        assert arguments.pop("image").size == (848, 480)
        assert arguments == {
            "prompt": "a dog",
            "negative_prompt": "blurry",
            "num_frames": 121,
            "num_inference_steps": 50,
        }

    @pytest.mark.parametrize(("size", "kept"), [((96, 32), (32, 64)), ((32, 96), (32, 64)), ((16, 48), (16, 32))])
    def test_the_middle_of_the_image_is_kept(self, size, kept):
        pixels = np.zeros((size[1], size[0], 3), dtype=np.uint8)
        along = 0 if size[0] > size[1] else 1
        middle = [slice(None)] * 2
        middle[1 - along] = slice(*kept)
        pixels[tuple(middle)] = 255
        sampling = HunyuanVideo15I2V().tiny_sampling()
        image = HunyuanVideo15I2V().call_arguments("a", sampling, Image.fromarray(pixels))["image"]
        assert image.size == (32, 32)
        # Resizing blurs the two borders.
        assert np.asarray(image)[3:-3, 3:-3].min() == 255

    def test_no_image_is_refused(self):
        with pytest.raises(ValueError, match="begins with an image and was given none"):
            HunyuanVideo15I2V().call_arguments("a dog", HunyuanVideo15I2V.default_sampling)


class TestTransformerCalls:
    @pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
    def test_are_those_the_pipeline_makes(self, tiny_pipeline, seen_calls, promised_calls, change):
        family = HunyuanVideo15I2V()
        sampling = dataclasses.replace(family.tiny_sampling(), **change)
        pipeline = tiny_pipeline(family)
        assert seen_calls(pipeline, family, sampling) == promised_calls(pipeline, family, sampling)

    def test_have_the_end_of_the_step_where_the_model_is_step_distilled(self, seen_calls, promised_calls):
        family = HunyuanVideo15I2V()
        pipeline = family.tiny(0, like=STEP_DISTILLED).to(torch.bfloat16)
        sampling = dataclasses.replace(family.tiny_sampling(), guidance_scale=1.0, num_inference_steps=1)
        seen = seen_calls(pipeline, family, sampling)
        assert seen == promised_calls(pipeline, family, sampling)
        assert [(name, "timestep_r" in arguments) for name, arguments in seen] == [("pred_cond", True)]

    @pytest.mark.parametrize("hub_id", HunyuanVideo15I2V().architectures())
    def test_run_at_the_published_size_without_weights(self, hub_id):
        family = HunyuanVideo15I2V()
        config = {**family.architectures()[hub_id]["transformer"], "num_layers": 1}
        transformer = family.empty_transformer({"transformer": config})
        call = family.transformer_calls(transformer, family.default_sampling)[0]
        with torch.no_grad():
            assert transformer(**call.arguments)[0].shape == (1, 32, 31, 30, 53)


class TestScheduled:
    def test_a_size_the_model_would_not_make_is_refused_with_the_one_it_would(self, tiny_pipeline, monkeypatch):
        family, pipeline = HunyuanVideo15I2V(), tiny_pipeline(HunyuanVideo15I2V())
        monkeypatch.setattr(pipeline, "target_size", 640)
        guider, asked = pipeline.guider, dataclasses.replace(family.default_sampling, width=832)
        with (
            pytest.raises(ValueError, match=r"size is 480 x 832 .* makes 480 x 816, so give that"),
            family.scheduled(pipeline, asked),
        ):
            pass
        assert pipeline.guider is guider
        with family.scheduled(pipeline, family.default_sampling):
            assert pipeline.guider is not guider


def test_only_the_step_distilled_model_has_a_second_time_embedder():
    family = HunyuanVideo15I2V()
    sizes = {}
    for hub_id, architecture in family.architectures().items():
        transformer = family.empty_transformer(architecture)
        sizes[hub_id] = sum(parameter.numel() for parameter in transformer.parameters())
        assert (transformer.time_embed.timestep_embedder_r is not None) == (hub_id == STEP_DISTILLED)
    # Published as 8.3B; the second embedder is 2048 x 256 + 2048 x 2048 weights and 2 x 2048 biases.
    assert sizes.pop(STEP_DISTILLED) - 2048 * (256 + 2048 + 2) == sizes.popitem()[1] == pytest.approx(8.33e9, rel=1e-3)
