"""An adapter that runs any caching configuration of the library cache-dit, for comparison."""

from __future__ import annotations

import importlib
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar, Literal, Self, get_args

from torch import Tensor

from methods.base import Applied, Method, MethodError, Sampling
from methods.families.base import Family
from methods.hooks import AppliedHooks, Call, TensorStore
from methods.hooks.takeover import Takeover, TakeoverHook

CacheType = Literal["DBCache", "DBPrune"]
Calibrator = Literal["taylorseer", "foca", "dmd"]

_ADAPTED = ("Wan", "HunyuanVideo", "CogVideoX", "DiT")
"""Pipelines among those of the families whose blocks cache-dit 1.5.3 has an adapter for, by how their names begin."""
_PLACE = re.compile(r"(?P<blocks>.+?)(_(?P<index>\d+))?_Fn_\w+")
"""What cache-dit calls the tensors it compares: the list of blocks, and for DBPrune the block."""
_CHOICES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("cache_type", get_args(CacheType)),
    ("steps_computation_policy", ("dynamic", "static")),
    ("force_refresh_step_policy", ("once", "repeat")),
    ("calibrator_cache_type", ("residual", "hidden_states")),
)


@dataclass(frozen=True)
class CacheDit(Method):
    """DBCache or DBPrune of cache-dit, with or without a calibrator, as that library decides and extrapolates.

    Source: vipshop/cache-dit 1.5.3, `DBCacheConfig`, `DBPruneConfig` and the calibrators' configurations, whose field
    names and defaults these are (diffusers 0.42.1 beneath); what is run is the library's own code, which is an optional
    dependency (`pip install cache-dit`).

    DBCache runs the first `Fn_compute_blocks` blocks, compares what they add with what they added in the last full
    step, and where the relative change is below `residual_diff_threshold` puts the middle blocks' cached residual in
    their place, before the last `Bn_compute_blocks` run. DBPrune decides for every block by the change of its input.
    `calibrator` extrapolates the residual: `taylorseer` (of order `taylorseer_order`), `foca` or `dmd`; None reuses
    it. `enable_encoder_calibrator` says whether it does so for the text's stream too; None is the library's default.
    Lists of blocks decide apart (both streams of HunyuanVideo 1.0); a decision's `level` names what was reused, its
    `distance` is what the first list measured, if the first one measured at all.

    Differences: the library's own entry point also replaces the lists of blocks, the pipeline's class and the attention
    backend; here hooks hand its block runners what they need and everything else stays as it is for every method. It
    tells branches of classifier-free guidance apart by counting calls; `enable_separate_cfg` is set here from the
    second call of each video, so that a video without guidance is counted right. Its parallelism, quantisation and
    offloading are left out. Latte has no adapter in it.
    """

    cache_type: CacheType = "DBCache"
    Fn_compute_blocks: int = 8
    Bn_compute_blocks: int = 0
    residual_diff_threshold: float = 0.08
    max_accumulated_residual_diff_threshold: float | None = None
    max_warmup_steps: int = 8
    warmup_interval: int = 1
    max_cached_steps: int = -1
    max_continuous_cached_steps: int = -1
    cfg_diff_compute_separate: bool = True
    steps_computation_mask: tuple[int, ...] | None = None
    steps_computation_policy: Literal["dynamic", "static"] = "dynamic"
    force_refresh_step_hint: int | None = None
    force_refresh_step_policy: Literal["once", "repeat"] = "once"
    enable_dynamic_prune_threshold: bool = False
    max_dynamic_prune_threshold: float | None = None
    dynamic_prune_threshold_relax_ratio: float = 1.25
    non_prune_block_ids: tuple[int, ...] = ()
    force_reduce_calibrator_vram: bool = False
    calibrator: Calibrator | None = None
    enable_encoder_calibrator: bool | None = None
    calibrator_cache_type: Literal["residual", "hidden_states"] = "residual"
    taylorseer_order: int = 1
    dmd_history: int = 6
    dmd_rank: int = 0
    dmd_ridge: float = 1e-8
    dmd_svd_precision: Literal["low", "medium", "high"] = "medium"

    summary: ClassVar[str] = "cache-dit's own code: middle blocks are reused while the first ones change little"
    source: ClassVar[str] = "vipshop/cache-dit 1.5.3; diffusers 0.42.1"
    one_device: ClassVar[str | None] = "cache-dit's runner takes tokens from before they are split over devices"
    adaptive: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Make tuples of what YAML reads as lists; refuse impossible values."""
        for name in ("steps_computation_mask", "non_prune_block_ids"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, tuple(getattr(self, name)))
        for name, choices in _CHOICES:
            if getattr(self, name) not in choices:
                raise ValueError(f"{name} is {getattr(self, name)!r}; give one of {', '.join(choices)}")
        if self.calibrator is not None and self.calibrator not in get_args(Calibrator):
            raise ValueError(
                f"calibrator is {self.calibrator!r}; give one of {', '.join(get_args(Calibrator))}, or none"
            )
        for name, least in (("Fn_compute_blocks", 1), ("Bn_compute_blocks", 0), ("max_warmup_steps", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; give at least {least}")

    @classmethod
    def conformance_identity(cls, default: Sampling) -> Self:
        """A threshold of zero."""
        return cls(Fn_compute_blocks=1, residual_diff_threshold=0.0)

    @classmethod
    def conformance_active(cls, default: Sampling) -> Self:
        """A threshold that everything is below, after two steps of warm-up."""
        return cls(Fn_compute_blocks=1, residual_diff_threshold=1.0, max_warmup_steps=2)

    def unsupported(self, family: Family) -> str | None:
        """The library is not installed, or has no adapter for the family."""
        if find_spec("cache_dit") is None:
            return "cache-dit is not installed; pip install cache-dit"
        if not family.pipeline_class.startswith(_ADAPTED):
            return f"cache-dit 1.5.3 has no adapter for {family.pipeline_class}"
        return None

    def apply(self, pipeline: Any, family: Family) -> Applied:
        """See `Method.apply`.

        Raises:
            MethodError: see `unsupported`, or a list has fewer blocks than are always to be computed.
        """
        reason = self.unsupported(family)
        if reason is not None:
            raise MethodError(reason)
        return _AppliedCacheDit(pipeline, family, self).install()

    def cache_config(self, library: Any) -> Any:
        """The library's configuration of the decisions; branches are taken to be separate until they are known."""
        shared: dict[str, Any] = {
            "Fn_compute_blocks": self.Fn_compute_blocks,
            "Bn_compute_blocks": self.Bn_compute_blocks,
            "residual_diff_threshold": self.residual_diff_threshold,
            "max_accumulated_residual_diff_threshold": self.max_accumulated_residual_diff_threshold,
            "max_warmup_steps": self.max_warmup_steps,
            "warmup_interval": self.warmup_interval,
            "max_cached_steps": self.max_cached_steps,
            "max_continuous_cached_steps": self.max_continuous_cached_steps,
            "cfg_diff_compute_separate": self.cfg_diff_compute_separate,
            "steps_computation_mask": list(self.steps_computation_mask) if self.steps_computation_mask else None,
            "steps_computation_policy": self.steps_computation_policy,
            "force_refresh_step_hint": self.force_refresh_step_hint,
            "force_refresh_step_policy": self.force_refresh_step_policy,
            "enable_separate_cfg": True,
        }
        if self.cache_type == "DBCache":
            return library.DBCacheConfig(**shared)
        return library.DBPruneConfig(
            **shared,
            enable_dynamic_prune_threshold=self.enable_dynamic_prune_threshold,
            max_dynamic_prune_threshold=self.max_dynamic_prune_threshold,
            dynamic_prune_threshold_relax_ratio=self.dynamic_prune_threshold_relax_ratio,
            non_prune_block_ids=list(self.non_prune_block_ids),
            force_reduce_calibrator_vram=self.force_reduce_calibrator_vram,
        )

    def calibrator_config(self, library: Any) -> Any:
        """The library's configuration of the extrapolation, or None."""
        if self.calibrator is None:
            return None
        shared: dict[str, Any] = {"enable_calibrator": True, "calibrator_cache_type": self.calibrator_cache_type}
        if self.enable_encoder_calibrator is not None:
            shared["enable_encoder_calibrator"] = self.enable_encoder_calibrator
        if self.calibrator == "taylorseer":
            return library.TaylorSeerCalibratorConfig(**shared, taylorseer_order=self.taylorseer_order)
        if self.calibrator == "foca":
            return library.FoCaCalibratorConfig(**shared)
        return library.DMDCalibratorConfig(
            **shared,
            dmd_history=self.dmd_history,
            dmd_rank=self.dmd_rank,
            dmd_ridge=self.dmd_ridge,
            dmd_svd_precision=self.dmd_svd_precision,
        )


