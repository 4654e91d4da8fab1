"""A made-up suite with rows of DisCa's Table 7: measured, refused, stated and absent ones."""

from __future__ import annotations

from harness.records import StatedRowManifest
from reports.published.disca import TABLE_7
from tests.reports.synthetic import MemorySource, RowSpec, synthetic

ORIGINAL = "Original: 50 steps"
ROWS = (
    RowSpec(ORIGINAL, "original", {}, 1.0, 0.0),
    RowSpec("PAB (N=5)", "pab", {}, 5.1, 0.1),
    RowSpec("FORA (N=3)", "fora", {}, 4.1, 0.05),
    RowSpec("Delta-DiT (N=5)", "delta_dit", {}, 3.9, 0.0001),
)


def paper_suite(model: str = TABLE_7.model, judge: str = "shapes") -> MemorySource:
    """`judge` renames the one that scored."""
    source = synthetic(ROWS)
    rows = tuple(
        row.model_copy(update={"baseline": row.baseline and ORIGINAL, "model": model}) for row in source.suite.rows
    )
    skipped = {"row": "TaylorSeer (N=3, O=1)", "cell_ids": (), "skip_reason": "taylorseer wants 3 steps"}
    untried = {"row": "FORA (N=6)", "cell_ids": ("never",) * len(rows[2].cell_ids)}
    source.suite = source.suite.model_copy(
        update={
            "suite": "paper",
            "rows": (*rows, rows[2].model_copy(update=skipped), rows[2].model_copy(update=untried)),
            "metrics": tuple(judge if metric == "shapes" else metric for metric in source.suite.metrics),
            "planned": (StatedRowManifest(row="MeanFlow: 20 steps", reason="the weights are not public"),),
        }
    )
    for scores in source.scored.values():
        scores[judge] = scores.pop("shapes").model_copy(update={"metric": judge})
    return source
