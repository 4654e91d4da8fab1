"""Names of videos, and disks that do not tell case apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.vbench import names
from harness.vbench.names import differing_in_case, tells_case_apart, video_name


def test_the_prompt_stands_in_the_name_to_the_letter() -> None:
    assert video_name("A 3D model of a 1800s victorian house.", 4) == "A 3D model of a 1800s victorian house.-4.mp4"


def test_pairs_that_differ_in_case() -> None:
    assert differing_in_case(["a b", "A c", "A b", "a B"]) == [("a b", "A b"), ("a b", "a B")]
    assert differing_in_case(["a", "b"]) == []


def test_a_disk_is_asked_by_writing_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tells_case_apart(tmp_path) == (not Path(str(tmp_path).upper()).exists())
    assert list(tmp_path.iterdir()) == []
    # A disk that takes CASE for case.
    monkeypatch.setattr(names.Path, "exists", lambda path: (path.parent / path.name.lower()).is_file())
    assert not tells_case_apart(tmp_path)
