"""Wan 2.1 text-to-video (diffusers `WanPipeline`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import diffusers
import torch
import transformers
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from tokenizers.processors import TemplateProcessing
from torch import nn

from methods.base import Branch, Sampling
from methods.families.base import CachedModule, Family, Guidance, ModuleKind, Signal, TransformerCall

# Neither library is typed throughout; as Any, the gaps of neither surface here.
_diffusers: Any = diffusers
_transformers: Any = transformers

_MODULES: tuple[tuple[str, ModuleKind], ...] = (
    ("attn1", "self_attention"),
    ("attn2", "cross_attention"),
    ("ffn", "feed_forward"),
)
_BRANCHES: dict[str, Branch] = {"cond": "cond", "uncond": "uncond"}
_TINY_WORDS = ("a", "red", "green", "blue", "circle", "square", "moves", "left", "right", "on", "black")


class Wan(Family):
    """Wan 2.1 T2V, 1.3B and 14B (arXiv 2503.20314), as diffusers 0.42.1 runs it.

    Classifier-free guidance is two calls of the transformer, in the cache contexts `cond` and `uncond`. The time
    embedding `temb` (upstream's e) and its projection `timestep_proj` (e0) hold no text, so both branches see equal
    signals. Wan 2.2, with two transformers or a timestep for each token, is refused.
    """

    name: ClassVar[str] = "wan"
    pipeline_class: ClassVar[str] = "WanPipeline"
    guidance: ClassVar[Guidance] = "sequential"
    default_sampling: ClassVar[Sampling] = Sampling(
        num_inference_steps=50, guidance_scale=5.0, height=480, width=832, num_frames=81
    )
    signals: ClassVar[tuple[str, ...]] = ("temb", "timestep_proj")

    def load(self, model: str, *, revision: str | None, dtype: str, device: str) -> Any:
        """See `Family.load`. The autoencoder stays in float32, as upstream keeps it.

        Raises:
            ValueError: the model is a Wan 2.2, or `dtype` is no floating-point type of torch.
            OSError: there is no such model, or it is not on disk and the hub cannot be asked.
        """
        element = getattr(torch, dtype, None)
        if not isinstance(element, torch.dtype) or not element.is_floating_point:
            raise ValueError(f"dtype is {dtype!r}; give a floating-point type of torch such as bfloat16")
        index = _diffusers.WanPipeline.load_config(model, revision=revision)
        if index.get("transformer_2", [None, None])[1] is not None or index.get("expand_timesteps"):
            raise ValueError(f"{model} is a Wan 2.2, which family wan does not support yet; use a Wan 2.1 T2V model")
        kinds = {"default": element, "vae": torch.float32}
        pipeline = _diffusers.WanPipeline.from_pretrained(model, revision=revision, dtype=kinds)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline.to(device)

    def tiny(self, seed: int, like: str | None = None) -> Any:
        """See `Family.tiny`: 4 blocks of width 24, an autoencoder of stride 4 x 8 x 8, words as tokens."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            transformer = _diffusers.WanTransformer3DModel(
                num_attention_heads=2,
                attention_head_dim=12,
                in_channels=4,
                out_channels=4,
                text_dim=16,
                freq_dim=32,
                ffn_dim=48,
                num_layers=self.architectures()[like]["transformer"]["num_layers"] if like else 4,
                rope_max_seq_len=32,
            )
            vae = _diffusers.AutoencoderKLWan(
                base_dim=4,
                z_dim=4,
                dim_mult=[1, 1, 1, 1],
                num_res_blocks=1,
                temperal_downsample=[False, True, True],
                latents_mean=[0.0] * 4,
                latents_std=[1.0] * 4,
            )
            text_encoder = _transformers.UMT5EncoderModel(
                _transformers.UMT5Config(
                    vocab_size=len(_TINY_WORDS) + 3, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2
                )
            )
        pipeline = _diffusers.WanPipeline(
            tokenizer=_tiny_tokenizer(),
            text_encoder=text_encoder.eval(),
            vae=vae.eval(),
            scheduler=_diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
            transformer=transformer.eval(),
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def tiny_sampling(self) -> Sampling:
        """See `Family.tiny_sampling`: 2 x 2 x 2 tokens."""
        return Sampling(
            num_inference_steps=6, guidance_scale=3.0, height=32, width=32, num_frames=5, max_sequence_length=8
        )

    def call_arguments(self, prompt: str, sampling: Sampling, image: Any = None) -> dict[str, Any]:
        """See `Family.call_arguments`."""
        arguments: dict[str, Any] = {
            "prompt": prompt,
            "negative_prompt": sampling.negative_prompt,
            "height": sampling.height,
            "width": sampling.width,
            "num_frames": sampling.num_frames,
            "num_inference_steps": sampling.num_inference_steps,
            "guidance_scale": sampling.guidance_scale,
        }
        if sampling.max_sequence_length is not None:
            arguments["max_sequence_length"] = sampling.max_sequence_length
        return arguments

    def transformer_calls(self, transformer: nn.Module, sampling: Sampling) -> Sequence[TransformerCall]:
        """See `Family.transformer_calls`: latents of stride 4 x 8 x 8, text padded to `max_sequence_length` or 512."""
        weight = next(transformer.parameters())
        config: Any = transformer.config
        frames = (sampling.num_frames - 1) // 4 + 1
        latents = weight.new_empty(1, config.in_channels, frames, sampling.height // 8, sampling.width // 8)
        text = weight.new_empty(1, sampling.max_sequence_length or 512, config.text_dim)
        arguments = {
            "hidden_states": latents,
            "timestep": latents.new_empty(1, dtype=torch.float32),
            "encoder_hidden_states": text,
            "return_dict": False,
        }
        return [TransformerCall(branch, arguments) for branch in self.branches(sampling)]

    def block_lists(self, transformer: nn.Module) -> Sequence[tuple[str, nn.ModuleList]]:
        """See `Family.block_lists`."""
        blocks = transformer.get_submodule("blocks")
        assert isinstance(blocks, nn.ModuleList)
        return [("blocks", blocks)]

    def cached_modules(self, transformer: nn.Module) -> Sequence[CachedModule]:
        """See `Family.cached_modules`."""
        return [
            CachedModule(f"{list_name}.{index}.{name}", block.get_submodule(name), kind)
            for list_name, blocks in self.block_lists(transformer)
            for index, block in enumerate(blocks)
            for name, kind in _MODULES
        ]

    def modulated_input(self, transformer: nn.Module, kind: str) -> Signal:
        """See `Family.modulated_input`.

        `temb` is read where the time embedder yields it, in float32 whatever the model's type; the condition embedder
        rounds it to that type right after.
        """
        if kind == "temb":
            embedder = transformer.get_submodule("condition_embedder.time_embedder")
            return Signal(embedder, "output", lambda output: output)
        if kind == "timestep_proj":
            return Signal(transformer.get_submodule("condition_embedder"), "output", lambda output: output[1])
        raise ValueError(f"signal is {kind!r}; wan has {', '.join(self.signals)}")

    @contextmanager
    def scheduled(self, pipeline: Any, sampling: Sampling) -> Iterator[None]:
        """See `Family.scheduled`. The model's own scheduler comes back on leaving.

        Raises:
            ValueError: the model's scheduler has no shift to set.
        """
        own = pipeline.scheduler
        if sampling.flow_shift is not None:
            names = [name for name in ("flow_shift", "shift") if name in own.config]
            if not names:
                raise ValueError(f"flow_shift is {sampling.flow_shift}; {type(own).__name__} has none, so leave it out")
            pipeline.scheduler = type(own).from_config(own.config, **{names[0]: sampling.flow_shift})
        try:
            yield
        finally:
            pipeline.scheduler = own

    def branch(self, context_name: str | None) -> Branch:
        """See `Family.branch`."""
        try:
            return _BRANCHES[context_name or ""]
        except KeyError:
            raise ValueError(f"cache context is {context_name!r}; WanPipeline names cond and uncond") from None


def _tiny_tokenizer() -> Any:
    vocabulary = {word: index for index, word in enumerate(("<pad>", "</s>", "<unk>", *_TINY_WORDS))}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="$A </s>", special_tokens=[("</s>", vocabulary["</s>"])])
    return _transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    )
