"""What a tracker is given."""

from __future__ import annotations

from reports.projection import NAMES, project
from reports.results import collect
from tests.reports.synthetic import synthetic, troubled


def test_metrics() -> None:
    """Values that do not exist are left out; progress is always there."""
    source = troubled(videos=True)
    projections = project(collect(source, source.suite), source)
    fora = projections["fora-3"]
    progress = {name.removeprefix("progress/"): value for name, value in fora.metrics.items() if "progress/" in name}
    assert progress == {"expected": 12, "generated": 10, "scored": 10, "failed": 1}
    assert "fidelity/lpips" not in fora.metrics
    assert "semantic/score" not in projections["teacache-0.1"].metrics
    assert set(NAMES) - set(fora.metrics) == {"fidelity/lpips"}
    assert len(fora.cells) == 12
    assert fora.strip is not None
    assert fora.strip.startswith(b"\x89PNG")


def test_no_video_no_strip() -> None:
    """Videos may have been removed."""
    source = synthetic()
    assert project(collect(source, source.suite), source)["pab"].strip is None
