"""The ladder's teacher: a `HunyuanVideoPipeline` of 4 dual-stream and 8 single-stream blocks.

It has no guidance embedding; guidance is a second call, `true_cfg_scale`. The autoencoder is the embedded model's,
its latents' mean and spread folded into its weights, since this pipeline scales latents by one factor.
"""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, HunyuanVideoPipeline, HunyuanVideoTransformer3DModel
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from harness.shapes.autoencoder import PatchAutoencoder, with_normal_latents
from harness.shapes.flow_matching import JointDenoiser
from harness.shapes.ladder.text import (
    MAX_SEQUENCE_LENGTH,
    build_clip,
    build_llama,
    build_llama_tokenizer,
    clip_tokens,
    encode_prompts,
    llama_tokens,
)
from harness.shapes.text import build_tokenizer
from harness.shapes.world import HEIGHT, NUM_FRAMES, WIDTH
from methods.base import Sampling

FLOW_SHIFT = 3.0

FASTEST_TIME = 0.1
"""Radians of 1000 sigma, the fastest sinusoid of sigma that the teacher listens to."""

SAMPLING = Sampling(
    num_inference_steps=50,
    guidance_scale=1.0,
    height=HEIGHT,
    width=WIDTH,
    num_frames=NUM_FRAMES,
    flow_shift=FLOW_SHIFT,
    max_sequence_length=MAX_SEQUENCE_LENGTH,
    true_cfg_scale=5.0,
)
"""How the teacher is sampled. It has no embedding for `guidance_scale`, whatever that is."""

EMBEDDED_AUTOENCODER = Path(__file__).parents[1] / "model" / "vae"


class Teacher(JointDenoiser):
    """Transformer and both text encoders, trained together."""

    def __init__(self, z_dim: int = 32, heads: int = 3, head_dim: int = 32) -> None:
        super().__init__()
        self.tokenizer = build_llama_tokenizer()
        self.tokenizer_2 = build_tokenizer()
        self.text_encoder = build_llama(len(self.tokenizer))
        self.text_encoder_2 = build_clip(len(self.tokenizer_2))
        self.transformer = HunyuanVideoTransformer3DModel(
            in_channels=z_dim,
            out_channels=z_dim,
            num_attention_heads=heads,
            attention_head_dim=head_dim,
            num_layers=4,
            num_single_layers=8,
            num_refiner_layers=1,
            patch_size=1,
            patch_size_t=1,
            guidance_embeds=False,
            text_embed_dim=self.text_encoder.config.hidden_size,
            pooled_projection_dim=self.text_encoder_2.config.hidden_size,
            rope_axes_dim=_rope_axes(head_dim),
        )
        start_as_identity(self.transformer)
        silence_fast_times(self.transformer)

    def blocks(self) -> nn.Module:
        """See `JointDenoiser.blocks`."""
        return nn.ModuleList([self.transformer.transformer_blocks, self.transformer.single_transformer_blocks])

    def tokenize(self, captions: list[str]) -> tuple[Tensor, ...]:
        """Llama's ids and mask, CLIP's ids."""
        return *llama_tokens(self.tokenizer, captions), clip_tokens(self.tokenizer_2, captions)

    def encode(self, token_ids: Tensor, token_mask: Tensor, pooled_ids: Tensor) -> dict[str, Tensor]:
        """The transformer's text arguments, as the pipeline makes them of what `tokenize` gave."""
        # Over so few tokens the fused CPU attention is slower backwards than plain matrix products.
        with sdpa_kernel(SDPBackend.MATH):
            states = encode_prompts(self.text_encoder, token_ids, token_mask)
            pooled: Tensor = self.text_encoder_2(pooled_ids).pooler_output
        return {
            "encoder_hidden_states": states,
            "encoder_attention_mask": token_mask[:, -MAX_SEQUENCE_LENGTH:].to(states.dtype),
            "pooled_projections": pooled,
        }

    def forward(self, latents: Tensor, sigma: Tensor, *text: Tensor) -> Tensor:
        """See `JointDenoiser.forward`."""
        velocity: Tensor = self.transformer(latents, 1000 * sigma, **self.encode(*text), return_dict=False)[0]
        return velocity


def _rope_axes(head_dim: int) -> tuple[int, int, int]:
    """Channels of a head that turn with time, row and column: a quarter and the rest in halves, each even."""
    side = (3 * head_dim // 8) // 2 * 2
    return head_dim - 2 * side, side, side


@torch.no_grad()
def start_as_identity(transformer: HunyuanVideoTransformer3DModel) -> None:
    """Silence all modulations and the output, so that blocks start as the identity (adaLN-Zero, arXiv 2212.09748)."""
    silent = [transformer.norm_out.linear, transformer.proj_out]
    for block in transformer.transformer_blocks:
        silent += [block.norm1.linear, block.norm1_context.linear]
    silent += [block.norm.linear for block in transformer.single_transformer_blocks]
    for linear in silent:
        linear.weight.zero_()
        linear.bias.zero_()


def slow_times(channels: int) -> list[float]:
    """1 for each of diffusers' sinusoids of 1000 sigma that turns by at most `FASTEST_TIME`, 0 for the others."""
    half = channels // 2
    rates = [10_000 ** (-index / half) for index in range(half)]
    return [float(rate <= FASTEST_TIME) for rate in rates * 2]


@torch.no_grad()
def silence_fast_times(transformer: HunyuanVideoTransformer3DModel) -> None:
    """Give no weight to the fast sinusoids of the time embedding, and let training give them none.

    They are no use to a denoiser, and make its derivative with respect to time, of which MeanFlow is trained, noise: in
    a teacher that had them they moved the velocity by 0.002 of its 5.15 (mean squares), and its partial derivative from
    14 to 35 (root mean square).
    """
    embedder = transformer.time_text_embed.timestep_embedder.linear_1
    slow = embedder.weight.new_tensor(slow_times(embedder.in_features))
    embedder.weight.mul_(slow)
    embedder.weight.register_hook(lambda gradient: gradient * slow)


def embedded_autoencoder() -> PatchAutoencoder:
    """The shipped autoencoder in float32, with latents of mean 0 and spread 1."""
    autoencoder: PatchAutoencoder = PatchAutoencoder.from_pretrained(EMBEDDED_AUTOENCODER, dtype=torch.float32)
    normal = with_normal_latents(autoencoder)
    normal.eval()
    return normal


def build_pipeline(teacher: Teacher, autoencoder: PatchAutoencoder) -> HunyuanVideoPipeline:
    """The pipeline of these parts, which it shares with the teacher."""
    pipeline = HunyuanVideoPipeline(
        text_encoder=teacher.text_encoder.eval(),
        tokenizer=teacher.tokenizer,
        transformer=teacher.transformer.eval(),
        vae=autoencoder.eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=FLOW_SHIFT),
        text_encoder_2=teacher.text_encoder_2.eval(),
        tokenizer_2=teacher.tokenizer_2,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
