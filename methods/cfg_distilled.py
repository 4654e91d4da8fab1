"""CFG distillation: a student that is told the guidance scale makes one call a step where its teacher makes two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from methods.students.method import StudentMethod


@dataclass(frozen=True)
class CfgDistilled(StudentMethod):
    """Runs a `cfg_distilled` rung: the guided velocity in one call a step, at a scale that is an input.

    Source: DisCa, arXiv 2602.05449, supplementary section 8.1 and Algorithm 1; Tencent-Hunyuan/DisCa@ea88975, whose
    models embed the scale by `guidance_in`. `weights` is the folder of the rung, as `methods/training/cfg_distillation`
    writes it; `guidance_scale` the g it is told, within the range it was trained with.

    Differences: g is embedded from its float32 value, where the pipelines round it to the transformer's type first (in
    bfloat16 6 becomes 6.016); a transformer without a guidance input of its own is told by an embedder added to its
    time embedding. The visible sampling has `guidance_scale` 1, since that is no second call's weight any more.
    """

    kind: ClassVar[str] = "cfg_distilled"
    summary: ClassVar[str] = "the guidance scale becomes an input, so that one call makes what two made"
    source: ClassVar[str] = "arXiv 2602.05449 supplementary 8.1, Algorithm 1; Tencent-Hunyuan/DisCa@ea88975"
