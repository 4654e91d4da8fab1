"""DiT's pipeline: its guidance, its classes, and that with diffusers' sampler it is diffusers'."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DiTPipeline, DiTTransformer2DModel

from harness.measure.clock import Clock
from harness.measure.stages import watch_stages
from methods.families.dit import Dit
from methods.families.parts.reference_dit_pipeline import ReferenceDiTPipeline, guide


@pytest.fixture
def pipeline(tiny_pipeline):
    return tiny_pipeline(Dit())


@pytest.fixture
def with_ddim(pipeline):
    own = pipeline.scheduler
    pipeline.scheduler = DDIMScheduler(clip_sample=False)
    yield pipeline
    pipeline.scheduler = own


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


class TestGuidance:
    def test_first_channels_are_guided_and_the_others_are_those_of_the_class(self):
        prediction = torch.randn(4, 8, 2, 2, generator=generator())
        cond, uncond = prediction[:2], prediction[2:]
        guided = guide(prediction, 1.5, 3)
        torch.testing.assert_close(guided[:, :3], 1.5 * cond[:, :3] - 0.5 * uncond[:, :3])
        assert torch.equal(guided[:, 3:], cond[:, 3:])

    def test_three_channels_are_guided_unless_told_otherwise(self, pipeline):
        def make(**changed):
            return pipeline("7", 3.0, num_inference_steps=3, generator=generator(), output_type="latent", **changed)

        three, default, four = (make(**one).images for one in ({"guided_channels": 3}, {}, {"guided_channels": None}))
        assert torch.equal(default, three)
        assert not torch.equal(default, four)

    @pytest.mark.parametrize("channels", [0, 5])
    def test_channels_there_are_not_are_refused(self, pipeline, channels):
        with pytest.raises(ValueError, match=f"guided_channels is {channels}; give 1 to 4"):
            pipeline(7, guided_channels=channels)


class TestAgainstDiffusers:
    @pytest.mark.parametrize("guidance_scale", [4.0, 1.0])
    @pytest.mark.parametrize("output_type", ["np", "pt"])
    def test_with_its_sampler_and_all_channels_the_image_is_the_same_bit_for_bit(
        self, with_ddim, guidance_scale, output_type
    ):
        theirs = DiTPipeline(
            transformer=with_ddim.transformer,
            vae=with_ddim.vae,
            scheduler=DDIMScheduler.from_config(with_ddim.scheduler.config),
        )
        theirs.set_progress_bar_config(disable=True)
        common = {"guidance_scale": guidance_scale, "num_inference_steps": 8, "output_type": output_type}
        expected = theirs(class_labels=[7, 207], generator=generator(), **common).images
        made = with_ddim([7, "207"], guided_channels=None, generator=generator(), **common).images
        assert np.array_equal(np.asarray(made), np.asarray(expected))

    def test_the_reference_sampler_makes_another(self, pipeline, with_ddim):
        theirs = with_ddim(7, num_inference_steps=8, generator=generator(), output_type="latent").images
        with_ddim.scheduler = Dit().tiny(0).scheduler
        assert not torch.equal(
            with_ddim(7, num_inference_steps=8, generator=generator(), output_type="latent").images, theirs
        )


class TestRun:
    def test_the_model_is_asked_at_the_timesteps_of_its_training_for_class_and_none(self, pipeline):
        calls = []
        handle = pipeline.transformer.register_forward_pre_hook(
            lambda module, args, kwargs: calls.append(kwargs), with_kwargs=True
        )
        pipeline([7, 8], num_inference_steps=5, generator=generator(), output_type="latent")
        handle.remove()
        assert [call["timestep"].tolist() for call in calls] == [[one] * 4 for one in (999, 749, 500, 250, 0)]
        assert {tuple(call["class_labels"].tolist()) for call in calls} == {(7, 8, 1000, 1000)}
        assert all(torch.equal(*call["hidden_states"].chunk(2)) for call in calls)

    def test_the_same_seed_makes_the_same_image_and_another_one_another(self, pipeline):
        first, again, other = (
            pipeline(7, num_inference_steps=3, generator=generator(seed), output_type="latent").images
            for seed in (0, 0, 1)
        )
        assert torch.equal(first, again)
        assert not torch.equal(first, other)

    def test_the_generator_is_asked_for_the_noise_of_every_step_but_the_last(self, pipeline):
        used, expected = generator(), generator()
        pipeline(7, num_inference_steps=3, generator=used, output_type="latent")
        for _ in range(3):
            torch.randn(1, 4, 4, 4, generator=expected)
        assert torch.equal(used.get_state(), expected.get_state())

    def test_given_noise_is_used(self, pipeline):
        noise, rest = torch.randn(1, 4, 4, 4, generator=generator()), generator()
        expected = pipeline(7, num_inference_steps=3, generator=generator(), output_type="latent").images
        torch.randn(1, 4, 4, 4, generator=rest)
        made = pipeline(7, num_inference_steps=3, generator=rest, latents=noise, output_type="latent").images
        assert torch.equal(made, expected)

    def test_latents_stay_in_single_precision_whatever_the_models(self):
        half, seen = Dit().tiny(0), []
        half.transformer.to(torch.bfloat16).register_forward_pre_hook(
            lambda module, args, kwargs: seen.append(kwargs["hidden_states"].dtype), with_kwargs=True
        )
        made = half(7, num_inference_steps=2, generator=generator(), output_type="latent").images
        assert made.dtype == torch.float32
        assert seen == [torch.bfloat16] * 2

    def test_the_callback_sees_each_step_and_may_replace_the_latents(self, pipeline):
        seen = []

        def empty_last(pipe, step, timestep, tensors):
            seen.append((step, int(timestep), sorted(tensors)))
            return {"latents": torch.zeros_like(tensors["latents"])} if step == pipe.num_timesteps - 1 else tensors

        made = pipeline(7, num_inference_steps=3, callback_on_step_end=empty_last, output_type="latent").images
        assert seen == [(0, 999, ["latents"]), (1, 500, ["latents"]), (2, 0, ["latents"])]
        assert not made.any()

    def test_stages_are_seen_and_the_noise_is_hashed(self, pipeline):
        with watch_stages(pipeline, Clock("cpu")) as stages:
            start = stages.clock.mark()
            pipeline(7, num_inference_steps=3, generator=generator(), output_type="np")
            latency = stages.latency(start, stages.clock.mark())
        noise = torch.randn(1, 4, 4, 4, generator=generator())
        assert stages.noise_sha256 == hashlib.sha256(noise.numpy().tobytes()).hexdigest()
        assert len(latency.step_s) == 3
        assert latency.decode_s > 0
        assert latency.text_encode_s == 0

    @pytest.mark.parametrize("output_type", ["pil", "np", "pt", "latent"])
    def test_output_types(self, pipeline, output_type):
        images = pipeline([7, 8], num_inference_steps=2, generator=generator(), output_type=output_type).images
        videos = Dit().videos(type("Output", (), {"images": images}))
        assert len(videos) == 2
        assert len(videos[0]) == 1
        shape = {"np": (2, 1, 32, 32, 3), "pt": (2, 1, 3, 32, 32), "latent": (2, 1, 4, 4, 4)}.get(output_type)
        assert shape is None or videos.shape == shape
        assert shape is not None or videos[0][0].size == (32, 32)


class TestRefusals:
    @pytest.mark.parametrize("label", ["goldfinch", "1000", 1000, "-1", ""])
    def test_unknown_classes_in_one_line(self, pipeline, label):
        with pytest.raises(ValueError, match=r"class is '.*'; this model knows an index below 1000 or one of") as told:
            pipeline(label)
        assert "\n" not in str(told.value)

    def test_names_where_the_model_has_none(self, pipeline):
        bare = ReferenceDiTPipeline(transformer=pipeline.transformer, vae=pipeline.vae, scheduler=pipeline.scheduler)
        with pytest.raises(ValueError, match=r"class is 'a red circle'; this model knows an index below 1000$"):
            bare("a red circle")

    def test_names_and_indices_that_are_known(self, pipeline):
        assert pipeline.class_index("a red circle") == 0
        assert pipeline.class_index("a green square") == 1
        assert pipeline.class_index(" 207 ") == pipeline.class_index(207) == 207

    def test_another_size_than_the_models(self, pipeline):
        with pytest.raises(ValueError, match="height and width are 64 and 32; this model makes 32 and 32"):
            pipeline(7, height=64, width=32)

    def test_a_model_without_learned_variance(self, pipeline):
        plain = DiTTransformer2DModel(
            num_attention_heads=2, attention_head_dim=12, in_channels=4, num_layers=1, sample_size=4
        )
        made = ReferenceDiTPipeline(transformer=plain, vae=pipeline.vae, scheduler=pipeline.scheduler)
        with pytest.raises(ValueError, match="RespacedDDPMScheduler needs a learned variance"):
            made(7)
