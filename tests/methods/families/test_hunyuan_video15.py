"""HunyuanVideo 1.5 text-to-video: loading, the tiny pipeline, its calls, and where its modules and signals are."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from diffusers import AdaptiveProjectedGuidance, ClassifierFreeGuidance
from torch.utils.flop_counter import FlopCounterMode

from methods.families.hunyuan_video15 import HunyuanVideo15

HUB_ID = "hunyuanvideo-community/HunyuanVideo-1.5-Diffusers-480p_t2v"
CHANGES = {
    "guided": {},
    "unguided": {"guidance_scale": 1.0},
    "longer text": {"max_sequence_length": 12, "width": 48, "num_frames": 9},
    "the model's own text lengths": {"max_sequence_length": None, "num_inference_steps": 1},
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory, tiny_pipeline):
    folder = tmp_path_factory.mktemp("hunyuan_video15")
    tiny_pipeline(HunyuanVideo15()).save_pretrained(folder)
    return folder


def video(pipeline, sampling, output_type="latent", **changed):
    family = HunyuanVideo15()
    with family.scheduled(pipeline, sampling):
        arguments = family.call_arguments("a red circle", sampling) | changed
        output = pipeline(**arguments, generator=torch.Generator().manual_seed(0), output_type=output_type)
    return family.videos(output)


class TestLoad:
    def test_a_saved_pipeline_makes_the_same_video(self, saved, tiny_pipeline, generate):
        family = HunyuanVideo15()
        loaded = family.load(str(saved), revision=None, dtype="float32", device="cpu")
        assert loaded.vae.use_tiling
        # Not bit for bit: where loaded weights lie in memory decides in which order a processor adds them up.
        torch.testing.assert_close(
            generate(loaded, family), generate(tiny_pipeline(family), family), rtol=1e-3, atol=1e-4
        )

    def test_an_image_to_video_model_is_refused_before_weights_are_read(self, saved, tmp_path):
        index = json.loads((saved / "model_index.json").read_text())
        index["_class_name"] = "HunyuanVideo15ImageToVideoPipeline"
        (tmp_path / "model_index.json").write_text(json.dumps(index))
        with pytest.raises(ValueError, match="made for HunyuanVideo15ImageToVideoPipeline; family hunyuan_video15"):
            HunyuanVideo15().load(str(tmp_path), revision=None, dtype="float32", device="cpu")

    def test_no_such_model(self, tmp_path):
        with pytest.raises(OSError, match="nothing-here"):
            HunyuanVideo15().load(str(tmp_path / "nothing-here"), revision=None, dtype="float32", device="cpu")


class TestTiny:
    def test_same_seed_same_weights(self, tiny_pipeline):
        expected = tiny_pipeline(HunyuanVideo15()).transformer.state_dict()
        again, other = (HunyuanVideo15().tiny(seed).transformer.state_dict() for seed in (0, 1))
        assert all(torch.equal(value, expected[name]) for name, value in again.items())
        assert not all(torch.equal(value, expected[name]) for name, value in other.items())

    def test_has_as_many_blocks_as_the_model_it_is_like(self):
        transformer = HunyuanVideo15().tiny(0, like=HUB_ID).transformer
        assert len(HunyuanVideo15().stack(transformer)) == 54

    def test_decodes_to_the_size_asked_for(self, tiny_pipeline):
        family = HunyuanVideo15()
        frames = video(tiny_pipeline(family), family.tiny_sampling(), output_type="pt")
        assert frames.shape == (1, 5, 3, 32, 32)
        assert frames.isfinite().all()
        assert frames.std() > 0.01

    @pytest.mark.parametrize("argument", ["prompt", "negative_prompt"])
    def test_the_prompts_matter_and_so_do_quoted_texts(self, tiny_pipeline, argument):
        pipeline = tiny_pipeline(HunyuanVideo15())
        sampling = dataclasses.replace(HunyuanVideo15().tiny_sampling(), num_inference_steps=2)
        texts = ("a red circle", "a green square", 'a "red" circle', 'a "rad" circle')
        videos = [video(pipeline, sampling, **{argument: text}) for text in texts]
        assert not torch.equal(videos[0], videos[1])
        assert not torch.equal(videos[2], videos[3])

    def test_the_blocks_outweigh_the_projection_of_quoted_texts(self, tiny_pipeline):
        family = HunyuanVideo15()
        transformer = tiny_pipeline(family).transformer
        call = family.transformer_calls(transformer, family.tiny_sampling())[0]
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            transformer(**call.arguments)
        total = counter.get_total_flops()
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            transformer.context_embedder_2(call.arguments["encoder_hidden_states_2"])
        assert 0 < counter.get_total_flops() < 0.2 * total


class TestTransformerCalls:
    @pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
    def test_are_those_the_pipeline_makes(self, tiny_pipeline, seen_calls, promised_calls, change):
        family = HunyuanVideo15()
        sampling = dataclasses.replace(family.tiny_sampling(), **change)
        pipeline = tiny_pipeline(family)
        assert seen_calls(pipeline, family, sampling) == promised_calls(pipeline, family, sampling)

    def test_have_the_types_the_pipeline_uses(self, seen_calls, promised_calls):
        family = HunyuanVideo15()
        pipeline, sampling = family.tiny(0).to(torch.bfloat16), family.tiny_sampling()
        assert seen_calls(pipeline, family, sampling) == promised_calls(pipeline, family, sampling)

    def test_cost_on_the_meta_device_what_they_cost_on_a_real_one(self, tiny_pipeline):
        family = HunyuanVideo15()
        real = tiny_pipeline(family).transformer
        empty = family.empty_transformer({"transformer": {**real.config, "_class_name": type(real).__name__}})
        flops = []
        for transformer in (real, empty):
            call = family.transformer_calls(transformer, family.tiny_sampling())[0]
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                (output,) = transformer(**call.arguments)
            assert output.shape == (1, 4, 2, 2, 2)
            flops.append(counter.get_total_flops())
        assert output.is_meta
        assert flops[0] == flops[1]

    def test_run_at_the_published_size_without_weights(self):
        family = HunyuanVideo15()
        architecture = family.architectures()[HUB_ID]
        transformer = family.empty_transformer({"transformer": {**architecture["transformer"], "num_layers": 1}})
        for call in family.transformer_calls(transformer, family.default_sampling):
            with torch.no_grad(), transformer.cache_context(call.context_name):
                assert transformer(**call.arguments)[0].shape == (1, 32, 31, 30, 53)


class TestScheduled:
    def test_the_guider_has_the_scale_asked_for_and_the_models_own_comes_back(self, tiny_pipeline):
        family, pipeline = HunyuanVideo15(), tiny_pipeline(HunyuanVideo15())
        own = pipeline.guider
        videos = {}
        for scale in (1.0, 3.0, 6.0):
            sampling = dataclasses.replace(family.tiny_sampling(), guidance_scale=scale)
            with family.scheduled(pipeline, sampling):
                assert pipeline.guider.config.guidance_scale == scale
                assert pipeline.guider.num_conditions == len(family.branches(sampling))
            assert pipeline.guider is own
            videos[scale] = video(pipeline, sampling)
        assert not torch.equal(videos[3.0], videos[6.0])
        assert not torch.equal(videos[1.0], videos[3.0])

    def test_everything_comes_back_after_a_failure(self, tiny_pipeline):
        family, pipeline = HunyuanVideo15(), tiny_pipeline(HunyuanVideo15())

        def held():
            return pipeline.guider, pipeline.scheduler, pipeline.tokenizer_max_length, pipeline.tokenizer_2_max_length

        before, sampling = held(), dataclasses.replace(family.tiny_sampling(), flow_shift=2.0)
        during = []

        def fail_inside():
            with family.scheduled(pipeline, sampling):
                during.append(held())
                raise KeyError

        with pytest.raises(KeyError):
            fail_inside()
        assert not {id(one) for one in during[0][:2]} & {id(one) for one in before[:2]}
        assert during[0][2:] == (8, 8)
        assert held() == before

    @pytest.mark.parametrize("guider", [AdaptiveProjectedGuidance(), ClassifierFreeGuidance(stop=0.5)])
    def test_a_guider_with_other_calls_is_refused(self, tiny_pipeline, guider):
        family, pipeline = HunyuanVideo15(), tiny_pipeline(HunyuanVideo15())
        own, pipeline.guider = pipeline.guider, guider
        try:
            with (
                pytest.raises(ValueError, match=f"guider is {type(guider).__name__}"),
                family.scheduled(pipeline, family.tiny_sampling()),
            ):
                pass
        finally:
            pipeline.guider = own


def test_modules_of_all_blocks_in_order_and_never_of_the_refiner(tiny_pipeline):
    family = HunyuanVideo15()
    transformer = tiny_pipeline(family).transformer
    cached = family.cached_modules(transformer)
    assert [one.name for one in cached] == [
        f"transformer_blocks.{i}.{name}" for i in range(4) for name in ("attn", "ff", "ff_context")
    ]
    assert [one.kind for one in cached] == ["self_attention", "feed_forward", "feed_forward"] * 4
    assert all(one.module is transformer.get_submodule(one.name) for one in cached)


class TestModulatedInput:
    def test_modulated_hidden_is_what_the_first_block_computes(self, tiny_pipeline, generate):
        family, pipeline = HunyuanVideo15(), tiny_pipeline(HunyuanVideo15())
        block = pipeline.transformer.transformer_blocks[0]
        signal = family.modulated_input(pipeline.transformer, "modulated_hidden")
        read, computed = [], []
        handles = [
            block.register_forward_pre_hook(lambda _, args, kwargs: read.append((args, kwargs)), with_kwargs=True),
            block.norm1.register_forward_hook(lambda _, args, output: computed.append(output[0])),
        ]
        generate(pipeline, family)
        for handle in handles:
            handle.remove()
        assert len(read) == len(computed) == 12
        assert all(torch.equal(signal.read(*one), two) for one, two in zip(read, computed, strict=True))

    def test_temb_is_equal_in_both_branches(self, tiny_pipeline, generate):
        family, pipeline = HunyuanVideo15(), tiny_pipeline(HunyuanVideo15())
        signal, read = family.modulated_input(pipeline.transformer, "temb"), []
        handle = signal.module.register_forward_hook(lambda _, args, output: read.append(signal.read(output)))
        generate(pipeline, family)
        handle.remove()
        assert len(read) == 12
        assert all(torch.equal(one, two) for one, two in zip(read[::2], read[1::2], strict=True))
        assert not torch.equal(read[0], read[2])


def test_unknown_names_are_refused(tiny_pipeline):
    with pytest.raises(ValueError, match="signal is 'emb'; hunyuan_video15 has modulated_hidden, temb"):
        HunyuanVideo15().modulated_input(tiny_pipeline(HunyuanVideo15()).transformer, "emb")
    for name in (None, "cond"):
        with pytest.raises(ValueError, match="cache context is"):
            HunyuanVideo15().branch(name)
