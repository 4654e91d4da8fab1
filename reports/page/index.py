"""The first thing the page reads: rows with their estimates, prompts, and how to write each measure's numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.records import RowManifest
from reports.figures.style import method_colors
from reports.page.cells import shard_prompts, significant
from reports.page.measures import Described
from reports.results import Results
from reports.rows import is_original


def index(results: Results, measures: Sequence[Described]) -> dict[str, Any]:
    """Everything but what belongs to single videos. Rows stand in the suite's order and are numbered so elsewhere."""
    manifest = results.manifest
    colors = method_colors(manifest.rows)
    finished = {line.row: line.generated for line in results.ledger}
    rows = []
    for row in manifest.rows:
        rows.append(
            {
                "row": row.row,
                "model": row.model_label,
                "method": row.method,
                "config": row.config,
                "sampling": {name: value for name, value in row.sampling.items() if value not in (None, "")},
                "original": is_original(row),
                "baseline": row.baseline,
                "skip_reason": row.skip_reason,
                "color": colors[row.row],
                "cells": len(row.cell_ids),
                "finished": finished[row.row],
                "estimates": _estimates(results, row, measures),
            }
        )
    return {
        "suite": manifest.suite,
        "suite_hash": manifest.suite_hash,
        "judge": results.judge,
        "prompts": list(manifest.prompts),
        "samples": manifest.samples,
        "first_cells": manifest.first_cells(),
        "prompt_samples": [manifest.samples_of(prompt) for prompt in range(len(manifest.prompts))],
        "shard_prompts": shard_prompts(results),
        "measures": [measure.as_json() for measure in measures],
        "rows": rows,
    }


def _estimates(results: Results, row: RowManifest, measures: Sequence[Described]) -> dict[str, Any]:
    """By measure: the value, its interval, whether it can be told from the original's, and what it lacks."""
    found = {}
    for measure in measures:
        estimate = results.estimate(row.row, measure.column.measure)
        said: dict[str, Any] = {"value": None if estimate.value is None else significant(estimate.value)}
        if estimate.interval is not None:
            said["interval"] = [significant(end) for end in estimate.interval]
        if estimate.difference is not None and estimate.difference.distinguishable is False:
            said["undecided"] = True
        # Where nothing was expected (an original's distance from itself) there is nothing to excuse.
        if not estimate.complete and estimate.expected and estimate.reason:
            said |= {"reason": estimate.reason, "n": estimate.n, "expected": estimate.expected}
        found[measure.column.measure] = said
    return found
