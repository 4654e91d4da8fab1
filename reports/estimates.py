"""One number per row and measure, with its interval, how many cells stand behind it, and why it may be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from harness.records import RowManifest
from reports.bootstrap import Array, Interval, drawn_means, percentile_interval
from reports.dimensions import DIMENSIONS, FIDELITY
from reports.frame import NUMBERS
from reports.scores import INGREDIENTS, aggregate

SPEEDUP: Final = "speedup"
FLOPS_SPEEDUP: Final = "flops_speedup"
RATIOS: Final = {SPEEDUP: "latency_s", FLOPS_SPEEDUP: "flops"}
"""How many times less a row needs than its original, over cells of the same prompt and sample."""
DEVICE_BOUND: Final = ("latency_s", "text_encode_s", "denoise_s", "decode_s", "peak_memory_bytes")
"""Measures that mean something only among cells of one timing class."""
MEASURES: Final = NUMBERS + tuple(RATIOS) + tuple(INGREDIENTS)

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Difference:
    """A row against its original, over the prompts and samples that both have."""

    absolute: float
    """Row minus original, in the measure's unit."""
    relative: float | None
    """The same over the original; None where that is 0."""
    interval: Interval | None
    """Of `absolute`, paired; None with fewer than two prompts."""
    pairs: int

    @property
    def distinguishable(self) -> bool | None:
        """False when the interval includes 0; None when there is no interval."""
        return None if self.interval is None else not self.interval.holds(0.0)


@dataclass(frozen=True)
class Contrast:
    """Several rows weighed against each other, over the prompts and samples that all of them have."""

    value: float
    interval: Interval | None
    """Paired; None with fewer than two prompts."""
    pairs: int


@dataclass(frozen=True)
class Estimate:
    """`value` in the unit of `reports.frame` (scores in percent); None always comes with a `reason`."""

    row: str
    measure: str
    value: float | None
    interval: Interval | None
    n: int
    """Cells behind the value (pairs of cells for a speedup)."""
    expected: int
    """Cells that should be behind it."""
    prompts: int
    reason: str | None = None
    difference: Difference | None = None

    @property
    def complete(self) -> bool:
        """Whether nothing is missing from it."""
        return self.value is not None and self.n == self.expected


@dataclass(frozen=True)
class RowNumbers:
    """One row's numbers on the grid prompt x sample; NaN where a cell has none. `usable` hides incomparable ones."""

    row: RowManifest
    grid: Mapping[str, Array]

    @classmethod
    def of(cls, row: RowManifest, lines: pd.DataFrame, prompts: int, samples: int) -> RowNumbers:
        """Lay the row's lines of the cell frame out as (prompts, samples) arrays, one per measure."""
        at = (lines["prompt_index"].to_numpy(dtype=int), lines["sample_index"].to_numpy(dtype=int))
        grid = {}
        for measure in NUMBERS:
            values = np.full((prompts, samples), np.nan)
            values[at] = lines[measure].to_numpy(dtype=float)
            values[~np.isfinite(values)] = np.nan  # an infinite PSNR (equal videos) has no mean
            grid[measure] = values
        return cls(row, grid)


