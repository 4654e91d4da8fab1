"""The scorers' environment: found where it is said to be, and looked into without running anything of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import VBenchError
from harness.vbench import scoring_environment
from harness.vbench.package import VERSION
from harness.vbench.scoring_environment import (
    INSTALL,
    LOCK,
    VARIABLE,
    holds,
    how_to_make,
    install_environment,
    scoring_python,
)

FAKE_PYTHON = """#!/bin/sh
[ "$2" = venv ] && { mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; exit; }
echo "$*" >> "$LOG"
case "$*" in *"$FAILS"*) echo "no matching distribution" >&2; exit 1;; esac
"""


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
    assert INSTALL in how_to_make()
    monkeypatch.setenv(VARIABLE, "/opt/vbench/bin/python")
    assert scoring_python() == Path("/opt/vbench/bin/python")


def test_what_lies_in_it(environment: Path) -> None:
    assert holds(environment, "vbench", "0.1.5")
    assert not holds(environment, "vbench", "0.1.4")
    assert holds(environment, "detectron2")
    assert not holds(environment, "torch")


def test_where_there_is_none_it_holds_nothing(tmp_path: Path) -> None:
    assert not holds(tmp_path / "bin" / "python", "vbench")


class TestMaking:
    @pytest.fixture
    def log(self, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """What a Python that only makes folders was asked for."""
        monkeypatch.delenv(VARIABLE, raising=False)
        monkeypatch.setenv("LOG", str(tmp_path / "log"))
        monkeypatch.setenv("FAILS", "nothing")
        python = tmp_path / "python3.11"
        python.write_text(FAKE_PYTHON)
        python.chmod(0o755)
        monkeypatch.setattr(scoring_environment, "_base_python", lambda: str(python))
        return tmp_path / "log"

    def test_takes_what_the_lock_says_and_nothing_else(self, log: Path) -> None:
        assert install_environment() == scoring_python()
        assert scoring_python().is_file()
        installed, checked = log.read_text().splitlines()
        assert f"--no-deps --require-hashes --requirement {LOCK}" in installed
        assert checked.endswith("pip --disable-pip-version-check check")
        # Whatever PYTHONPATH shows is no part of it.
        assert all(line.startswith("-I ") for line in (installed, checked))

    def test_leaves_what_was_there_where_it_fails(self, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        install_environment()
        (scoring_python().parent / "kept").touch()
        monkeypatch.setenv("FAILS", "install")
        with pytest.raises(VBenchError, match="no matching distribution"):
            install_environment()
        assert (scoring_python().parent / "kept").exists()
        assert [path.name for path in scoring_python().parent.parent.parent.iterdir()] == ["environment"]

    def test_refuses_where_another_is_named(self, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(VARIABLE, "/opt/vbench/bin/python")
        with pytest.raises(VBenchError, match="unset it"):
            install_environment()


def test_the_lock_is_whole() -> None:
    lines = [line for line in LOCK.read_text().splitlines() if not line.startswith("#")]
    pinned = {line.split(" ")[0] for line in lines}
    assert {f"vbench=={VERSION}", "torch==2.14.1", "numpy==1.26.4", "transformers==4.33.2"} <= pinned
    assert all(" --hash=sha256:" in line and len(line.rpartition(":")[2]) == 64 for line in lines)
