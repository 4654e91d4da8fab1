"""What a suite states about its rows: baselines, names, costs, rows to come."""

from __future__ import annotations

import pytest

from harness.errors import SuiteError
from harness.plan import make_plan
from harness.suite import load_suite

SUITE = """\
suite: stated
models:
  original: {family: wan, model: some/hub, sampling: {num_inference_steps: 6}}
  distilled:
    family: wan
    model: some/hub
    baseline: original
    sampling: {num_inference_steps: 6, guidance_scale: 1.0}
prompts: [a red circle]
methods:
  - method: original
    name: "Original: 6 steps"
    models: [original]
  - method: original
    name: "Distilled: 6 steps"
    models: [distilled]
    published: {flops_tflop: 12.5, speedup: 2, source: Table 1}
  - method: teacache
    name: TeaCache
    models: [distilled]
    rel_l1_thresh: 0.1
    cost: {full_steps: 2.5}
  - method: fora
    name: FORA
    cache_interval: 2
planned:
  - name: Soon
    models: [distilled]
    num_inference_steps: 4
    full_steps: 2
    other_steps_share: 0.25
    reason: nobody has made it yet
"""


@pytest.fixture
def planned(tmp_path):
    def make(text=SUITE):
        path = tmp_path / "stated.yaml"
        path.write_text(text)
        return make_plan(load_suite(path))

    return make


def test_a_named_row_of_one_model_is_called_just_that(planned):
    assert [row.name for row in planned().rows] == [
        "Original: 6 steps",
        "Distilled: 6 steps",
        "TeaCache",
        "original: FORA",
        "distilled: FORA",
    ]


def test_rows_are_compared_with_the_original_of_the_baseline(planned):
    plan = planned()
    assert [row.baseline for row in plan.rows] == [None, *["Original: 6 steps"] * 4]
    references = {task.row: task.reference_cell_id for task in plan.tasks()}
    assert references["Original: 6 steps"] is None
    ids = {task.row: task.cell_id for task in plan.tasks()}
    assert set(references.values()) - {None} == {ids["Original: 6 steps"]}


def test_what_is_stated_is_on_the_row_and_changes_no_cell(planned):
    plan = planned()
    assert plan.rows[1].published.flops_tflop == 12.5
    assert plan.rows[2].cost.full_steps == 2.5
    without = SUITE.replace("    cost: {full_steps: 2.5}\n", "").replace("published:", "#")
    assert [task.cell_id for task in planned(without).tasks()] == [task.cell_id for task in plan.tasks()]


def test_a_planned_row_is_there_and_has_no_cells(planned):
    plan = planned()
    (soon,) = plan.stated
    assert (soon.name, soon.baseline, soon.sampling.num_inference_steps) == ("Soon", "Original: 6 steps", 4)
    assert plan.cells == 5
    assert {task.row for task in plan.tasks()} == {row.name for row in plan.rows}
    assert "Soon" not in {row.row for row in plan.manifest().rows}
    assert [(row.row, row.reason) for row in plan.manifest().planned] == [("Soon", soon.stated.reason)]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("baseline: original", "baseline: orignal", "7: models.distilled.baseline: unknown model 'orignal'; did you"),
        ("baseline: original", "baseline: distilled", "models.distilled.baseline: 'distilled' is its own baseline"),
        (
            "model: some/hub, sampling: {num_inference_steps: 6}",
            "model: some/hub, baseline: distilled",
            "models.original.baseline: 'distilled' has a baseline itself",
        ),
        (
            "guidance_scale: 1.0",
            "height: 256",
            "baseline: height is 256 for 'distilled' and 480 for 'original', so their videos cannot be compared",
        ),
        (
            '  - method: original\n    name: "Original: 6 steps"\n    models: [original]\n',
            "",
            "models.distilled.baseline: model 'original' has no row of method original; add it",
        ),
        ("name: Soon", "name: TeaCache", "planned: a second row is called 'TeaCache'"),
        (
            "    models: [distilled]\n    num_inference_steps: 4",
            "    models: [distiled]\n    num_inference_steps: 4",
            "planned.0.models: unknown model 'distiled'; did you mean 'distilled'?",
        ),
        ("full_steps: 2\n", "full_steps: 5\n", "planned.0: full_steps is 5 of 4 steps; lower it"),
        ("    reason: nobody has made it yet\n", "", "planned.0.reason: is missing; add it"),
        ("other_steps_share:", "other_step_share:", "planned.0.other_step_share: unknown key; did you mean"),
        ("cost: {full_steps: 2.5}", "cost: {}", "methods.2.cost: give either full_steps or trace"),
        ("cost: {full_steps: 2.5}", "cost: {full_steps: 2, trace: x}", "cost: give either full_steps or trace"),
        ("cost: {full_steps: 2.5}", "cost: {full_steps: 0}", "methods.2.cost.full_steps: "),
        ("cost: {full_steps: 2.5}", "cost: {full_step: 2}", "cost.full_step: unknown key; did you mean 'full_steps'?"),
        ("{full_steps: 2.5}", "{full_steps: 2.5, levels: {step: 3}}", "levels needs a whole number of full_steps"),
        ("    cache_interval: 2", "    cache_interval: 2\n    published: {source: x}", "published: belongs to one row"),
        (
            "    name: FORA\n",
            "    name: FORA\n    models: [original]\n    cost: {full_steps: 3}\n",
            "methods.3.cost: fora has a fixed schedule",
        ),
        ("source: Table 1", "sauce: Table 1, source: Table 1", "published.sauce: unknown key; did you mean 'source'?"),
    ],
)
def test_what_cannot_be_is_one_line_with_its_place(planned, old, new, message):
    assert SUITE.count(old) == 1
    with pytest.raises(SuiteError) as raised:
        planned(SUITE.replace(old, new))
    assert any(message in line for line in str(raised.value).splitlines())
