"""A suite's records in one file: nothing is lost, nothing else comes along."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.archive import opened, write_archive
from harness.errors import StoreError
from harness.records import SetScoreRecord, set_id_of
from harness.store import Store
from tests.reports.study.votes import by_strength
from tests.reports.synthetic import MemorySource, synthetic, troubled


def stored(source: MemorySource, root: Path) -> Store:
    """A real store with the records and videos of one in memory."""
    store = Store(str(root))
    store.write_manifest(source.suite)
    for record in source.done.values():
        store.write_cell(record)
    for record in source.failed.values():
        store.write_failure(record)
    for scores in source.scored.values():
        for score in scores.values():
            store.write_score(score)
    for name, content in source.files.items():
        with store.open(name, "wb") as file:
            file.write(content)
    return store


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, MemorySource, Path]:
    source = troubled(videos=True)
    store = stored(source, tmp_path_factory.mktemp("store"))
    store.write_study(by_strength(synthetic().suite, lambda row: 0.1 * len(row)))
    ids = source.suite.rows[0].cell_ids
    store.write_set_score(
        SetScoreRecord(
            set_id=set_id_of(ids), row="original", metric="fid", status="ok", values={"fid": 1}, images=2, scored_at=0
        )
    )
    folder = tmp_path_factory.mktemp("records")
    return store, source, write_archive(store, source.suite, [next(iter(source.files))], folder)


def test_everything_comes_back(kept: tuple[Store, MemorySource, Path]) -> None:
    store, source, path = kept
    ids = [cell_id for row in source.suite.rows for cell_id in row.cell_ids]
    sets = [set_id_of(row.cell_ids) for row in source.suite.rows]
    with opened(path) as (copy, manifest):
        assert manifest == source.suite
        assert copy.cells(ids) == source.done
        assert copy.failures(ids) == source.failed
        assert copy.scores(ids) == source.scored
        assert copy.set_scores(sets) == store.set_scores(sets) != {}
        assert copy.study(manifest.suite) == store.study(manifest.suite) is not None
        assert [copy.exists(video) for video in list(source.files)[:2]] == [True, False]


def test_other_suites_stay_behind_and_equal_contents_are_equal_bytes(
    kept: tuple[Store, MemorySource, Path], tmp_path: Path
) -> None:
    store, source, path = kept
    (Path(store.root) / "cells" / "00").mkdir(exist_ok=True)
    (Path(store.root) / "cells" / "00" / f"{'0' * 32}.json").write_text("{}")
    again = write_archive(store, source.suite, [next(iter(source.files))], tmp_path)
    assert again.read_bytes() == path.read_bytes()


def test_what_cannot_be_packed_or_opened_is_named(kept: tuple[Store, MemorySource, Path], tmp_path: Path) -> None:
    store, source, path = kept
    with pytest.raises(StoreError, match=r"absent\.mp4"):
        write_archive(store, source.suite, ["absent.mp4"], tmp_path)
    with pytest.raises(StoreError, match="copy it here first"):
        write_archive(Store("memory://somewhere"), source.suite, [], tmp_path)
    cut = tmp_path / path.name
    cut.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(StoreError, match=r"synthetic\.tar\.xz: is no archive"), opened(cut):
        pass


def test_an_empty_suite_can_be_packed(tmp_path: Path) -> None:
    source = synthetic(prompts=1)
    source.done.clear()
    source.scored.clear()
    with opened(write_archive(stored(source, tmp_path / "store"), source.suite, [], tmp_path)) as (copy, manifest):
        assert copy.cells(manifest.rows[0].cell_ids) == {}
