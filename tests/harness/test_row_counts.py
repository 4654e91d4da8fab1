from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fake_worker import make_record, make_score, make_task

from harness.ledger import Ledger
from harness.records import RowManifest, Status, SuiteManifest
from harness.row_counts import count_rows
from harness.store import Store
from harness.task import CellTask


def manifest(rows: dict[str, list[CellTask]]) -> SuiteManifest:
    return SuiteManifest(
        suite="fake",
        suite_hash="h",
        suite_yaml="",
        prompts=("ok",),
        samples=1,
        metrics=("psnr",),
        rows=tuple(
            RowManifest(
                row=row,
                row_key=row * 2,
                model_label="tiny",
                model="tiny",
                family="wan",
                method="original",
                config={},
                sampling={},
                baseline=None,
                skip_reason=None,
                cell_ids=tuple(task.cell_id for task in tasks),
            )
            for row, tasks in rows.items()
        ),
    )


def test_rows_are_counted_from_the_store_as_the_ledger_counts_them(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    tasks = [make_task("ok", prompt_index=index) for index in range(5)]
    scored, unscored, failed, retried, _ = tasks
    other = make_task("ok", row="fast", reference=scored)
    for task in (scored, unscored):
        store.write_cell(make_record(task))
    store.write_score(make_score(scored))
    for task in (failed, retried):
        store.write_failure(make_record(task, Status.OOM, reason="told to"))
    store.write_cell(make_record(retried))
    store.write_score(make_score(retried))
    suite = manifest({"original": tasks, "fast": [replace(other)]})

    original, fast = count_rows(store, suite)
    assert (original.expected, original.generated, original.scored, original.failed) == (5, 3, 2, 1)
    assert (fast.expected, fast.generated, fast.scored, fast.failed) == (1, 0, 0, 0)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.sync(store, ())
        assert ledger.counts(suite) == (original, fast)


def test_looking_writes_nothing(tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    count_rows(store, manifest({"original": [make_task("ok")]}))
    assert not (tmp_path / "store").exists()
