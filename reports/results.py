"""Everything a report says about one suite, computed once: tables, figures, JSON and tracking all read this."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from harness.gc_pause import gc_pause
from harness.records import RowManifest, SetScoreRecord, SuiteManifest, set_id_of
from reports.bootstrap import prompt_draws
from reports.decisions import step_frame
from reports.dimensions import FIDELITY
from reports.estimates import MEASURES, RATIOS, Contrast, Estimate, Estimator, RowNumbers, applicable
from reports.frame import CellFrame, cell_frame
from reports.ledger import NO_ORIGINAL, Denominators, Exclusion, denominators, exclusions, why_absent
from reports.processes import MANY_CELLS, meanwhile
from reports.rows import is_original
from reports.scores import INGREDIENTS
from reports.source import RecordSource
from reports.study.results import StudyResults, study_results
from reports.vbench_results import VBenchRow, vbench_rows


@dataclass(frozen=True)
class Results:
    """One suite's numbers. `cells` is the tidy frame with a line per cell, before anything is left out of it."""

    manifest: SuiteManifest
    frame: CellFrame
    ledger: tuple[Denominators, ...]
    excluded: tuple[Exclusion, ...]
    estimates: Mapping[tuple[str, str], Estimate]
    """By row and measure: every measure of `reports.estimates.MEASURES` for every row."""
    set_scores: Mapping[str, Mapping[str, SetScoreRecord]]
    """By row and metric: what was found of all of a row's images together."""
    study: StudyResults | None
    """What people preferred; None where nobody was asked."""
    numbers: Mapping[str, RowNumbers]
    """By row: what the estimates were made of."""
    vbench: Mapping[str, VBenchRow]
    """By row that can run, where the suite asks VBench."""
    steps: pd.DataFrame
    """One line per step of each finished video; see `reports.decisions.step_frame`."""

    @property
    def cells(self) -> pd.DataFrame:
        """One line per planned cell; see `reports.frame.cell_frame` for the columns."""
        return self.frame.table

    @property
    def judge(self) -> str:
        """The name that labels every score."""
        return self.frame.judge or "no judge"

    def estimate(self, row: str, measure: str) -> Estimate:
        """Raises KeyError for an unknown row or measure."""
        return self.estimates[row, measure]

    def why_absent(self, row: str, measure: str) -> str | None:
        """Why there is no number, also of a row that the suite does not have; None where there is one."""
        if row not in self.numbers:
            return f"the suite has no row {row!r}"
        estimate = self.estimate(row, measure)
        return f"{row}: {estimate.reason}" if estimate.value is None else None

    def contrast(self, *terms: tuple[float, str, str], ratio: bool = False) -> Contrast | str:
        """See `Estimator.contrast`; terms are weight, row and measure. The reason where there is none."""
        for _, row, measure in terms:
            if absent := self.why_absent(row, measure):
                return absent
        estimator = Estimator(prompt_draws(len(self.manifest.prompts)), self.frame.judge)
        found = estimator.contrast([(weight, self.numbers[row], name) for weight, row, name in terms], ratio=ratio)
        return found or f"no cells that all of {', '.join(dict.fromkeys(row for _, row, _ in terms))} have"

    def denominators(self, row: str) -> Denominators | None:
        """What stands behind a row's numbers; None where it cannot run, or is not of this suite."""
        skipped = {row.row for row in self.manifest.rows if row.skip_reason is not None}
        return next((line for line in self.ledger if line.row == row and row not in skipped), None)

    def models(self) -> dict[str, list[RowManifest]]:
        """Rows by model label, both in the suite's order, originals first within a model."""
        groups: defaultdict[str, list[RowManifest]] = defaultdict(list)
        for row in self.manifest.rows:
            groups[row.model_label].append(row)
        return {model: sorted(rows, key=lambda row: not is_original(row)) for model, rows in groups.items()}

    def compared(self) -> dict[str, list[RowManifest]]:
        """Rows that share an original, under its model's label: methods on students of a model stand beside it."""
        labels = {row.row: row.model_label for row in self.manifest.rows}
        groups: defaultdict[str, list[RowManifest]] = defaultdict(list)
        for row in self.manifest.rows:
            groups[labels.get(row.baseline or row.row, row.model_label)].append(row)
        return {model: sorted(rows, key=lambda row: not is_original(row)) for model, rows in groups.items()}

    def rows_frame(self) -> pd.DataFrame:
        """The estimates as a tidy frame: one line per row and measure."""
        lines = []
        for estimate in self.estimates.values():
            difference = estimate.difference
            lines.append(
                {
                    "row": estimate.row,
                    "measure": estimate.measure,
                    "value": estimate.value,
                    "low": estimate.interval.low if estimate.interval else None,
                    "high": estimate.interval.high if estimate.interval else None,
                    "n": estimate.n,
                    "expected": estimate.expected,
                    "prompts": estimate.prompts,
                    "reason": estimate.reason,
                    "difference": difference.absolute if difference else None,
                    "difference_low": difference.interval.low if difference and difference.interval else None,
                    "difference_high": difference.interval.high if difference and difference.interval else None,
                    "relative": difference.relative if difference else None,
                    "pairs": difference.pairs if difference else None,
                    "distinguishable": difference.distinguishable if difference else None,
                }
            )
        return pd.DataFrame(lines)


