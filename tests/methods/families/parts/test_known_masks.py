"""HunyuanVideo 1.5's transformer on the meta device."""

from __future__ import annotations

import pytest
import torch

from methods.families.parts.known_masks import KnownMasks, with_known_masks


def test_a_mask_keeps_everything_and_its_complement_nothing():
    tokens, mask = torch.empty(5, 3, device="meta"), torch.empty(5, device="meta", dtype=torch.bool)
    with KnownMasks():
        assert tokens[mask].shape == (5, 3)
        assert tokens[~mask].shape == (0, 3)
        assert torch.all(mask) is False


def test_tensors_with_values_are_left_alone():
    tokens, mask = torch.arange(3.0), torch.tensor([True, False, True])
    with KnownMasks():
        assert tokens[mask].tolist() == [0.0, 2.0]
        assert tokens[~mask].tolist() == [1.0]
        assert torch.all(tokens >= 0)


def test_other_questions_about_values_still_fail():
    with KnownMasks(), pytest.raises(RuntimeError):
        torch.empty(1, device="meta").item()
    with KnownMasks(), pytest.raises((RuntimeError, NotImplementedError)):
        bool(torch.empty(1, device="meta") > 0)


def test_only_the_forward_runs_under_it():
    class Picks(torch.nn.Module):
        def forward(self, tokens, mask):
            return tokens[mask]

    tokens, mask = torch.empty(5, 3, device="meta"), torch.empty(5, device="meta", dtype=torch.bool)
    assert with_known_masks(Picks())(tokens, mask).shape == (5, 3)
    with pytest.raises((RuntimeError, NotImplementedError)):
        tokens[mask]
