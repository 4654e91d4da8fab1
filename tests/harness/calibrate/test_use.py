"""A suite gets a calibration's fields by content, and is refused one that was made for something else."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from harness.calibrate.calibration import write_calibration
from harness.calibrate.use import default_path, refusal
from harness.errors import SuiteError
from harness.plan import make_plan
from harness.planning.models import folder_fingerprint
from harness.suite import load_suite
from methods.base import Sampling

SAMPLING = Sampling(num_inference_steps=6, guidance_scale=3.0, height=32, width=32, num_frames=9, max_sequence_length=8)
"""As in the calibration that `conftest.py` makes."""

SUITE = """\
models:
  tiny:
    family: wan
    model: ./model
    dtype: float32
    sampling:
      num_inference_steps: 6
      guidance_scale: 3.0
      height: 32
      width: 32
      num_frames: 9
      max_sequence_length: 8
prompts: [a red circle]
methods:
  - method: original
  - method: teacache
    rel_l1_thresh: [0.1, 0.2]
    calibration_file: calibrations/tea.json
"""


@pytest.fixture
def planned(tmp_path, calibration):
    """The plan of a suite beside a model and a calibration of it."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model_index.json").write_text("{}")

    def make(text=SUITE, **changes):
        made = calibration.model_copy(update={"model_fingerprint": folder_fingerprint(folder), **changes})
        write_calibration(made, tmp_path / "calibrations" / "tea.json")
        path = tmp_path / "suite.yaml"
        path.write_text(text)
        return make_plan(load_suite(path))

    return make


def refused(planned, *arguments, **changes):
    with pytest.raises(SuiteError) as caught:
        planned(*arguments, **changes)
    return str(caught.value)


class TestFields:
    def test_become_the_methods_and_leave_the_rows_name_alone(self, planned):
        rows = planned().rows[1:]
        assert [row.name for row in rows] == ["teacache (rel_l1_thresh=0.1)", "teacache (rel_l1_thresh=0.2)"]
        assert {row.method.coefficients for row in rows} == {(0.5, 0.25)}

    def test_identify_a_cell_by_content_and_not_by_path(self, planned):
        ids = [row.row_key for row in planned().rows]
        written = SUITE.replace("calibration_file: calibrations/tea.json", "coefficients: [0.5, 0.25]")
        assert [row.row_key for row in planned(written).rows] == ids
        assert [row.row_key for row in planned(fields={"coefficients": [0.5, 0.5]}).rows] != ids

    def test_yield_to_what_the_suite_gives(self, planned):
        assert planned(SUITE + "    coefficients: [2.0]\n").rows[1].method.coefficients == (2.0,)

    def test_that_the_method_has_no_more_are_refused(self, planned):
        said = refused(planned, fields={"polynomial": [1.0]})
        assert "suite.yaml:18: methods.1.calibration_file: tea.json: teacache has no field 'polynomial'" in said

    def test_that_are_impossible_are_refused(self, planned):
        assert "coefficients is empty" in refused(planned, fields={"coefficients": []})


class TestRefused:
    def test_for_another_step_count_with_the_remedy(self, planned):
        said = refused(planned, SUITE.replace("num_inference_steps: 6", "num_inference_steps: 3"))
        assert "tea.json: calibrated for 6 steps, this row samples 3: run harness calibrate teacache" in said
        assert said.count("\n") == 0

    def test_with_the_label_where_there_are_several_models(self, planned):
        other = "  big: {family: wan, model: some/hub}\n"
        assert "this row has some/hub (unpinned): run harness calibrate teacache" in refused(
            planned, SUITE.replace("prompts:", other + "prompts:")
        )
        assert "--model big" in refused(planned, SUITE.replace("prompts:", other + "prompts:"))

    def test_for_another_method(self, planned):
        said = refused(planned, method="magcache")
        assert "tea.json is a calibration of magcache, not of teacache; name one made by" in said

    def test_where_the_file_is_absent(self, planned):
        said = refused(planned, SUITE.replace("tea.json", "none.json"))
        assert "none.json: cannot be read" in said

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"family": "cogvideox"}, "calibrated for family wan, this row has cogvideox"),
            ({"fingerprint": "def"}, "calibrated for model shapes/model (abc), this row has shapes/model (def)"),
            ({"sampling": asdict(replace(SAMPLING, width=64))}, "calibrated for width 32, this row samples 64"),
            ({"sampling": asdict(replace(SAMPLING, flow_shift=3.0))}, "calibrated for flow_shift None"),
        ],
    )
    def test_for_what_it_was_not_made_for(self, calibration, changes, said):
        row = {"family": "wan", "model": "shapes/model", "fingerprint": "abc", "sampling": asdict(SAMPLING)}
        assert refusal(calibration, **row) is None
        assert refusal(calibration, **(row | {"model": "moved/model"})) is None
        assert said in refusal(calibration, **(row | changes))

    def test_for_another_hub_model_where_no_revision_tells_them_apart(self, calibration):
        row = {"family": "wan", "fingerprint": "unpinned", "sampling": asdict(SAMPLING)}
        unpinned = calibration.model_copy(update={"model_fingerprint": "unpinned", "model": "a/hub"})
        assert refusal(unpinned, model="a/hub", **row) is None
        assert "this row has b/hub" in refusal(unpinned, model="b/hub", **row)

    def test_for_a_tiny_stand_in_only_where_it_differs_from_what_it_stands_for(self, calibration):
        row = {"family": "wan", "model": "tiny:shapes/model", "fingerprint": "tiny-v1"}
        assert refusal(calibration, sampling=asdict(replace(SAMPLING, width=64)), **row) is None
        assert "6 steps" in refusal(calibration, sampling=asdict(replace(SAMPLING, num_inference_steps=3)), **row)


def test_a_calibration_lies_beside_the_suite_by_default(planned):
    loaded = planned().loaded
    assert default_path(loaded, "tiny", "teacache") == loaded.path.parent / "calibrations" / "tiny" / "teacache.json"


def test_the_shipped_calibrations_fit_the_embedded_model(tmp_path):
    suites = Path(__file__).parents[3] / "suites"
    text = (
        (suites / "calibrate_shapes.yaml").read_text(encoding="utf-8").replace("../harness", f"{suites.parent}/harness")
    )
    text = text.replace("file: prompts/", f"file: {suites}/prompts/").replace("  - method: original\n", "")
    needs = {
        "teacache": "rel_l1_thresh: 0.1",
        "magcache": "magcache_thresh: 0.1, magcache_K: 2",
        "adacache": "",
        "mixcache": "",
    }
    for method, given in needs.items():
        shipped = suites / "calibrations" / "shapes" / f"{method}.json"
        entry = f"  - {{method: {method}, calibration_file: {shipped}{', ' + given if given else ''}}}\n"
        path = tmp_path / f"{method}.yaml"
        path.write_text(text.replace("methods:\n", f"methods:\n{entry}"))
        (row,) = make_plan(load_suite(path)).rows
        assert row.skip_reason is None