@gc_pause(kept=True)
def collect(source: RecordSource, manifest: SuiteManifest) -> Results:
    """Read the suite's records and compute every estimate. Raises StoreError where a record cannot be read."""
    frame = cell_frame(source, manifest)
    if len(frame.table) >= MANY_CELLS:
        # With it come matplotlib and most of what else drawing begins with.
        meanwhile("reports.figures.style")
    left_out = exclusions(manifest, frame)
    comparable = _without(frame.table, left_out)
    by_cell: defaultdict[str, list[Exclusion]] = defaultdict(list)
    for exclusion in left_out:
        by_cell[exclusion.cell_id].append(exclusion)
    prompts, samples = len(manifest.prompts), manifest.samples
    lines = {row.row: comparable[comparable["row"] == row.row] for row in manifest.rows}
    numbers = {row.row: RowNumbers.of(row, lines[row.row], prompts, samples) for row in manifest.rows}
    estimator = Estimator(prompt_draws(prompts), frame.judge)
    estimates: dict[tuple[str, str], Estimate] = {}
    for row in manifest.rows:
        original = numbers.get(row.baseline) if row.baseline is not None else None
        for measure in MEASURES:
            estimate = _estimate(estimator, manifest, numbers, row, measure, original)
            if not estimate.complete:
                asked = _asked(lines[row.row], applicable(numbers, measure, row.model_label))
                reason = estimate.reason or _reason(row, measure, asked, frame, manifest, by_cell)
                estimate = replace(estimate, reason=reason)
            estimates[row.row, measure] = estimate
    ledger, sets = tuple(denominators(manifest, frame)), _set_scores(source, manifest)
    voted = source.study(manifest.suite)
    study = study_results(voted, manifest) if voted is not None else None
    vbench, steps = vbench_rows(source, manifest), step_frame(frame.table, frame.records)
    return Results(manifest, frame, ledger, tuple(left_out), estimates, sets, study, numbers, vbench, steps)


def _set_scores(source: RecordSource, manifest: SuiteManifest) -> dict[str, Mapping[str, SetScoreRecord]]:
    if not manifest.set_metrics:
        return {}
    by_row = {row.row: set_id_of(row.cell_ids) for row in manifest.rows if row.skip_reason is None}
    found = source.set_scores(by_row.values())
    return {row: found.get(set_id, {}) for row, set_id in by_row.items()}


def _without(table: pd.DataFrame, left_out: Sequence[Exclusion]) -> pd.DataFrame:
    comparable = table.copy()
    for measures in {exclusion.measures for exclusion in left_out}:
        ids = [exclusion.cell_id for exclusion in left_out if exclusion.measures == measures]
        comparable.loc[comparable["cell_id"].isin(ids), list(measures)] = np.nan
    return comparable


def _estimate(
    estimator: Estimator,
    manifest: SuiteManifest,
    numbers: Mapping[str, RowNumbers],
    row: RowManifest,
    measure: str,
    original: RowNumbers | None,
) -> Estimate:
    own, expected = numbers[row.row], len(row.cell_ids)
    if measure in FIDELITY and row.baseline is None:
        return Estimate(row.row, measure, None, None, 0, 0, 0)
    if measure in RATIOS:
        if row.baseline is None and not is_original(row):
            return Estimate(row.row, measure, None, None, 0, expected, 0, row.skip_reason or NO_ORIGINAL)
        if row.baseline is None:
            value = 1.0 if np.isfinite(own.grid[RATIOS[measure]]).any() else None
            reference = estimator.mean(own, RATIOS[measure], expected, None)
            return replace(reference, measure=measure, value=value, interval=None)
        if original is None:
            return Estimate(row.row, measure, None, None, 0, expected, 0, f"no row {row.baseline!r} to compare with")
        return estimator.ratio(own, measure, expected, original)
    if measure in INGREDIENTS:
        return estimator.score(own, measure, expected, original)
    speaks = applicable(numbers, measure, row.model_label)
    if speaks is not None and expected:
        expected = sum(manifest.samples_of(int(prompt)) for prompt in np.flatnonzero(speaks))
    return estimator.mean(own, measure, expected, original)


def _asked(lines: pd.DataFrame, speaks: npt.NDArray[np.bool_] | None) -> pd.DataFrame:
    """The lines a dimension should have a value for; all of them where it has none anywhere."""
    if speaks is None or not speaks.any():
        return lines
    return lines[lines["prompt_index"].isin(np.flatnonzero(speaks))]


def _reason(
    row: RowManifest,
    measure: str,
    lines: pd.DataFrame,
    frame: CellFrame,
    manifest: SuiteManifest,
    excluded: Mapping[str, Sequence[Exclusion]],
) -> str:
    measure = RATIOS.get(measure, measure)
    if measure in INGREDIENTS:
        dimensions = list(INGREDIENTS[measure])
        absent = lines[lines[dimensions].isna().all(axis=1)]
        return why_absent(row, dimensions[0], absent, frame, manifest, excluded)
    absent = lines[~np.isfinite(lines[measure])]
    if absent.empty and row.baseline is None:
        return NO_ORIGINAL
    if absent.empty and row.skip_reason is None:
        return "the original lacks the cells to compare with"
    return why_absent(row, measure, absent, frame, manifest, excluded)
