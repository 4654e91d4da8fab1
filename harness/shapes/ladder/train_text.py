"""Teach the teacher's text encoders to tell a caption's facts apart, before there is a picture to make of them.

300 batches of captions are enough to read every fact from either encoder's last state. What it is worth to the denoiser
has not been compared: one that began so still guessed shapes and colours after 1000 steps, so binding them to places is
not only the text's to learn.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from harness.shapes.ladder.model import Teacher
from harness.shapes.world import (
    BACKGROUNDS,
    COLORS,
    MOTIONS,
    RELATIONS,
    SHAPES,
    SIZES,
    SPEEDS,
    STYLES,
    Scene,
    parse_caption,
    sample_scene,
)

FACTS: dict[str, tuple[str | None, ...]] = {
    "shape": SHAPES,
    "first color": tuple(COLORS),
    "second color": (*tuple(COLORS)[1:], None),
    "size": (*SIZES, None),
    "relation": (*RELATIONS, None),
    "motion": tuple(MOTIONS),
    "speed": tuple(SPEEDS),
    "background": tuple(BACKGROUNDS),
    "style": STYLES,
}
"""What a caption says, and all it can say of it; a pair has one shape, its colours come in the order of `COLORS`."""


@dataclass(frozen=True)
class TextTraining:
    """Hyper-parameters. The learning rate falls linearly to zero."""

    steps: int = 300
    batch_size: int = 64
    learning_rate: float = 1e-3
    seed: int = 0


class FactReader(nn.Module):
    """One linear layer over the state of a caption's last token, for all facts."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, sum(len(values) for values in FACTS.values()))

    def forward(self, states: Tensor) -> tuple[Tensor, ...]:
        """Logits of every fact's values, each `(batch, values)`, of states `(batch, width)`."""
        parts: tuple[Tensor, ...] = torch.split(self.linear(states), [len(values) for values in FACTS.values()], dim=1)
        return parts


def facts_of(scene: Scene) -> tuple[int, ...]:
    """Which of its values in `FACTS` each fact has."""
    second = scene.things[1].color if len(scene.things) == 2 else None
    first = scene.things[0]
    said = (
        first.shape, first.color, second, scene.size, scene.relation,
        scene.motion, scene.speed, scene.background, scene.style,
    )  # fmt: skip
    return tuple(values.index(value) for value, values in zip(said, FACTS.values(), strict=True))


def told_states(teacher: Teacher, captions: list[str]) -> tuple[Tensor, Tensor]:
    """What Llama makes of each caption's end, and what CLIP pools there: `(batch, 128)` and `(batch, 64)`."""
    token_ids, token_mask, pooled_ids = teacher.tokenize(captions)
    said = teacher.encode(token_ids, token_mask, pooled_ids)
    ends = said["encoder_attention_mask"].sum(1).long() - 1
    return said["encoder_hidden_states"][torch.arange(len(captions)), ends], said["pooled_projections"]


def train_text_encoders(teacher: Teacher, config: TextTraining) -> dict[str, float]:
    """Train both encoders in place; returns how many of the last batch's facts each reader got right, in [0, 1]."""
    generator = torch.Generator().manual_seed(config.seed)
    readers = nn.ModuleList(
        [FactReader(teacher.text_encoder.config.hidden_size), FactReader(teacher.text_encoder_2.config.hidden_size)]
    )
    trained = [*readers.parameters(), *teacher.text_encoder.parameters(), *teacher.text_encoder_2.parameters()]
    optimizer = torch.optim.AdamW(trained, lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1e-3, config.steps)
    right = {"llama": 0.0, "clip": 0.0}
    for _ in range(config.steps):
        captions = [sample_scene(generator).caption for _ in range(config.batch_size)]
        loss, right = _loss(teacher, readers, captions)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
    return right


def _loss(teacher: Teacher, readers: nn.ModuleList, captions: list[str]) -> tuple[Tensor, dict[str, float]]:
    facts = torch.tensor([facts_of(parse_caption(caption)) for caption in captions])
    total, right = torch.zeros(()), {}
    for name, reader, states in zip(("llama", "clip"), readers, told_states(teacher, captions), strict=True):
        logits = reader(states)
        total = total + sum(cross_entropy(each, facts[:, index]) for index, each in enumerate(logits))
        guesses = torch.stack([each.argmax(1) for each in logits], dim=1)
        right[name] = float((guesses == facts).float().mean())
    return total, right