class Estimator:
    """Turns grids into estimates. `weights` are the draws of `reports.bootstrap.prompt_draws`, shared by all rows;
    `judge` is whose dimensions they are, on which scores depend."""

    def __init__(self, weights: Array, judge: str | None = None) -> None:
        self._weights = weights
        self._judge = judge
        self._drawn: dict[bytes, Array] = {}

    def mean(self, numbers: RowNumbers, measure: str, expected: int, original: RowNumbers | None) -> Estimate:
        """Mean of one measure over the cells that have it, and its paired difference from the original's."""
        values = numbers.grid[measure]
        have = np.isfinite(values)
        difference = None
        if original is not None and measure not in FIDELITY:
            difference = self._difference(values[None], original.grid[measure][None], None)
        return Estimate(
            numbers.row.row,
            measure,
            float(values[have].mean()) if have.any() else None,
            self._interval(self._means(values[None])[:, 0], have),
            int(have.sum()),
            expected,
            _prompts(have),
            difference=difference,
        )

    def score(self, numbers: RowNumbers, score: str, expected: int, original: RowNumbers | None) -> Estimate:
        """One of the aggregated scores; None with the dimensions that are absent as its reason."""
        names = INGREDIENTS[score]
        values = np.stack([numbers.grid[name] for name in names])
        have = np.isfinite(values)
        judged = _anywhere(have)
        absent = [name for name, cells in zip(names, have, strict=True) if not cells.any()]
        if absent:
            reason = f"withheld: no value for {', '.join(absent)}" if judged.any() else None
            return Estimate(numbers.row.row, score, None, None, int(judged.sum()), expected, _prompts(judged), reason)
        difference = None
        if original is not None:
            difference = self._difference(values, np.stack([original.grid[name] for name in names]), score)
        return Estimate(
            numbers.row.row,
            score,
            float(self._reduce(_masked_means(values), score)),
            self._interval(self._reduce(self._means(values), score), judged),
            int(judged.sum()),
            expected,
            _prompts(judged),
            difference=difference,
        )

    def ratio(self, numbers: RowNumbers, ratio: str, expected: int, original: RowNumbers) -> Estimate:
        """The original's mean over the row's, both over the cells that have a partner. Above 1 is faster."""
        measure = RATIOS[ratio]
        row, base = numbers.grid[measure], original.grid[measure]
        both = np.isfinite(row) & np.isfinite(base)
        if not both.any() or row[both].sum() == 0:
            return Estimate(numbers.row.row, ratio, None, None, 0, expected, 0)
        row_sums, base_sums = (np.where(both, grid, 0.0).sum(axis=1) for grid in (row, base))
        interval = self._interval(drawn_means(base_sums, row_sums, self._weights), both)
        value = float(base_sums.sum() / row_sums.sum())
        return Estimate(numbers.row.row, ratio, value, interval, int(both.sum()), expected, _prompts(both))

    def contrast(self, terms: Sequence[tuple[float, RowNumbers, str]], *, ratio: bool = False) -> Contrast | None:
        """A weighted sum of means or scores, each of one row and measure, over the cells that all of them have.

        With `ratio` the product of the means to the power of their weights. None where there are no such cells, or a
        ratio is of nothing. Scores go with others of the same kind alone, since a cell may lack some of their
        dimensions.
        """
        names = [INGREDIENTS.get(measure, (measure,)) for _, _, measure in terms]
        values = np.stack(
            [
                np.stack([numbers.grid[name] for name in parts])
                for (_, numbers, _), parts in zip(terms, names, strict=True)
            ]
        )
        scores = [measure if measure in INGREDIENTS else None for _, _, measure in terms]
        summed = self._summed([weight for weight, _, _ in terms], values, scores, ratio=ratio)
        return summed[0] if summed is not None and np.isfinite(summed[0].value) else None

    def _difference(self, row: Array, original: Array, score: str | None) -> Difference | None:
        """Of a mean (one quantity) or of a score (its dimensions along the first axis), over common cells."""
        summed = self._summed((1.0, -1.0), np.stack([row, original]), (score, score))
        if summed is None:
            return None
        contrast, (_, base) = summed
        relative = contrast.value / base if base else None
        return Difference(contrast.value, relative, contrast.interval, contrast.pairs)

    def _summed(
        self, weights: Sequence[float], values: Array, scores: Sequence[str | None], *, ratio: bool = False
    ) -> tuple[Contrast, list[float]] | None:
        """The sum, and its terms before they are weighted. `values`: (terms, quantities, prompts, samples)."""
        common = np.asarray(np.all(np.isfinite(values), axis=0), dtype=np.bool_)
        if not common.any(axis=(1, 2)).all():
            return None
        kept = np.where(common, values, np.nan)
        points = np.stack([self._reduce(_masked_means(one), score) for one, score in zip(kept, scores, strict=True)])
        draws = np.stack([self._reduce(self._means(one), score) for one, score in zip(kept, scores, strict=True)])
        paired, by = _anywhere(common), np.asarray(weights)
        if ratio:
            with np.errstate(divide="ignore", invalid="ignore"):
                total, drawn = np.exp(by @ np.log(points)), np.exp(by @ np.log(draws))
        else:
            total, drawn = by @ points, by @ draws
        contrast = Contrast(float(total), self._interval(drawn, paired), int(paired.sum()))
        return contrast, [float(point) for point in points]

    def _means(self, values: Array) -> Array:
        """The mean of each quantity (first axis) in every draw: (draws, quantities)."""
        # An original's are asked for by every row that is compared with it, a row's by its mean and its difference.
        known = values.tobytes()
        if known not in self._drawn:
            have = np.isfinite(values)
            sums = np.where(have, values, 0.0).sum(axis=2)
            self._drawn[known] = drawn_means(sums, have.sum(axis=2).astype(np.float64), self._weights)
        return self._drawn[known]

    def _reduce(self, means: Array, score: str | None) -> Array:
        return means[..., 0] if score is None else aggregate(score, means, self._judge)

    def _interval(self, draws: Array, have: Mask) -> Interval | None:
        """Only where more than one prompt has something to say."""
        return percentile_interval(draws) if _prompts(have) > 1 else None


def _anywhere(have: Mask) -> Mask:
    """The cells (prompt, sample) at which at least one quantity, along the first axis, has a value."""
    return np.asarray(np.any(have, axis=0), dtype=np.bool_)


def _prompts(have: Mask) -> int:
    return int(np.count_nonzero(have.any(axis=1)))


def _masked_means(values: Array) -> Array:
    """Mean over the cells that have a value, one per quantity (first axis)."""
    have = np.isfinite(values)
    return np.asarray(np.where(have, values, 0.0).sum(axis=(1, 2)) / have.sum(axis=(1, 2)), dtype=np.float64)


def applicable(rows: Mapping[str, RowNumbers], dimension: str, model: str) -> Mask | None:
    """Which prompts a dimension speaks about: those where it has a value in any row of the model.

    None for measures that apply to every prompt.
    """
    if dimension not in DIMENSIONS:
        return None
    grids = [numbers.grid[dimension] for numbers in rows.values() if numbers.row.model_label == model]
    return np.asarray(np.isfinite(np.stack(grids)).any(axis=(0, 2)))
