"""The price list of a plan: every row replayed on the meta device, none of them run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

from harness.cost.device_rate import DeviceRate
from harness.cost.models import UnpricedError, architecture_of
from harness.cost.replay import MetaModel
from harness.cost.traces import SCHEDULE, Basis, basis_of_file, basis_of_store, stated_basis
from harness.discovery import load_family
from harness.errors import one_line
from harness.loaded_model import student_source
from harness.plan import Plan
from harness.planning.row import Row
from harness.planning.stated import StatedRow
from harness.store import Store
from harness.suite_cost import PlannedRow, Published
from harness.task import ModelRung, ModelSpec
from methods.base import Sampling


@dataclass(frozen=True)
class RowCost:
    """What one video of a row costs. Where nothing can be said the numbers are None and `reason` says why."""

    row: str
    model: ModelSpec
    num_inference_steps: int
    baseline: str | None
    published: Published | None
    reason: str | None = None
    """Why the row cannot be priced, or cannot run."""
    basis: str | None = None
    """What decides which steps compute: `schedule`, a statement, or recorded traces."""
    flops: int | None = None
    """Of the denoiser, a multiply-add counting 2; text encoding and decoding are not in it."""
    nfe: float | None = None
    """Effective number of function evaluations: `flops` over one full transformer call of the row's own model."""
    full_steps: float | None = None
    """Steps in which every call computed everything; a mean where there are several traces."""
    theoretical_speedup: float | None = None
    """The baseline's `flops` over the row's."""
    cache_bytes: int | None = None
    """The most of the method's own tensors, over all traces."""
    model_bytes: int | None = None
    """Weights of the transformer, of the other components whose configuration is known, and of what the method adds
    (a predictor)."""
    predicted_peak_bytes: int | None = None
    """`model_bytes` + `cache_bytes` + the most that one full call has alive; see `activations.peak_live_bytes`."""
    gpu_hours: float | None = None
    """Of denoising all cells of the row at the given rate; None without a rate and for a row that cannot run."""

    @property
    def published_flops(self) -> int | None:
        """The paper's FLOPs, None where it has none."""
        if self.published is None or self.published.flops_tflop is None:
            return None
        return round(self.published.flops_tflop * 1e12)

    @property
    def difference(self) -> float | None:
        """Ours over the paper's, minus 1."""
        published = self.published_flops
        return None if self.flops is None or published is None else self.flops / published - 1


