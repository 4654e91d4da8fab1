"""DCM: a video in four steps by two experts, one for layout and motion and one for details."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Self

import torch

from methods.base import Applied, Method, Sampling
from methods.families.base import Family
from methods.students.applied_dcm import AppliedDcm
from methods.students.dcm_rung import DualExpertConfig, write_dcm
from methods.students.detail_expert import DetailConfig, DetailExpert

_HUNYUAN_VIDEO = (1.0, 0.992, 0.9818, 0.9124)


@dataclass(frozen=True)
class Dcm(Method):
    """Two consistency-distilled experts: a semantic one for the first, noisy steps, a detail one for the others.

    Source: "DCM: Dual-Expert Consistency Model for Efficient and High-Quality Video Generation", arXiv 2506.03123;
    repository Vchitect/DCM@e7e6cac, `fastvideo/sample/inference_hy.py` and `inference_wan.py`.

    `weights` is the folder of a `dcm` rung, as `methods/training/dcm` writes it or `students/public_dcm` converts it.
    The semantic expert is a whole transformer; the detail expert is that with low-rank additions to its attention
    projections and with an embedder of time and condition and an output layer of its own. The rung says from which
    timestep on the detail expert runs. Both were distilled with guidance, so a step is one call.

    `sigmas` are the noise levels at which the steps of the plain Euler solver begin, the last one ending at 0. The
    default is HunyuanVideo's; published for Wan 2.1 are 1 0.992 0.982 0.949 0.905 0.81. Both lie on the schedule they
    were trained on, of flow shift 17: HunyuanVideo's are s = 1, 0.88, 0.76 and 0.38 on the unshifted one. Under another
    shift f the same are f s / (1 + (f - 1) s). One of them should be where the experts meet.

    Differences: the expert is chosen by the scheduler's timestep, not by what is left of it in the transformer's type;
    the low-rank additions are applied in that type without autocast.
    """

    weights: str
    sigmas: tuple[float, ...] = _HUNYUAN_VIDEO

    rung_fields: ClassVar[tuple[str, ...]] = ("weights",)
    summary: ClassVar[str] = (
        "consistency distillation into two experts, since layout and details hinder each other's learning"
    )
    source: ClassVar[str] = "arXiv 2506.03123; Vchitect/DCM@e7e6cac"

    def __post_init__(self) -> None:
        """Make a tuple of what YAML reads as a list; refuse impossible values."""
        object.__setattr__(self, "sigmas", tuple(self.sigmas))
        if not self.weights:
            raise ValueError("weights is empty; give the folder of a dcm rung")
        listed = " ".join(map(str, self.sigmas))
        if not self.sigmas or not 0 < self.sigmas[-1] <= self.sigmas[0] <= 1:
            raise ValueError(f"sigmas is '{listed}'; give noise levels in (0, 1], one a step")
        if any(later >= earlier for earlier, later in pairwise(self.sigmas)):
            raise ValueError(f"sigmas is '{listed}'; noise levels must descend")

    def unsupported(self, family: Family) -> str | None:
        """A family that does not step a flow."""
        if family.detail_modules:
            return None
        return "DCM's experts take Euler steps of a flow between given noise levels, and this family is no flow"

    def sampling(self, default: Sampling) -> Sampling:
        """A call at each of `sigmas`, without guidance."""
        return replace(
            default,
            num_inference_steps=len(self.sigmas),
            guidance_scale=1.0,
            true_cfg_scale=None,
            flow_shift=None,
            sigmas=self.sigmas,
        )

    def apply(self, pipeline: Any, family: Family) -> Applied:
        """See `Method.apply`.

        Raises:
            RungError: the rung is missing, damaged, or does not fit the pipeline.
        """
        return AppliedDcm(pipeline, family, Path(self.weights)).install()

    @classmethod
    def conformance_identity(cls, default: Sampling) -> None:
        """None: the weights are others."""
        return None

    @classmethod
    def conformance_active(cls, default: Sampling) -> Self:
        """The published four steps, two of each expert; its folder is there only in `conformance_weights`."""
        return cls(weights="conformance")

    @classmethod
    def conformance_weights(cls, family: Family, pipeline: Any, folder: Path) -> Self:
        """See `Method.conformance_weights`: the pipeline's own weights and additions to them, all a little random."""
        transformer = family.transformer(pipeline)
        embeds = family.guidance_embedder(transformer) is not None
        config = DualExpertConfig(981, 6.0 if embeds else None, DetailConfig(rank=4, alpha=8.0))
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            expert = DetailExpert(family, transformer, config.detail)
            expert.start(transformer)
            semantic, detail = (
                {name: value + 0.05 * torch.randn_like(value) for name, value in module.state_dict().items()}
                for module in (transformer, expert)
            )
        write_dcm(folder, semantic, detail, config, family=family.name, parent="0" * 64, provenance={})
        return cls(weights=str(folder))
