"""Low-rank additions: what they add, to which layers."""

from __future__ import annotations

import torch
from torch import nn

from methods.families.hunyuan_video import HunyuanVideo
from methods.families.wan import Wan
from methods.students.low_rank import LowRank, targets


@torch.no_grad()
def test_adds_nothing_at_first_and_a_scaled_product_then():
    torch.manual_seed(0)
    added, tokens = LowRank(nn.Linear(6, 5), rank=2, alpha=8.0), torch.randn(3, 4, 6)
    assert torch.equal(added(tokens), torch.zeros(3, 4, 5))
    added.up.weight.normal_()
    expected = tokens @ (4.0 * added.up.weight @ added.down.weight).T
    torch.testing.assert_close(added(tokens), expected, rtol=1e-5, atol=1e-5)


def test_has_the_layers_type():
    assert {value.dtype for value in LowRank(nn.Linear(4, 4).bfloat16(), 2, 2.0).parameters()} == {torch.bfloat16}


def test_every_attention_projection_of_the_video_and_of_the_refiner(tiny_pipeline):
    wan = [name for name, _ in targets(tiny_pipeline(Wan()).transformer)]
    assert wan[:5] == [
        *(f"blocks.0.attn1.{name}" for name in ("to_q", "to_k", "to_v", "to_out.0")),
        "blocks.0.attn2.to_q",
    ]
    assert len(wan) == 4 * 8
    hunyuan_video = [name for name, _ in targets(tiny_pipeline(HunyuanVideo()).transformer)]
    assert "context_embedder.token_refiner.refiner_blocks.0.attn.to_out.0" in hunyuan_video
    assert "single_transformer_blocks.3.attn.to_v" in hunyuan_video
    assert not [name for name in hunyuan_video if "add_" in name or "proj" in name]
    assert len(hunyuan_video) == 4 + 2 * 4 + 4 * 3
