"""How alike frames are to the one before and to the first, which both consistencies are made of."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as nn

from .score import Score, mean_of


def consistency(features: list[torch.Tensor]) -> Score:
    """The mean over frames, but the first, of the mean of two cosine similarities, none below 0.

    `features` are `(1, channels)` of each frame, of length 1.
    """
    values = []
    for former, feature in pairwise(features):
        to_former = max(0.0, nn.cosine_similarity(former, feature).item())
        to_first = max(0.0, nn.cosine_similarity(features[0], feature).item())
        values.append((to_former + to_first) / 2)
    if not values:
        raise ValueError("a video of one frame has no consistency")
    return mean_of(values)
