"""How far each row of a suite is, from listings of the store: nothing is opened, nothing written, nobody else needed.

For whoever only looks, perhaps from another machine while a driver writes. The driver's own index is the ledger.
"""

from __future__ import annotations

from harness.ledger import RowCounts
from harness.records import SuiteManifest
from harness.store import Store


def count_rows(store: Store, manifest: SuiteManifest) -> tuple[RowCounts, ...]:
    """In the suite's order.

    Other than in the ledger, a cell counts as scored by the files that are there: also one whose metric failed, which
    the next run computes again.
    """
    done, tried = store.cell_ids(), store.failure_stamps().keys()
    answered: dict[str, set[str]] = {}
    for cell_id, metric in store.score_stamps():
        answered.setdefault(cell_id, set()).add(metric)
    wanted = set(manifest.metrics)
    counts = []
    for row in manifest.rows:
        generated = done.intersection(row.cell_ids)
        counts.append(
            RowCounts(
                row=row.row,
                expected=len(row.cell_ids),
                generated=len(generated),
                scored=sum(wanted <= answered.get(cell_id, set()) for cell_id in generated),
                failed=sum(cell_id in tried and cell_id not in done for cell_id in row.cell_ids),
            )
        )
    return tuple(counts)
