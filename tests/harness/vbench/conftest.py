"""The small wheel in place, in a cache of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.vbench import package
from tests.harness.vbench.small_wheel import write_wheel


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def wheel(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small wheel, in place and taken for the published one."""
    path = package.wheel_path()
    monkeypatch.setattr(package, "WHEEL_SHA256", write_wheel(path))
    return path
