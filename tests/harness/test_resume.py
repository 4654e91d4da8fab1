"""What a run finds done after its suite was edited: new cells are new, all others stay."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from fake_worker import make_record, make_score

from harness.ledger import Ledger, ledger_path
from harness.plan import make_plan
from harness.resume import what_is_done
from harness.store import Store
from harness.suite import load_suite

SUITE = """\
suite: small
models:
  tiny: {family: wan, model: ./model, dtype: float32, sampling: {num_inference_steps: 6}}
prompts: [a red circle, a blue square]
samples: 2
seeds: vbench-wan
methods:
  - method: original
  - {method: fora, cache_interval: 2}
  - {method: fewer_steps, num_inference_steps: 3}
metrics: [psnr]
fleet: {workers: 64}
"""
CELLS = 3 * 2 * 2

Left = Callable[[str], list[tuple[str, str, int]]]


@pytest.fixture
def left(tmp_path: Path) -> Left:
    """Run SUITE to its end, as far as the store can tell; then, for an edited text, the cells that are left to make."""
    folder, store = tmp_path / "model", Store(str(tmp_path / "store"))
    folder.mkdir()
    (folder / "model_index.json").write_text("{}")

    def tasks_of(text: str) -> list:
        (tmp_path / "small.yaml").write_text(text)
        return list(make_plan(load_suite(tmp_path / "small.yaml")).tasks())

    for task in tasks_of(SUITE):
        store.write_cell(make_record(task))
        store.write_score(make_score(task).model_copy(update={"reference_cell_id": task.reference_cell_id}))

    def cells(text: str) -> list[tuple[str, str, int]]:
        tasks = tasks_of(text)
        with Ledger(ledger_path(store)) as ledger:
            references = {task.cell_id: task.reference_cell_id for task in tasks}
            done = what_is_done(store, ledger, references, tasks[0].metrics)
        return [(task.key.method, task.key.prompt, task.sample_index) for task in tasks if task.cell_id not in done]

    return cells


def test_unchanged_nothing_is_left(left: Left) -> None:
    assert left(SUITE) == []


def test_another_fleet_makes_nothing_again(left: Left) -> None:
    assert left(SUITE.replace("workers: 64", "workers: 3, gpus_per_worker: 0.5, cell_timeout_s: 9")) == []


def test_of_an_added_row_all_cells_are_new(left: Left) -> None:
    new = left(SUITE.replace("metrics:", "  - {method: fora, cache_interval: 3}\nmetrics:"))
    assert len(new) == CELLS / 3
    assert {method for method, _, _ in new} == {"fora"}


def test_of_an_added_prompt_and_sample_only_those(left: Left) -> None:
    prompt = left(SUITE.replace("blue square]", "blue square, a green star]"))
    assert len(prompt) == CELLS / 2
    assert {prompt for _, prompt, _ in prompt} == {"a green star"}
    sample = left(SUITE.replace("samples: 2", "samples: 3"))
    assert len(sample) == CELLS / 2
    assert {sample for _, _, sample in sample} == {2}


def test_a_changed_hyper_parameter_makes_other_cells_of_its_row_alone(left: Left) -> None:
    new = left(SUITE.replace("cache_interval: 2", "cache_interval: 4"))
    assert len(new) == CELLS / 3
    assert {method for method, _, _ in new} == {"fora"}


def test_with_another_original_what_was_compared_with_it_is_compared_anew(left: Left) -> None:
    new = left(SUITE.replace("num_inference_steps: 6", "num_inference_steps: 8"))
    assert len(new) == CELLS


def test_rows_in_another_order_under_other_names_are_the_same(left: Left) -> None:
    lines = SUITE.splitlines(keepends=True)
    lines[8], lines[9] = lines[9].replace("{", "{name: FORA, "), lines[8]
    assert left("".join(lines)) == []


def test_an_added_metric_is_all_that_is_missing(left: Left) -> None:
    assert len(left(SUITE.replace("[psnr]", "[psnr, ssim]"))) == CELLS
