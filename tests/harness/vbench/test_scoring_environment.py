"""The scorers' environment: found where it is said to be, and looked into without running anything of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.vbench.scoring_environment import VARIABLE, holds, how_to_make, scoring_python


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment with a package and a folder of source; its interpreter, which is a link out of it."""
    (tmp_path / "real").touch()
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(tmp_path / "real")
    packages = tmp_path / "env" / "lib" / "python3.11" / "site-packages"
    (packages / "vbench-0.1.5.dist-info").mkdir(parents=True)
    (packages / "detectron2").mkdir()
    return python


def test_the_variable_names_it_else_it_lies_in_the_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    assert scoring_python().is_relative_to(cache)
    assert str(scoring_python().parent.parent) in how_to_make()
    monkeypatch.setenv(VARIABLE, "/opt/vbench/bin/python")
    assert scoring_python() == Path("/opt/vbench/bin/python")


def test_what_lies_in_it(environment: Path) -> None:
    assert holds(environment, "vbench", "0.1.5")
    assert not holds(environment, "vbench", "0.1.4")
    assert holds(environment, "detectron2")
    assert not holds(environment, "torch")


def test_where_there_is_none_it_holds_nothing(tmp_path: Path) -> None:
    assert not holds(tmp_path / "bin" / "python", "vbench")
