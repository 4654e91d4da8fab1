"""The real store is a source like the one in memory."""

from __future__ import annotations

from pathlib import Path

from harness.records import Status
from harness.store import Store
from reports.report import write_report
from tests.reports.synthetic import synthetic


def test_store_gives_the_same_report(tmp_path: Path) -> None:
    """Through files and back: not a letter differs."""
    memory = synthetic(prompts=2, samples=1)
    memory.fail(memory.suite.rows[2].cell_ids[1], Status.TIMEOUT, "900 s without an answer")
    store = Store(str(tmp_path / "root"))
    store.write_manifest(memory.suite)
    for record in memory.done.values():
        store.write_cell(record)
    for record in memory.failed.values():
        store.write_failure(record)
    for scores in memory.scored.values():
        for score in scores.values():
            store.write_score(score)
    for path, content in memory.files.items():
        with store.open(path, "wb") as file:
            file.write(content)
    manifest = store.manifest(memory.suite.suite)
    here = write_report(memory, memory.suite, tmp_path / "memory")
    there = write_report(store, manifest, tmp_path / "store")
    assert there.markdown == here.markdown
