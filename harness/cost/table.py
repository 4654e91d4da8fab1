"""The price list as people and programs read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.cost.price import RowCost

HEADER = (
    "row",
    "steps",
    "full",
    "TFLOP",
    "published",
    "difference",
    "speedup",
    "published",
    "NFE",
    "cache GB",
    "published",
    "model GB",
    "peak GB",
    "GPU h",
    "priced by",
)
LEFT_OUT = (
    "TFLOP are the denoiser's; speedup is theoretical, from them. Peak is weights + cache + tensors of one full call;"
    " it leaves out the decoder's tensors, kernels' workspaces, the allocator's slack and the device's context."
)


def json_row(cost: RowCost) -> dict[str, Any]:
    """What `harness plan --cost --json` adds to a row."""
    return {
        "flops": cost.flops,
        "theoretical_speedup": cost.theoretical_speedup,
        "nfe": cost.nfe,
        "full_steps": cost.full_steps,
        "cache_bytes": cost.cache_bytes,
        "published_flops": cost.published_flops,
        "published_speedup": cost.published.speedup if cost.published is not None else None,
        "published_cache_gb": cost.published.cache_gb if cost.published is not None else None,
        "published_source": cost.published.source if cost.published is not None else None,
        "basis": cost.basis,
        "model_bytes": cost.model_bytes,
        "predicted_peak_bytes": cost.predicted_peak_bytes,
        "gpu_hours": cost.gpu_hours,
        "unpriced_because": cost.reason if cost.flops is None else None,
    }


def table(costs: Sequence[RowCost]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows; a cell is empty where there is no number, and a column in which all are is left out."""
    rows = _cells(costs)
    kept = [index for index in range(len(HEADER)) if any(row[index] for row in rows)]
    return tuple(HEADER[index] for index in kept), [tuple(row[index] for index in kept) for row in rows]


def _cells(costs: Sequence[RowCost]) -> list[tuple[str, ...]]:
    return [
        (
            cost.row,
            str(cost.num_inference_steps),
            _number(cost.full_steps, "g"),
            _quantity(cost.flops, 1e12),
            _quantity(cost.published_flops, 1e12),
            _number(cost.difference, "+.2%"),
            _number(cost.theoretical_speedup, ".2f"),
            _number(cost.published.speedup if cost.published is not None else None, ".2f"),
            _number(cost.nfe, ".2f"),
            _quantity(cost.cache_bytes, 1e9),
            _number(cost.published.cache_gb if cost.published is not None else None, ".2f"),
            _quantity(cost.model_bytes, 1e9),
            _quantity(cost.predicted_peak_bytes, 1e9),
            _number(cost.gpu_hours, ".2f"),
            cost.basis or "",
        )
        for cost in costs
    ]


def reasons(costs: Sequence[RowCost]) -> list[str]:
    """Why rows cannot run or have no price, a line for each reason with the rows it is of."""
    found: dict[str, list[str]] = {}
    for cost in costs:
        if cost.reason is not None:
            found.setdefault(cost.reason, []).append(cost.row)
    return [f"{'; '.join(rows)}: {reason}" for reason, rows in found.items()]


def total_gpu_hours(costs: Sequence[RowCost]) -> tuple[float, int]:
    """Hours of all rows that have them, and how many rows can run but have none."""
    hours = [cost.gpu_hours for cost in costs if cost.gpu_hours is not None]
    return sum(hours), sum(cost.gpu_hours is None and cost.reason is None for cost in costs)


def _number(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def _quantity(value: float | None, unit: float) -> str:
    """Two digits after the point, and of small numbers the first three that are not 0."""
    if value is None:
        return ""
    return format(value / unit, ".2f" if value >= unit or value == 0 else ".3g")
