"""A DCM student in force on a pipeline: the semantic expert in the transformer's place, the detail expert switched."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from methods.base import MethodError, NothingHookedError
from methods.families.base import Family
from methods.hooks import AppliedHooks, Call
from methods.hooks.own_modules import attach_own_modules
from methods.students.conditioning import native_guidance
from methods.students.dcm_rung import DETAIL, KIND, SEMANTIC, DualExpertConfig
from methods.students.detail_expert import DetailExpert
from methods.students.rung import Rung, RungError, check_prefixes, load_strictly, read_card, read_tensors, under
from methods.students.weights import ReplacedWeights


class AppliedDcm(AppliedHooks):
    """Runs both experts of a rung in the place of the pipeline's own transformer, one of them in each call.

    On the meta device weights are not read, only `rung.json`, so that a row can be priced without them.
    """

    def __init__(self, pipeline: Any, family: Family, folder: Path) -> None:
        """`folder` is the rung's."""
        super().__init__(pipeline, family)
        self._folder = folder
        self._weights = ReplacedWeights()
        self._config = DualExpertConfig(switch_timestep=0)
        self._detail = False

    def attach_hooks(self) -> None:
        """Replace the weights, and put the detail expert beside them."""
        if not self.family.stack(self.transformer):
            raise NothingHookedError(f"{type(self.transformer).__name__} has no blocks that DCM's experts could run")
        rung = read_card(self._folder, kinds=(KIND,), family=self.family.name)
        self._config = DualExpertConfig.of(rung)
        self._check_guidance()
        expert = DetailExpert(self.family, self.transformer, self._config.detail).requires_grad_(False).eval()
        if next(self.transformer.parameters()).device.type != "meta":
            self._load(expert, rung)
        parts = {f"dcm_detail_{name.replace('.', '_')}": part for name, part in expert.parts()}
        attach_own_modules(self, parts)
        for module, hook in expert.hooks(self.transformer, lambda: self._detail):
            self._attach(module, hook)

    def begin_call(self, call: Call) -> None:
        """Choose the expert."""
        self._detail = int(call.timestep) <= self._config.switch_timestep
        self.controller.decide("compute", level=DETAIL if self._detail else SEMANTIC)

    def run_call(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Tell a transformer that embeds a guidance scale the one of its training, whatever the pipeline says."""
        if self._config.guidance_scale is not None:
            given = kwargs.get("guidance")
            if not isinstance(given, Tensor):
                raise MethodError("the pipeline calls its transformer without guidance as a keyword; it cannot be told")
            scale = torch.full((1,), self._config.guidance_scale, device=given.device)
            kwargs = {**kwargs, "guidance": native_guidance(scale, given.shape[0])}
        return forward(*args, **kwargs)

    def _load(self, expert: DetailExpert, rung: Rung) -> None:
        tensors = read_tensors(self._folder, rung)
        check_prefixes(tensors, (SEMANTIC, DETAIL), self._folder)
        load_strictly(expert, under(tensors, DETAIL), self._folder)
        self._weights.replace(self.transformer, under(tensors, SEMANTIC), self._folder)

    def _check_guidance(self) -> None:
        embeds = self.family.guidance_embedder(self.transformer) is not None
        scale = self._config.guidance_scale
        if embeds != (scale is not None):
            takes = "a guidance scale" if embeds else "no guidance scale"
            raise RungError(
                f"this {type(self.transformer).__name__} embeds {takes}, {self._folder} was trained with {scale}; give "
                "the pipeline it was trained from"
            )

    def _remove(self) -> None:
        # Called on leaving and on rolling back alike.
        super()._remove()
        self._weights.restore()
