"""A suite for the page: all kinds of steps, a video equal to the original's, and things that went wrong."""

from __future__ import annotations

from harness.records import DecisionRecord, Status
from tests.reports.synthetic import ROWS, MemorySource, RowSpec, change, synthetic

EXACT = RowSpec("exact", "teacache", {"rel_l1_thresh": 0.0}, 1.1, 0.0)
MARKUP = "a <b>red</b> circle & a 'square' moving \"left\""
NO_MEMORY = "CUDA out of memory, 3.2 GB asked for"


def shown() -> MemorySource:
    """Four rows, five prompts, two samples. `fora-3` failed at prompt 2, and has never tried prompt 3, sample 1."""
    source = synthetic(rows=(ROWS[0], EXACT, ROWS[2], ROWS[5]), prompts=5, samples=2, videos=True)
    source.suite = source.suite.model_copy(update={"prompts": (*source.suite.prompts[:4], MARKUP)})
    original, exact, _, fora = source.suite.rows
    for cell_id, other_id in zip(exact.cell_ids, original.cell_ids, strict=True):
        # The very same file: encoding equal frames twice need not give equal ones.
        source.files[source.done[cell_id].video or ""] = source.files[source.done[other_id].video or ""]
    for cell_id in fora.cell_ids:
        change(source, cell_id, decisions=every_kind())
    source.fail(fora.cell_ids[4], Status.OOM, NO_MEMORY)
    source.forget(fora.cell_ids[7])
    change(source, source.suite.rows[2].cell_ids[0], noise_sha256="other")
    return source


def every_kind() -> tuple[DecisionRecord, ...]:
    """Two branches of four steps; `uncond` is called twice in the last one."""

    def decision(step: int, branch: str, action: str, distance: float | None = None) -> DecisionRecord:
        level = "block_10" if action == "partial" else None
        return DecisionRecord(step_index=step, branch=branch, action=action, distance=distance, level=level)

    return (
        decision(0, "cond", "compute"),
        decision(0, "uncond", "compute"),
        decision(1, "cond", "reuse", 0.0312345),
        decision(1, "uncond", "reuse"),
        decision(2, "cond", "predict"),
        decision(2, "uncond", "partial"),
        decision(3, "cond", "compute"),
        decision(3, "uncond", "compute"),
        decision(3, "uncond", "reuse"),
    )
