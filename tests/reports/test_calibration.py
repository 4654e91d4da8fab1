"""A calibration becomes a tidy frame and figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.calibrate.calibration import read_calibration
from reports.calibration import COLUMNS, calibration_frame, draw_calibration

SHIPPED = Path(__file__).parents[2] / "suites" / "calibrations" / "shapes"


def test_the_frame_has_a_line_for_each_value():
    calibration = read_calibration(SHIPPED / "mixcache.json")
    frame = calibration_frame(calibration)
    assert tuple(frame.columns) == COLUMNS
    present = sum(value is not None for curve in calibration.curves for steps in curve.values for value in steps)
    assert len(frame) == present
    curve = calibration.curve("distance.block_6", "cond")
    here = frame[(frame["quantity"] == "distance") & (frame["level"] == "block_6") & (frame["prompt_index"] == 3)]
    assert here["step_index"].tolist() == list(range(1, 50))
    assert here["value"].tolist() == list(curve.values[3][1:])


@pytest.mark.parametrize(
    ("method", "names"),
    [
        ("teacache", ["step_changes"]),
        ("magcache", ["step_changes"]),
        ("adacache", ["motion"]),
        ("mixcache", ["cache_error", "impact", "redundancy"]),
    ],
)
def test_each_method_has_its_figures(method, names, tmp_path):
    written = draw_calibration(SHIPPED / f"{method}.json", tmp_path / "figures")
    assert [path.stem for path in written] == names
    assert all(path.with_suffix(".png").read_bytes().startswith(b"\x89PNG") for path in written)