def place(prefix: str) -> str:
    """What a decision of the library is about: a list of blocks, or `list.index` for one block.

    `prefix` is the library's name of the tensor that is compared, e.g. `blocks_Fn_residual`, `blocks_3_Fn_original`.
    """
    found = _PLACE.fullmatch(prefix)
    if found is None:
        raise MethodError(f"cache-dit compares {prefix!r}, a name that version 1.5.3 did not have; install that one")
    return found["blocks"] if found["index"] is None else f"{found['blocks']}.{found['index']}"


class _AppliedCacheDit(AppliedHooks):
    def __init__(self, pipeline: Any, family: Family, method: CacheDit) -> None:
        super().__init__(pipeline, family)
        self._method = method
        self._library = _import_library("cache_dit")
        contexts = _import_library("cache_dit.caching.cache_contexts")
        self._manager = contexts.ContextManager(
            cache_type=getattr(self._library.CacheType, method.cache_type), name=family.name, persistent_context=True
        )
        self._measure: Callable[..., bool] = self._manager.can_cache
        self._manager.can_cache = self._can_cache
        self._names: list[str] = []
        self._calls = 0
        self._reused: list[str] = []
        self._distance: float | None = None

    def attach_hooks(self) -> None:
        patterns = self._patterns()
        runners = _import_library("cache_dit.caching.cache_blocks")
        for name, blocks in self.family.block_lists(self.transformer):
            always = self._method.Fn_compute_blocks + self._method.Bn_compute_blocks
            if always > len(blocks):
                raise MethodError(
                    f"Fn_compute_blocks + Bn_compute_blocks is {always}, but {name} has {len(blocks)} blocks; lower one"
                )
            runner = runners.UnifiedBlocks(
                blocks,
                transformer=self.transformer,
                forward_pattern=patterns[id(blocks)],
                check_forward_pattern=False,
                cache_prefix=name,
                cache_context=name,
                context_manager=self._manager,
                cache_type=getattr(self._library.CacheType, self._method.cache_type),
            )
            shared = Takeover(self.family.block_streams, runner)
            for index, block in enumerate(blocks):
                self._attach(block, TakeoverHook(shared, block, first=index == 0))
            self._names.append(name)

    def _patterns(self) -> dict[int, Any]:
        """What the library's adapter says of how each list of blocks is called."""
        adapter = self._library.BlockAdapterRegister.get_adapter(self.transformer, skip_post_init=True)
        lists, patterns = adapter.blocks, adapter.forward_pattern
        if not isinstance(lists, list):
            lists, patterns = [lists], [patterns]
        return {id(blocks): pattern for blocks, pattern in zip(lists, patterns, strict=True)}

    def begin_call(self, call: Call) -> None:
        self._reused, self._distance = [], None
        self._calls += 1
        if self._calls == 2:
            # Until now it did not matter: the first call counts as the same in both ways.
            for name in self._names:
                self._manager.get_context(name).cache_config.enable_separate_cfg = call.step_index == 0

    def run_call(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        output = forward(*args, **kwargs)
        action: Literal["partial", "compute"] = "partial" if self._reused else "compute"
        self.controller.decide(action, self._distance, " ".join(self._reused) or None)
        return output

    def _can_cache(
        self, states_tensor: Tensor, parallelized: bool = False, threshold: float | None = None, prefix: str = "Fn"
    ) -> bool:
        where, told = place(prefix), self.told()
        if told is not None:
            reuse = told.action != "compute" and (told.level is None or where in told.level.split())
        else:
            reuse = self._measure(states_tensor, parallelized=parallelized, threshold=threshold, prefix=prefix)
            self._distance = self._measured() if self._distance is None else self._distance
        if reuse:
            self._reused.append(where)
        return reuse

    def _measured(self) -> float | None:
        context = self._manager.get_context()
        diffs = context.cfg_residual_diffs if context.is_separate_cfg_step() else context.residual_diffs
        last = diffs.get(str(context.get_current_step()))
        if isinstance(last, list):
            last = last[0] if last else None
        # The library writes a negative number where it compared nothing.
        return float(last) if last is not None and last >= 0 else None

    def clear(self) -> None:
        self._calls = 0
        for name in self._names:
            self._manager.reset_context(
                name,
                cache_config=self._method.cache_config(self._library),
                calibrator_config=self._method.calibrator_config(self._library),
            )
            if self.family.guidance == "batched":
                self._manager.get_context(name).cache_config.enable_separate_cfg = False

    def cache_bytes(self) -> int:
        counted = TensorStore()
        counted.put("held", tuple(_tensors(self._manager._cached_context_manager)))
        return counted.nbytes()

    def _remove(self) -> None:
        super()._remove()
        self._manager.clear_contexts()


def _tensors(value: Any) -> Iterator[Tensor]:
    """Every tensor in a nest of containers and of the library's own objects."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)
    elif type(value).__module__.startswith("cache_dit.") and hasattr(value, "__dict__"):
        yield from _tensors(vars(value))


def _import_library(name: str) -> Any:
    # It reads this once, as it is imported, and otherwise prints every step of being set up.
    os.environ.setdefault("CACHE_DIT_LOG_LEVEL", "error")
    return importlib.import_module(name)
