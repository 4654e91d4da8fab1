"""Figures drawn by several processes are those drawn by one."""

from __future__ import annotations

from pathlib import Path

import pytest

from reports import drawing, figures, processes
from reports.drawing import draw_all
from reports.figures import discover
from reports.results import collect
from tests.reports.synthetic import synthetic


def test_a_helper_draws_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = synthetic(prompts=2, samples=1)
    results = collect(source, source.suite)
    few = {name: figure for name, figure in discover().items() if name in {"cached_steps", "frames", "peak_memory"}}
    monkeypatch.setattr(figures, "discover", lambda: few)
    drawn, written = [], []
    for name, many in (("alone", 10**6), ("helped", 1)):
        monkeypatch.setattr(drawing, "MANY_CELLS", many)
        monkeypatch.setattr(processes, "cores", lambda: 2)
        processes._pool.cache_clear()
        folder = tmp_path / name
        folder.mkdir()
        found = draw_all(results, source, folder)
        drawn.append({name: [(one.caption, one.path and one.path.name) for one in all] for name, all in found.items()})
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    pool = processes._pool()
    assert pool is not None
    pool.shutdown()
    processes._pool.cache_clear()
    assert drawn[0] == drawn[1]
    assert list(drawn[1]) == list(few)
    assert written[0] == written[1]
    assert {"cached_steps.svg", "cached_steps.png", "peak_memory.svg"} <= written[1].keys()
