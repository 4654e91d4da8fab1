"""Captions of scenes, singles and pairs in turn: held-out ones to evaluate on, others to calibrate methods on."""

from __future__ import annotations

import torch

from harness.shapes.world import RELATIONS, SIZES, all_scenes, is_held_out


def held_out_prompts(count: int, seed: int = 0) -> list[str]:
    """`count` different held-out captions, evenly over sizes of singles and relations of pairs, shuffled by a seed.

    They are combinations training never saw.
    """
    return _balanced(count, seed, held_out=True)


def calibration_prompts(count: int, seed: int = 0) -> list[str]:
    """As `held_out_prompts`, of the other scenes: nothing fitted to these has seen a prompt of the evaluation."""
    return _balanced(count, seed, held_out=False)


def _balanced(count: int, seed: int, *, held_out: bool) -> list[str]:
    kinds = [*SIZES, *RELATIONS]
    scenes: dict[str | None, list[str]] = {kind: [] for kind in kinds}
    for scene in all_scenes():
        if is_held_out(scene) == held_out:
            scenes[scene.size or scene.relation].append(scene.caption)
    generator = torch.Generator().manual_seed(seed)
    shuffled = {
        kind: [scenes[kind][index] for index in torch.randperm(len(scenes[kind]), generator=generator).tolist()]
        for kind in kinds
    }
    # small, left of, large, above, small, ...: any prefix of the list is balanced.
    order = [kinds[0], kinds[2], kinds[1], kinds[3]]
    return [shuffled[order[index % 4]][index // 4] for index in range(count)]