class PriceList:
    """Prices the rows of a plan. Models are built once, on the meta device, and closed with it."""

    def __init__(self, plan: Plan, *, rate: DeviceRate | None = None, traces_from: Store | None = None) -> None:
        """`traces_from` holds recorded videos of the plan's adaptive rows; it goes before what the suite states."""
        self._plan, self._rate, self._traces = plan, rate, traces_from
        self._models: dict[tuple[str, str, str, ModelRung | None], MetaModel] = {}
        self._open = ExitStack()

    def rows(self) -> tuple[RowCost, ...]:
        """Every row in the plan's order, the stated ones last."""
        with self._open:
            priced = [*self._priced(), *(self._stated(row) for row in self._plan.stated)]
        flops = {cost.row: cost.flops for cost in priced}
        return tuple(
            replace(cost, theoretical_speedup=_ratio(flops.get(cost.baseline or cost.row), cost.flops))
            if cost.baseline is not None or self._is_original(cost.row)
            else cost
            for cost in priced
        )

    def _is_original(self, name: str) -> bool:
        return name in {row.baseline for row in self._plan.rows} | {row.baseline for row in self._plan.stated}

    def _priced(self) -> Iterator[RowCost]:
        for row in self._plan.rows:
            steps = row.sampling.num_inference_steps
            blank = RowCost(row.name, row.model, steps, row.baseline, row.published, row.skip_reason)
            if not row.supported:
                yield blank
                continue
            try:
                yield self._price(row, blank)
            except Exception as error:  # one row's trouble must not cost the others their price
                yield replace(blank, reason="; ".join(filter(None, (row.skip_reason, one_line(error)))))

    def _price(self, row: Row, blank: RowCost) -> RowCost:
        model, basis = self._model(row.model), self._basis(row)
        replays = [(part.weight, model.replay(row.method, row.sampling, part.trace)) for part in basis.traces]
        flops = round(sum(weight * replayed.flops for weight, replayed in replays))
        cost = replace(
            self._with_memory(
                blank,
                row.sampling,
                max(replayed.cache_bytes for _, replayed in replays),
                max(replayed.added_weight_bytes for _, replayed in replays),
            ),
            basis=basis.said,
            flops=flops,
            nfe=flops / model.full_call_flops(row.sampling),
            full_steps=sum(weight * replayed.full_steps() for weight, replayed in replays),
        )
        return replace(cost, gpu_hours=self._gpu_hours(flops) if row.skip_reason is None else None)

    def _stated(self, row: StatedRow) -> RowCost:
        stated = row.stated
        blank = RowCost(row.name, row.model, stated.num_inference_steps, row.baseline, stated.published, stated.reason)
        try:
            model = self._model(row.model)
            others = stated.num_inference_steps - stated.full_steps
            steps = stated.full_steps + stated.other_steps_share * others
            flops = round(steps * model.full_step_flops(row.sampling))
            return replace(
                self._with_memory(blank, row.sampling, None),
                basis=_said(stated),
                flops=flops,
                nfe=flops / model.full_call_flops(row.sampling),
                full_steps=float(stated.full_steps),
            )
        except Exception as error:
            return replace(blank, reason=f"{stated.reason}; {one_line(error)}")

    def _with_memory(
        self, cost: RowCost, sampling: Sampling, cache_bytes: int | None, added_weight_bytes: int = 0
    ) -> RowCost:
        model = self._model(cost.model)
        weights = sum(model.model_bytes().values()) + added_weight_bytes
        peak = None if cache_bytes is None else weights + cache_bytes + model.peak_activation_bytes(sampling)
        return replace(cost, cache_bytes=cache_bytes, model_bytes=weights, predicted_peak_bytes=peak)

    def _gpu_hours(self, flops: int) -> float | None:
        if self._rate is None:
            return None
        return flops * self._plan.cells_a_row / self._rate.flops_per_s / 3600

    def _basis(self, row: Row) -> Basis:
        if not row.method.adaptive:
            return SCHEDULE
        if self._traces is not None:
            places = self._plan.places()
            found = basis_of_store(self._traces, (self._plan.cell_key(row, *place).cell_id for place in places))
            if found is not None:
                return found
        if row.cost is None:
            raise UnpricedError(
                "what it computes depends on the video: state cost: {full_steps: N} in the suite,"
                " or give --traces-from a store with videos of this row"
            )
        if row.cost.trace is not None:
            return basis_of_file(self._plan.loaded.resolve(row.cost.trace))
        assert row.cost.full_steps is not None
        branches = load_family(row.model.family).branches(row.sampling)
        return stated_basis(row.sampling.num_inference_steps, branches, row.cost.full_steps, row.cost.levels)

    def _model(self, spec: ModelSpec) -> MetaModel:
        key = (spec.family, spec.model, spec.dtype, spec.rung)
        if key not in self._models:
            family = load_family(spec.family)
            self._models[key] = MetaModel(family, architecture_of(spec, family), spec.dtype, student_source(spec))
            self._open.callback(self._models[key].close)
        return self._models[key]


def _said(stated: PlannedRow) -> str:
    others = stated.num_inference_steps - stated.full_steps
    return f"stated full steps: {stated.full_steps}" + (
        f", {others} others at {stated.other_steps_share:.2%}" if others else ""
    )


def _ratio(baseline: int | None, flops: int | None) -> float | None:
    return None if baseline is None or not flops else baseline / flops
