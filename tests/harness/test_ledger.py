"""The ledger equals the store after every sync, whatever happened to either in between."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest
from fake_worker import make_record, make_score, make_task

from harness.errors import StoreError
from harness.ledger import Ledger, RowCounts
from harness.records import RowManifest, Status, SuiteManifest
from harness.sidecar import dump
from harness.store import Store
from harness.task import CellTask


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.db")


def tasks(count: int, row: str = "original") -> list[CellTask]:
    return [make_task("ok", row=row, prompt_index=index) for index in range(count)]


def manifest(*rows: list[CellTask]) -> SuiteManifest:
    return SuiteManifest(
        suite="fake",
        suite_hash="h",
        suite_yaml="",
        prompts=(),
        samples=1,
        metrics=("psnr",),
        rows=tuple(
            RowManifest(
                row=cells[0].row,
                row_key=cells[0].row_key,
                model_label="tiny",
                model="models/tiny",
                family="wan",
                method="original",
                config={},
                sampling={},
                baseline=None,
                skip_reason=None,
                cell_ids=tuple(task.cell_id for task in cells),
            )
            for cells in rows
        ),
    )


def test_sidecars_without_a_row_are_adopted_and_rows_without_a_sidecar_dropped(store: Store, ledger: Ledger) -> None:
    cells = tasks(4)
    ids = [task.cell_id for task in cells]
    for task in cells[:3]:
        store.write_cell(make_record(task))
    assert ledger.sync(store, ids) == set(ids[:3])
    store.remove(f"cells/{ids[0][:2]}/{ids[0]}.json")
    store.write_cell(make_record(cells[3]))
    assert ledger.sync(store, ids) == {ids[1], ids[2], ids[3]}
    assert ledger.sync(store, ids[:2]) == {ids[1]}
    assert ledger.counts(manifest(cells)) == (RowCounts("original", expected=4, generated=3, scored=0, failed=0),)


def test_counts_follow_failures_success_and_scores(store: Store, ledger: Ledger) -> None:
    cells, others = tasks(3), tasks(2, row="fast")
    plan = manifest(cells, others)
    ids = [task.cell_id for task in [*cells, *others]]
    store.write_cell(make_record(cells[0]))
    store.write_score(make_score(cells[0]))
    store.write_cell(make_record(cells[1]))
    store.write_failure(make_record(cells[2], Status.OOM, reason="too large"))
    store.write_score(make_score(cells[2]))
    ledger.sync(store, ids)
    assert ledger.counts(plan) == (
        RowCounts("original", expected=3, generated=2, scored=1, failed=1),
        RowCounts("fast", expected=2, generated=0, scored=0, failed=0),
    )
    store.write_cell(make_record(cells[2], attempt=2))
    store.write_score(make_score(cells[1]).model_copy(update={"status": "unavailable", "reason": "no weights"}))
    ledger.sync(store, ids)
    assert ledger.counts(plan)[0] == RowCounts("original", expected=3, generated=3, scored=3, failed=0)
    store.write_score(make_score(cells[1]).model_copy(update={"status": "failed", "reason": "a bug"}))
    ledger.sync(store, ids)
    assert ledger.counts(plan)[0].scored == 2
    assert ledger.scored(["psnr"]) == {cells[0].cell_id, cells[2].cell_id}
    assert ledger.scored(["psnr", "ssim"]) == set()


def test_a_cell_that_vanished_and_failed_since_is_failed(store: Store, ledger: Ledger) -> None:
    (task,) = tasks(1)
    store.write_cell(make_record(task))
    ledger.sync(store, [task.cell_id])
    store.remove(f"cells/{task.cell_id[:2]}/{task.cell_id}.json")
    store.write_failure(make_record(task, Status.FAILED, reason="later"))
    assert ledger.sync(store, [task.cell_id]) == set()
    assert ledger.counts(manifest([task]))[0].failed == 1


def test_attempts_are_remembered_once_and_survive_a_sync(store: Store, ledger: Ledger) -> None:
    (task,) = tasks(1)
    first = make_record(task, Status.FAILED, attempt=1, reason="x")
    second = make_record(task, attempt=2)
    store.write_cell(second)
    ledger.record_attempt(first, second)
    ledger.record_attempt(first)
    assert ledger.attempts(task.cell_id) == 2
    assert ledger.counts(manifest([task]))[0].generated == 1
    assert ledger.sync(store, [task.cell_id]) == {task.cell_id}
    assert ledger.attempts(task.cell_id) == 2


def test_a_damaged_sidecar_counts_as_absent(store: Store, ledger: Ledger) -> None:
    cells = tasks(2)
    ids = {task.cell_id for task in cells}
    for task in cells:
        store.write_cell(make_record(task))
    victim = Path(store.root) / f"cells/{cells[0].cell_id[:2]}/{cells[0].cell_id}.json"
    victim.write_bytes(victim.read_bytes()[:50])
    assert ledger.sync(store, ids) == {cells[1].cell_id}
    assert ledger.sync(store, ids) == {cells[1].cell_id}
    assert ledger.counts(manifest(cells))[0].generated == 1


def test_it_can_be_deleted_damaged_or_of_another_version(store: Store, tmp_path: Path) -> None:
    cells = tasks(2)
    ids = {task.cell_id for task in cells}
    for task in cells:
        store.write_cell(make_record(task))
    path = tmp_path / "index" / "ledger.db"
    with Ledger(path) as ledger:
        assert ledger.sync(store, ids) == ids
    path.write_bytes(b"this is no database" * 100)
    with Ledger(path) as ledger:
        assert ledger.sync(store, ids) == ids
        ledger._connection.execute("PRAGMA user_version = 99")
    with Ledger(path) as ledger:
        assert ledger.sync(store, ids) == ids
    path.unlink()
    with Ledger(path) as ledger:
        assert ledger.sync(store, ids) == ids


def test_a_ledger_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="only an index"):
        Ledger(tmp_path / "file" / "ledger.db")


def test_syncing_costs_by_what_is_new(store: Store, ledger: Ledger) -> None:
    # A quarter of VBench's 75,520 cells, so that writing them does not take longer than the rest of this file.
    pattern = make_record(tasks(1)[0])
    ids = [f"{number * 2654435761 % 2**32:08x}{number:024x}" for number in range(18_880)]
    for cell_id in ids:
        folder = Path(store.root, "cells", cell_id[:2])
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{cell_id}.json").write_bytes(dump(pattern.model_copy(update={"cell_id": cell_id})))
    began = time.process_time()
    assert len(ledger.sync(store, ids)) == len(ids)
    assert time.process_time() - began < 10
    began = time.process_time()
    assert len(ledger.sync(store, ids)) == len(ids)
    assert time.process_time() - began < 1.25
    shutil.rmtree(store.root)
    assert ledger.sync(store, ids) == set()
