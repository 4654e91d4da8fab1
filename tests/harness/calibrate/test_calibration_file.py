"""The file keeps what was found, and says what is wrong with it."""

from __future__ import annotations

import json

import pytest

from harness.calibrate.calibration import CalibrationError, read_calibration, rounded, write_calibration


def test_a_file_read_is_the_one_written(tmp_path, calibration):
    path = tmp_path / "new" / "teacache.json"
    write_calibration(calibration, path)
    assert read_calibration(path) == calibration
    assert [found.name for found in path.parent.iterdir()] == ["teacache.json"]


def test_each_prompt_of_a_curve_is_a_line(tmp_path, calibration):
    path = tmp_path / "teacache.json"
    write_calibration(calibration, path)
    assert "        [null, 0.5]\n" in path.read_text()


def test_a_curve_is_found_by_name_and_branch(calibration):
    assert calibration.curve("output_change", "cond").values == ((None, 0.5),)
    with pytest.raises(KeyError):
        calibration.curve("output_change", "uncond")


@pytest.mark.parametrize(
    ("change", "said"), [({"format": 2}, "format"), ({"fits": 1}, "fits"), ({"seeds": "many"}, "seeds")]
)
def test_a_wrong_file_is_refused_with_the_remedy(tmp_path, calibration, change, said):
    path = tmp_path / "teacache.json"
    path.write_text(json.dumps(calibration.model_dump(mode="json") | change))
    with pytest.raises(CalibrationError, match=rf"teacache.json: {said}.*harness calibrate"):
        read_calibration(path)


def test_an_absent_file_is_refused_with_the_remedy(tmp_path):
    with pytest.raises(CalibrationError, match=r"none.json: cannot be read .*make it with harness calibrate"):
        read_calibration(tmp_path / "none.json")


def test_a_value_keeps_six_digits():
    assert rounded(0.123456789) == 0.123457
    assert rounded(1234567.8) == 1234570.0
