"""The files of the page."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from harness.errors import StoreError
from harness.store import Store
from reports import processes
from reports.page import page
from reports.page.page import page_html, write_page
from reports.results import collect
from tests.reports.page.shown import shown
from tests.reports.synthetic import MemorySource, synthetic


def write(source: MemorySource, folder: Path) -> Path:
    return write_page(collect(source, source.suite), source, folder)


def data(folder: Path, name: str) -> object:
    """What a data file hands over."""
    text = (folder / "page" / "data" / f"{name}.mjs").read_text(encoding="utf-8")
    found = re.fullmatch(r'receive\("([^"]+)",(.*)\);\n', text, re.DOTALL)
    assert found is not None, text[:80]
    assert found[1] == name
    return json.loads(found[2])


def test_html_is_whole_and_names_no_other_file() -> None:
    text = page_html("a <suite>")
    assert "<title>a &lt;suite&gt;: videos and scores</title>" in text
    assert re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', text) == []
    assert "function receive" in text
    assert text.count("<script>") == text.count("</script>")


def test_a_helper_writes_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = write(shown(), tmp_path / "alone").parent / "page" / "data"
    monkeypatch.setattr(page, "MANY_CELLS", 1)
    monkeypatch.setattr(processes, "cores", lambda: 2)
    processes._pool.cache_clear()
    helped = write(shown(), tmp_path / "helped").parent / "page" / "data"
    pool = processes._pool()
    assert pool is not None
    pool.shutdown()
    processes._pool.cache_clear()
    written = [{path.name: path.read_bytes() for path in folder.iterdir()} for folder in (alone, helped)]
    assert written[0] == written[1]
    assert "values-psnr.mjs" in written[0]


def test_every_measure_of_videos_has_its_column(tmp_path: Path) -> None:
    write(shown(), tmp_path)
    index = data(tmp_path, "index")
    assert isinstance(index, dict)
    named = {measure["name"] for measure in index["measures"] if measure["of_videos"]}
    assert {"psnr", "latency_s", "color"} <= named
    assert "lpips" not in named
    files = {path.stem for path in (tmp_path / "page" / "data").iterdir()}
    assert files == {"index", "prompts-0", "values-status"} | {f"values-{name}" for name in named}
    for name in files:
        assert data(tmp_path, name)


def test_index_says_what_estimates_lack(tmp_path: Path) -> None:
    source = shown()
    write(source, tmp_path)
    index = data(tmp_path, "index")
    assert isinstance(index, dict)
    assert [row["row"] for row in index["rows"]] == [row.row for row in source.suite.rows]
    original, _, fewer, fora = index["rows"]
    assert original["original"] is True
    assert original["estimates"]["psnr"] == {"value": None}
    assert fora["estimates"]["latency_s"]["n"] == 8
    assert "out of memory" in fora["estimates"]["latency_s"]["reason"]
    assert len(fewer["estimates"]["speedup"]["interval"]) == 2
    assert (fora["finished"], fora["cells"]) == (8, 10)


def test_equal_records_make_an_equal_page(tmp_path: Path) -> None:
    source = shown()
    for name in ("one", "two"):
        write(source, tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(files) > 40
    for name in files:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_writing_again_leaves_nothing_stale(tmp_path: Path) -> None:
    """Neither data of measures nor videos of cells that are no more."""
    write(shown(), tmp_path)
    before = {path.name for path in (tmp_path / "page" / "videos").iterdir()}
    source = shown()
    gone = source.suite.rows[1].cell_ids[3]
    source.forget(gone)
    (tmp_path / "page" / "data" / "values-old.mjs").write_text("")
    write(source, tmp_path)
    after = {path.name for path in (tmp_path / "page" / "videos").iterdir()}
    assert len(before - after) == 1
    assert after < before
    assert not (tmp_path / "page" / "data" / "values-old.mjs").exists()


def test_a_video_the_store_has_lost_is_left_out(tmp_path: Path) -> None:
    source = shown()
    lost = source.done[source.suite.rows[0].cell_ids[0]]
    assert lost.video is not None
    del source.files[lost.video]
    write(source, tmp_path)
    shard = data(tmp_path, "prompts-0")
    assert isinstance(shard, dict)
    cell = shard["prompts"][0][0][0]
    assert cell["status"] == "ok"
    assert "video" not in cell


def test_videos_of_a_local_store_take_no_space(tmp_path: Path) -> None:
    memory = synthetic(prompts=1, samples=1, videos=True)
    store = Store(str(tmp_path / "store"))
    for record in memory.done.values():
        store.write_cell(record)
        assert record.video is not None
        with store.open(record.video, "wb") as file:
            file.write(memory.files[record.video])
    write_page(collect(store, memory.suite), store, tmp_path / "store" / "reports")
    placed = list((tmp_path / "store" / "reports" / "page" / "videos").iterdir())
    assert len(placed) == 7
    assert all(path.stat().st_nlink == 2 for path in placed)


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(StoreError, match="taken"):
        write(shown(), tmp_path / "taken")
