"""An original's lossless frames: there while something waits for them, and made once more where they are gone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fake_worker import make_task
from test_driver import PoolInMemory

from harness.driver import Driver
from harness.records import RowManifest, SuiteManifest
from harness.run import frameless
from harness.schedule import RetryPolicy
from harness.store import Store, lossless_path
from harness.task import CellTask


class KeepingPool(PoolInMemory):
    """Originals leave lossless frames, as the real worker's do."""

    def submit(self, worker: str, task: CellTask, attempt: int) -> None:
        super().submit(worker, task, attempt)
        if task.reference_cell_id is None:
            self._store.replace(lossless_path(task.cell_id), b"frames")


def suite(**changes: Any) -> list[CellTask]:
    originals = [make_task("ok", prompt_index=index) for index in range(3)]
    others = [
        make_task("ok", row=row, row_index=number, prompt_index=task.prompt_index, reference=task)
        for number, row in enumerate(("fast", "faster"), 1)
        for task in originals
    ]
    return [replace(task, **changes) for task in [*originals, *others]]


def run(store: Store, tasks: list[CellTask], ending: str = "ok") -> None:
    pool = KeepingPool(store, lambda worker, task, attempt: ending if task.row == "faster" else "ok")
    driver = Driver(
        tasks,
        set(),
        store,
        on_event=lambda event: None,
        policy=RetryPolicy(max_attempts=1),
        cell_timeout_s=None,
        clock=lambda: pool.now,
    )
    driver.run(pool, workers=2)


@pytest.mark.parametrize(
    ("drop", "ending", "kept"),
    [(True, "ok", 0), (True, "fail", 3), (False, "ok", 3)],
    ids=["all compared", "some failed, which another run may make", "the suite keeps them"],
)
def test_they_go_with_the_last_cell_compared_with_them(tmp_path: Path, drop: bool, ending: str, kept: int) -> None:
    store = Store(str(tmp_path))
    run(store, suite(drop_reference=drop), ending)
    assert len(store.lossless_ids()) == kept


def test_originals_are_made_again_only_where_a_new_row_needs_frames_that_are_gone(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    original, fast, faster = (tuple(f"{row}{place}" for place in range(3)) for row in "abc")
    rows = [("original", original, None), ("fast", fast, "original"), ("faster", faster, "original")]
    manifest = SuiteManifest(
        suite="s",
        suite_hash="h",
        suite_yaml="",
        prompts=("x", "y", "z"),
        samples=1,
        metrics=("psnr",),
        rows=tuple(
            RowManifest(
                row=row,
                row_key=row,
                model_label="m",
                model="m",
                family="wan",
                method="original",
                config={},
                sampling={},
                baseline=baseline,
                skip_reason=None,
                cell_ids=ids,
            )
            for row, ids, baseline in rows
        ),
    )
    everything = {*original, *fast, *faster}
    assert frameless(manifest, everything, store) == set()
    # The last row is new, and so is the last prompt, whose original is to be made anyway.
    done = {*original[:2], *fast[:2]}
    assert frameless(manifest, done, store) == set(original[:2])
    store.replace(lossless_path(original[0]), b"frames")
    assert frameless(manifest, done, store) == {original[1]}
