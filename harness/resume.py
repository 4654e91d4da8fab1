"""What a run finds done, from the ledger and from listings: nothing that is known is opened again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.ledger import Ledger
from harness.store import Store


def what_is_done(
    store: Store, ledger: Ledger, references: Mapping[str, str | None], metrics: Iterable[str]
) -> set[str]:
    """Those of the cells that are made, and scored against the originals they are compared with now.

    `references` has the original's cell of each (None: it is compared with none). A cell whose video is no longer as
    long as it was written is taken back first.

    Raises:
        StoreError: store or ledger cannot be read.
    """
    done = ledger.sync(store, references)
    if cut := store.cells(ledger.cut_videos(store)):
        for record in cut.values():
            store.withdraw_cell(record, f"its video {record.video!r} is not the {record.video_bytes} bytes written")
        done = ledger.sync(store, references)
    metrics = tuple(metrics)
    return (done & ledger.scored(metrics)) - (ledger.compared_with_others(references) if metrics else set())
