"""The files that go with a row."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from harness.tracking_artifacts import RowArtifacts, fill, fingerprint
from tests.reports.synthetic import MemorySource, synthetic


def artifacts(source: MemorySource) -> RowArtifacts:
    """Five videos, of which the first was removed."""
    videos = [record.video or "" for record in source.done.values()][:5]
    source.files = dict.fromkeys(videos[1:], b"video")
    return RowArtifacts(pd.DataFrame({"cell_id": ["a"]}), "suite: x\n", b"png", videos, None, "run")


def test_first_three_videos_that_exist(tmp_path: Path) -> None:
    """And the other files beside them."""
    source = synthetic(prompts=6, samples=1)
    fill(tmp_path, artifacts(source), source)
    assert {path.name for path in tmp_path.iterdir()} == {"cells.parquet", "suite.yaml", "frames.png", "videos"}
    names = sorted(path.name for path in (tmp_path / "videos").iterdir())
    assert names == [f"a red circle moving left, scene {index}-0.mp4" for index in (1, 2, 3)]


def test_fingerprint_sees_content_and_names(tmp_path: Path) -> None:
    """Not times: the same files written again need no upload."""
    for name in ("one", "two"):
        source = synthetic(prompts=6, samples=1)
        (tmp_path / name).mkdir()
        fill(tmp_path / name, artifacts(source), source)
    assert fingerprint(tmp_path / "one") == fingerprint(tmp_path / "two")
    (tmp_path / "two" / "suite.yaml").write_text("suite: y\n")
    assert fingerprint(tmp_path / "one") != fingerprint(tmp_path / "two")
