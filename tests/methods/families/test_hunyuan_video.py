"""HunyuanVideo 1.0: loading, the tiny pipeline, its calls, and where its modules and signals are."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from diffusers.pipelines.hunyuan_video.pipeline_hunyuan_video import DEFAULT_PROMPT_TEMPLATE
from torch.utils.flop_counter import FlopCounterMode

from methods.families.hunyuan_video import HunyuanVideo

HUB_ID = "hunyuanvideo-community/HunyuanVideo"
CHANGES = {
    "two calls": {},
    "one call": {"true_cfg_scale": None},
    "a scale of 1": {"true_cfg_scale": 1.0},
    "longer text": {"max_sequence_length": 12, "height": 48, "num_frames": 9},
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory, tiny_pipeline):
    folder = tmp_path_factory.mktemp("hunyuan_video")
    tiny_pipeline(HunyuanVideo()).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def published():
    family = HunyuanVideo()
    return family.empty_transformer(family.architectures()[HUB_ID])


class TestLoad:
    def test_a_saved_pipeline_makes_the_same_video(self, saved, tiny_pipeline, generate):
        family = HunyuanVideo()
        loaded = family.load(str(saved), revision=None, dtype="float32", device="cpu")
        assert loaded.vae.use_tiling
        # Not bit for bit: where loaded weights lie in memory decides in which order a processor adds them up.
        torch.testing.assert_close(
            generate(loaded, family), generate(tiny_pipeline(family), family), rtol=1e-3, atol=1e-4
        )

    def test_all_components_are_in_the_type_asked_for(self, saved):
        loaded = HunyuanVideo().load(str(saved), revision=None, dtype="bfloat16", device="cpu")
        components = (loaded.transformer, loaded.vae, loaded.text_encoder, loaded.text_encoder_2)
        assert {component.dtype for component in components} == {torch.bfloat16}

    def test_a_model_of_another_pipeline_is_refused_before_weights_are_read(self, saved, tmp_path):
        index = json.loads((saved / "model_index.json").read_text())
        (tmp_path / "model_index.json").write_text(json.dumps(index | {"_class_name": "WanPipeline"}))
        with pytest.raises(ValueError, match="made for WanPipeline"):
            HunyuanVideo().load(str(tmp_path), revision=None, dtype="float32", device="cpu")

    def test_an_unknown_type_is_refused(self, saved):
        with pytest.raises(ValueError, match="dtype is 'fp16'; give"):
            HunyuanVideo().load(str(saved), revision=None, dtype="fp16", device="cpu")

    def test_no_such_model(self, tmp_path):
        with pytest.raises(OSError, match="nothing-here"):
            HunyuanVideo().load(str(tmp_path / "nothing-here"), revision=None, dtype="float32", device="cpu")


class TestTiny:
    def test_same_seed_same_weights(self, tiny_pipeline):
        expected = tiny_pipeline(HunyuanVideo()).transformer.state_dict()
        again, other = (HunyuanVideo().tiny(seed).transformer.state_dict() for seed in (0, 1))
        assert all(torch.equal(value, expected[name]) for name, value in again.items())
        assert not all(torch.equal(value, expected[name]) for name, value in other.items())

    def test_leaves_the_global_random_state_alone(self):
        torch.manual_seed(3)
        expected = torch.rand(4)
        torch.manual_seed(3)
        HunyuanVideo().tiny(0)
        assert torch.equal(torch.rand(4), expected)

    def test_has_as_many_blocks_as_the_model_it_is_like(self):
        transformer = HunyuanVideo().tiny(0, like=HUB_ID).transformer
        assert [len(blocks) for _, blocks in HunyuanVideo().block_lists(transformer)] == [20, 40]

    def test_decodes_to_the_size_asked_for(self, tiny_pipeline):
        family = HunyuanVideo()
        arguments = family.call_arguments("a red circle", family.tiny_sampling())
        frames = tiny_pipeline(family)(**arguments, generator=torch.Generator().manual_seed(0), output_type="pt").frames
        assert frames.shape == (1, 5, 3, 32, 32)
        assert frames.isfinite().all()
        assert frames.std() > 0.01

    def test_the_whole_prompt_is_seen_and_nothing_of_the_template(self, tiny_pipeline):
        pipeline = tiny_pipeline(HunyuanVideo())
        text = DEFAULT_PROMPT_TEMPLATE["template"].format("a red circle")
        tokens = pipeline.tokenizer.convert_ids_to_tokens(pipeline.tokenizer(text).input_ids)
        assert tokens[DEFAULT_PROMPT_TEMPLATE["crop_start"] :] == ["a", "red", "circle", "<unk>", "</s>"]

    @pytest.mark.parametrize("argument", ["prompt", "negative_prompt"])
    def test_the_prompts_matter(self, tiny_pipeline, argument):
        family = HunyuanVideo()
        arguments = family.call_arguments("a red circle", family.tiny_sampling())
        videos = [
            tiny_pipeline(family)(
                **(arguments | {argument: text}),
                generator=torch.Generator().manual_seed(0),
                output_type="latent",
            ).frames
            for text in ("a red circle", "a green square")
        ]
        assert not torch.equal(*videos)


class TestCallArguments:
    def test_hold_the_whole_sampling(self):
        sampling = dataclasses.replace(HunyuanVideo.default_sampling, negative_prompt="blurry", true_cfg_scale=6.0)
        assert HunyuanVideo().call_arguments("a dog", sampling) == {
            "prompt": "a dog",
            "negative_prompt": "blurry",
            "height": 720,
            "width": 1280,
            "num_frames": 129,
            "num_inference_steps": 50,
            "guidance_scale": 6.0,
            "true_cfg_scale": 6.0,
            "max_sequence_length": 256,
        }

    @pytest.mark.parametrize("scale", [None, 1.0])
    def test_have_no_negative_prompt_without_a_second_call(self, scale):
        sampling = dataclasses.replace(HunyuanVideo.default_sampling, negative_prompt="blurry", true_cfg_scale=scale)
        assert not {"negative_prompt", "true_cfg_scale"} & HunyuanVideo().call_arguments("a dog", sampling).keys()


class TestTransformerCalls:
    @pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
    def test_are_those_the_pipeline_makes(self, tiny_pipeline, seen_calls, promised_calls, change):
        family = HunyuanVideo()
        sampling = dataclasses.replace(family.tiny_sampling(), **change)
        pipeline = tiny_pipeline(family)
        assert seen_calls(pipeline, family, sampling) == promised_calls(pipeline, family, sampling)

    def test_have_the_types_the_pipeline_uses_after_its_first_step(self, seen_calls, promised_calls):
        family = HunyuanVideo()
        pipeline, sampling = family.tiny(0).to(torch.bfloat16), family.tiny_sampling()
        seen, promised = (calls(pipeline, family, sampling) for calls in (seen_calls, promised_calls))
        assert seen[2:] == promised[2:]
        for (_, first), (_, later) in zip(seen[:2], promised[:2], strict=True):
            assert first == later | {"timestep": ((1,), torch.float32)}

    def test_one_call_costs_what_was_published_within_2_percent(self, published):
        family = HunyuanVideo()
        sampling = dataclasses.replace(family.default_sampling, height=704, width=704)
        (call,) = family.transformer_calls(published, sampling)
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            (output,) = published(**call.arguments)
        assert output.shape == (1, 16, 33, 88, 88)
        assert counter.get_total_flops() / 1e12 == pytest.approx(3905.4, abs=0.05)
        # DisCa, supplementary: Original, 50 steps of two calls.
        assert counter.get_total_flops() / 1e12 == pytest.approx(3945.5232, rel=0.02)


class TestScheduled:
    def test_shifts_the_timesteps_and_puts_the_models_own_back(self, tiny_pipeline, generate):
        family, pipeline = HunyuanVideo(), tiny_pipeline(HunyuanVideo())
        own, during = pipeline.scheduler, {}
        for shift in (1.0, None, 12.0):
            sampling = dataclasses.replace(family.tiny_sampling(), flow_shift=shift)
            with family.scheduled(pipeline, sampling):
                pipeline(**family.call_arguments("a", sampling), output_type="latent")
                during[shift] = family.timesteps(pipeline)
            assert pipeline.scheduler is own
        assert during[1.0][3] < during[None][3] < during[12.0][3]
        assert {len(timesteps) for timesteps in during.values()} == {6}


def test_the_architecture_has_the_published_size(published):
    assert sum(parameter.numel() for parameter in published.parameters()) == pytest.approx(12.82e9, rel=1e-3)
    assert all(parameter.is_meta for parameter in published.parameters())


def test_modules_of_all_blocks_in_order_and_never_of_the_refiner(tiny_pipeline):
    family = HunyuanVideo()
    transformer = tiny_pipeline(family).transformer
    cached = family.cached_modules(transformer)
    dual = [f"transformer_blocks.{i}.{name}" for i in range(2) for name in ("attn", "ff", "ff_context")]
    single = [f"single_transformer_blocks.{i}.{name}" for i in range(4) for name in ("attn", "proj_out")]
    assert [one.name for one in cached] == dual + single
    assert all(one.module is transformer.get_submodule(one.name) for one in cached)
    kinds = ["self_attention", "feed_forward", "feed_forward"] * 2 + ["self_attention", "fused"] * 4
    assert [one.kind for one in cached] == kinds
    block = transformer.single_transformer_blocks[0]
    assert cached[7].feeds == (block.attn, block.proj_mlp)
    assert len(family.stack(transformer)) == 6


class TestModulatedInput:
    def test_modulated_hidden_is_what_the_first_block_computes(self, tiny_pipeline, generate):
        family, pipeline = HunyuanVideo(), tiny_pipeline(HunyuanVideo())
        block = pipeline.transformer.transformer_blocks[0]
        signal = family.modulated_input(pipeline.transformer, "modulated_hidden")
        assert (signal.module, signal.at) == (block, "input")
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

    def test_temb_is_what_the_blocks_are_given(self, tiny_pipeline, generate):
        family, pipeline = HunyuanVideo(), tiny_pipeline(HunyuanVideo())
        signal = family.modulated_input(pipeline.transformer, "temb")
        read, given = [], []
        handles = [
            signal.module.register_forward_hook(lambda _, args, output: read.append(signal.read(output))),
            pipeline.transformer.transformer_blocks[1].register_forward_pre_hook(lambda _, args: given.append(args[2])),
        ]
        generate(pipeline, family)
        for handle in handles:
            handle.remove()
        assert len(read) == 12
        assert all(one is two for one, two in zip(read, given, strict=True))


def test_frames_of_tokens(tiny_pipeline):
    family = HunyuanVideo()
    transformer = tiny_pipeline(family).transformer
    (call, _) = family.transformer_calls(transformer, dataclasses.replace(family.tiny_sampling(), num_frames=13))
    assert family.token_frames(transformer, call.arguments["hidden_states"]) == 4


def test_the_time_embedding_makes_a_vector_once_a_call(generate):
    family, pipeline, seen = HunyuanVideo(), HunyuanVideo().tiny(0), []
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
    assert family.guidance_embedder(transformer) is transformer.time_text_embed.guidance_embedder is not None
    transformer.time_text_embed.guidance_embedder = None
    assert family.guidance_embedder(transformer) is None


def test_unknown_names_are_refused(tiny_pipeline):
    with pytest.raises(ValueError, match="signal is 'emb'; hunyuan_video has modulated_hidden, temb"):
        HunyuanVideo().modulated_input(tiny_pipeline(HunyuanVideo()).transformer, "emb")
    for name in (None, "pred_cond"):
        with pytest.raises(ValueError, match="cache context is"):
            HunyuanVideo().branch(name)
