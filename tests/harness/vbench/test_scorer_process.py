"""A scorer as a process: asked line by line, never waited for without end, never left behind."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import harness.scorers
from harness.vbench.scorer_process import ScorerLostError, ScorerProcess
from tests.harness.vbench.fake_scorer import install


@contextmanager
def scorer(folder: Path, behaviour: str = "well", device: str = "cpu", **timeouts: float) -> Iterator[ScorerProcess]:
    process = ScorerProcess(install(folder / "bin", behaviour), ("color", "scene"), device, **timeouts)
    try:
        yield process
    finally:
        process.close()


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "a video.mp4"
    path.write_bytes(b"frames")
    return path


def test_every_dimension_has_its_answer(tmp_path: Path, video: Path) -> None:
    with scorer(tmp_path) as asked:
        answer = asked.score(video, "a red car", {"color": {"color": "red"}, "scene": None, "object_class": None})
    assert answer.found["color"].status == "undetected"
    assert (answer.found["scene"].status, answer.found["scene"].reason) == ("failed", "RuntimeError: out of luck")
    assert (answer.found["object_class"].value, answer.found["object_class"].frame_values) == (0.5, (0.25, 0.75))


def test_it_sees_its_own_package_and_one_device_and_no_network(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,7")
    monkeypatch.setenv("PYTHONPATH", "/of/the/harness")
    with scorer(tmp_path, device="cuda:1") as asked:
        assert asked.versions["PYTHONPATH"] == str(Path(harness.scorers.__file__).parent)
        assert asked.versions["CUDA_VISIBLE_DEVICES"] == "7"
        assert asked.versions["HF_HUB_OFFLINE"] == "1"


def test_it_says_which_models_it_could_not_load(tmp_path: Path) -> None:
    with scorer(tmp_path, "lacks scene") as asked:
        assert asked.unavailable == {"scene": "FileNotFoundError: no Tag2Text"}


def test_a_death_is_told_with_the_last_words(tmp_path: Path, video: Path) -> None:
    broken = video.rename(video.with_name("x.mp4"))
    with scorer(tmp_path, "dies on x") as asked, pytest.raises(ScorerLostError, match=r"exit code 11: Segmentation"):
        asked.score(broken, "", {"color": None})


def test_silence_ends(tmp_path: Path, video: Path) -> None:
    began = time.monotonic()
    with scorer(tmp_path, "hangs", video_timeout_s=0.2) as asked:
        with pytest.raises(ScorerLostError, match=r"nothing for 0\.2 s"):
            asked.score(video, "", {"color": None})
        pid = asked._process.pid
    assert time.monotonic() - began < 30
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    ("behaviour", "said"), [("speaks another version", "not protocol 1"), ("mumbles", "which is no JSON")]
)
def test_what_is_no_answer_is_refused(tmp_path: Path, behaviour: str, said: str) -> None:
    with pytest.raises(ScorerLostError, match=said), scorer(tmp_path, behaviour):
        pass


def test_where_there_is_no_interpreter_doctor_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScorerLostError, match="harness doctor"):
        ScorerProcess(tmp_path / "python", ("color",), "cpu")
