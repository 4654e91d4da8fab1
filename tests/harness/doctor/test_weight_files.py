"""Weight facts: one entry for each file, none of it made up, and told apart from another file of that name."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from harness.dimensions import QUALITY, SEMANTIC
from harness.discovery import METRICS, SET_METRICS, names
from harness.doctor.packages import OWN
from harness.doctor.weights import WeightFile, check, torch_folder, vbench_folder, weight_files
from harness.errors import NeedError
from harness.metrics.lpips import BACKBONE_FILE, BACKBONE_URL, checkpoint_folder

FILE = WeightFile(name="A", needed_by=("lpips",), path="{torch}/a.pth", url="https://example.org/a.pth")


def test_every_dimension_but_one_needs_weights() -> None:
    """Temporal flickering is arithmetic on pixels."""
    needing = {name for weights in weight_files() for name in weights.needed_by}
    assert {*QUALITY, *SEMANTIC} - needing == {"temporal_flickering"}


def test_only_known_metrics_and_dimensions_need_anything() -> None:
    known = {*QUALITY, *SEMANTIC, *names(METRICS), *names(SET_METRICS)}
    assert {name for weights in weight_files() for name in weights.needed_by} <= known
    assert {name for users in OWN.values() for name in users} == {*names(METRICS), *names(SET_METRICS)}


def test_each_file_is_there_once_and_every_size_has_a_source() -> None:
    assert len({weights.path for weights in weight_files()}) == len(weight_files())
    for weights in weight_files():
        assert (weights.about_bytes is None) == (weights.size_from is None), weights.name
        assert weights.url.startswith("https://")


def test_a_hash_in_a_files_name_or_url_is_the_one_that_is_checked() -> None:
    for weights in weight_files():
        if weights.sha256 is not None and "vocab" not in weights.path:
            assert weights.sha256 in weights.url


def test_lpips_is_looked_for_where_the_metric_looks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (lpips,) = (weights for weights in weight_files() if "lpips" in weights.needed_by)
    assert (lpips.place(), lpips.url) == (checkpoint_folder() / BACKBONE_FILE, BACKBONE_URL)


def test_folders_follow_the_variables_of_those_who_read_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TORCH_HOME", "XDG_CACHE_HOME", "VBENCH_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert (torch_folder(), vbench_folder()) == (
        Path("/home/somebody/.cache/torch"),
        Path("/home/somebody/.cache/vbench"),
    )
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert (torch_folder(), vbench_folder()) == (Path("/cache/torch"), Path("/home/somebody/.cache/vbench"))
    monkeypatch.setenv("VBENCH_CACHE_DIR", "/weights")
    assert vbench_folder() == Path("/weights")


def test_inception_lies_where_the_suite_or_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    (inception,) = (weights for weights in weight_files() if "fid" in weights.needed_by)
    monkeypatch.delenv("INCEPTION_WEIGHTS", raising=False)
    assert inception.place() is None
    monkeypatch.setenv("INCEPTION_WEIGHTS", "/weights/inception.pth")
    assert inception.place() == Path("/weights/inception.pth")
    assert inception.place(inception=Path("/suite/inception.pth")) == Path("/suite/inception.pth")


class TestChecking:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        (tmp_path / "a.pth").write_bytes(b"weights")
        return tmp_path / "a.pth"

    def test_whole_hashes_and_beginnings_are_compared(self, path: Path) -> None:
        digest = hashlib.sha256(b"weights").hexdigest()
        assert check(path, FILE.model_copy(update={"sha256": digest}))
        assert check(path, FILE.model_copy(update={"sha256": digest[:8]}))

    def test_without_a_published_hash_nothing_is_claimed(self, path: Path) -> None:
        assert not check(path, FILE)

    @pytest.mark.parametrize(
        ("known", "said"), [({"sha256": "0" * 8}, "has SHA-256"), ({"bytes": 8}, "7 bytes, not 8")]
    )
    def test_another_file_is_refused(self, path: Path, known: dict[str, object], said: str) -> None:
        with pytest.raises(NeedError, match=said):
            check(path, FILE.model_copy(update=known))

    def test_an_empty_file_is_no_weights(self, path: Path) -> None:
        path.write_bytes(b"")
        with pytest.raises(NeedError, match="0 bytes"):
            check(path, FILE)

    def test_a_file_that_cannot_be_read_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(NeedError, match="cannot be read"):
            check(tmp_path / "gone.pth", FILE)
