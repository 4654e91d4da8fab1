"""Latency by size and device."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reports.figures.scaling import draw, scaling_frame
from reports.results import collect
from tests.reports.synthetic import ENVIRONMENT, ROWS, MemorySource, change, synthetic, two_models

TWO = (ROWS[0], ROWS[5])


def other(speed: float = 1.0) -> MemorySource:
    """The same rows again, as `two_models` wants them."""
    specs = tuple(replace(spec, name=f"other {spec.name}", speed=speed * spec.speed) for spec in TWO)
    return synthetic(rows=specs, prompts=2, samples=1)


def two_sizes() -> MemorySource:
    """A model at 32x32 and, under another label, at 64x64."""
    larger = other()
    sampling = {**larger.suite.rows[0].sampling, "height": 64, "width": 64}
    return two_models(synthetic(rows=TWO, prompts=2, samples=1), larger, sampling=sampling)


def test_one_line_a_configuration_through_all_sizes(tmp_path: Path) -> None:
    source = two_sizes()
    results = collect(source, source.suite)
    frame = scaling_frame(results)
    assert list(dict.fromkeys(frame["line"])) == ["original", 'fora {"cache_interval": 3}']
    assert list(dict.fromkeys(frame["place"])) == ["32x32, 9 frames", "64x64, 9 frames"]
    assert frame["latency_s"].iloc[0] == pytest.approx(results.estimate("original", "latency_s").value)
    (drawn,) = draw(results, source, tmp_path)
    assert drawn.path == tmp_path / "scaling.svg"
    assert "<!-- times faster than the original -->" in drawn.path.read_text()


def test_devices_stand_beside_each_other(tmp_path: Path) -> None:
    source = synthetic(rows=TWO, prompts=2, samples=1)
    for row in source.suite.rows:
        change(source, row.cell_ids[1], environment={**ENVIRONMENT, "threads": 2})
    frame = scaling_frame(collect(source, source.suite))
    assert len(frame) == 4
    assert {place.partition("\n")[2] for place in frame["place"]} == {
        "Test CPU, torch 2.9.0, 1 thread",
        "Test CPU, torch 2.9.0, 2 threads",
    }


def test_one_size_on_one_device_says_so(tmp_path: Path) -> None:
    source = synthetic(rows=TWO, prompts=2)
    (drawn,) = draw(collect(source, source.suite), source, tmp_path)
    assert drawn.path is None
    assert "all videos have one size and were timed on one kind of device" in drawn.caption


def test_a_suite_that_never_ran_says_so(tmp_path: Path) -> None:
    source = synthetic(rows=TWO, prompts=1)
    source.done.clear()
    (drawn,) = draw(collect(source, source.suite), source, tmp_path)
    assert drawn == type(drawn)("No two rows were timed on videos of one size and on the same device.")


def test_numbers_of_devices_are_places(tmp_path: Path) -> None:
    source = two_models(synthetic(rows=TWO, prompts=2, samples=1), other(speed=1.8), devices=2)
    frame = scaling_frame(collect(source, source.suite))
    assert list(dict.fromkeys(frame["place"])) == ["32x32, 9 frames\n1 device", "32x32, 9 frames\n2 devices"]
    assert len(set(frame["line"])) == 2
