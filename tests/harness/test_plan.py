"""The plan: lazy, pure, and with a name for each video that changes exactly when the video would."""

from __future__ import annotations

import inspect
import itertools
import json
import subprocess
import sys
import time

import pytest

from harness import plan as module
from harness.errors import SuiteError
from harness.plan import make_plan
from harness.planning.models import folder_fingerprint
from harness.seeds import seed_of
from harness.suite import load_suite

SUITE = """\
suite: small
models:
  tiny: {family: wan, model: ./model, dtype: float32, sampling: {num_inference_steps: 6}}
prompts: [a red circle, a blue square]
samples: 2
methods:
  - method: original
  - method: fora
    cache_interval: [2, 3]
  - method: fewer_steps
    num_inference_steps: 3
metrics: [psnr]
"""


@pytest.fixture
def planned(tmp_path):
    """The plan of a suite's text, beside a model folder."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model_index.json").write_text("{}")
    (folder / "weights.safetensors").write_bytes(b"1")

    def make(text=SUITE, name="small.yaml"):
        path = tmp_path / name
        path.write_text(text)
        return make_plan(load_suite(path))

    make.folder = folder
    return make


def ids(plan):
    """Cell ids by what a person would call the cell."""
    return {
        (task.key.method, json.dumps(task.key.config), task.key.prompt, task.sample_index): task.cell_id
        for task in plan.tasks()
    }


class TestRows:
    def test_are_named_by_method_and_the_fields_given(self, planned):
        names = [row.name for row in planned().rows]
        assert names == [
            "original",
            "fora (cache_interval=2)",
            "fora (cache_interval=3)",
            "fewer_steps (num_inference_steps=3)",
        ]

    def test_take_the_suites_name_and_keep_sweeps_apart(self, planned):
        text = SUITE.replace("  - method: fora\n", "  - method: fora\n    name: FORA\n")
        assert [row.name for row in planned(text).rows][1:3] == ["FORA (cache_interval=2)", "FORA (cache_interval=3)"]
        assert planned(text.replace("[2, 3]", "2")).rows[1].name == "FORA"

    def test_name_the_model_where_there_are_several(self, planned):
        text = SUITE.replace("prompts:", "  big: {family: wan, model: some/hub}\nprompts:", 1)
        plan = planned(text.replace("    cache_interval: [2, 3]", "    cache_interval: 2\n    models: [big]"))
        assert [(row.name, row.baseline) for row in plan.rows] == [
            ("tiny: original", None),
            ("big: original", None),
            ("big: fora (cache_interval=2)", "big: original"),
            ("tiny: fewer_steps (num_inference_steps=3)", "tiny: original"),
            ("big: fewer_steps (num_inference_steps=3)", "big: original"),
        ]

    def test_are_compared_with_the_original_wherever_it_stands(self, planned):
        assert [row.baseline for row in planned().rows] == [None, "original", "original", "original"]
        last = SUITE.replace("  - method: original\n", "").replace("metrics:", "  - method: original\nmetrics:")
        assert [row.baseline for row in planned(last).rows] == ["original", "original", "original", None]

    def test_have_no_baseline_where_there_is_no_original(self, planned):
        plan = planned(SUITE.replace("  - method: original\n", ""))
        assert {row.baseline for row in plan.rows} == {None}
        assert {task.reference_cell_id for task in plan.tasks()} == {None}

    def test_of_a_sweep_are_the_product_of_its_lists(self, planned):
        text = SUITE.replace("[2, 3]", "[2, 3]\n    schedule: [ascending, descending]")
        configs = [row.method.config() for row in planned(text).rows if row.method_name == "fora"]
        expected = [{"cache_interval": n, "schedule": s} for n in (2, 3) for s in ("ascending", "descending")]
        assert configs == expected

    def test_take_a_list_for_a_tuple_field_as_one_value_and_nested_lists_as_a_sweep(self, planned):
        pab = "  - method: pab\n    timestep_skip_range: {}\nmetrics:"
        one = planned(SUITE.replace("metrics:", pab.format("[100, 800]"))).rows[4:]
        assert [row.method.timestep_skip_range for row in one] == [(100, 800)]
        assert one[0].name == "pab (timestep_skip_range=100-800)"
        two = planned(SUITE.replace("metrics:", pab.format("[[100, 800], [200, 700]]"))).rows[4:]
        assert [row.method.timestep_skip_range for row in two] == [(100, 800), (200, 700)]

    def test_show_the_sampling_the_method_really_uses(self, planned):
        assert [row.sampling.num_inference_steps for row in planned().rows] == [6, 6, 6, 3]
        assert [row.expected_cost for row in planned().rows] == [1, 1, 1, 0.5]

    def test_that_cannot_run_say_why_and_have_no_cells(self, planned):
        text = SUITE.replace("metrics:", "  - {method: teacache, rel_l1_thresh: 0.1, calibration: latte}\nmetrics:")
        plan = planned(text)
        assert "fitted for latte" in plan.rows[4].skip_reason
        assert plan.cells == 16 == len(list(plan.tasks()))
        assert plan.manifest().rows[4].cell_ids == ()

    @pytest.mark.parametrize(
        ("entry", "other"),
        [
            ("{method: teacache, rel_l1_thresh: 1}", "{method: teacache, rel_l1_thresh: 1.0}"),
            ("{method: pab}", "{method: pab, timestep_skip_range: [100.0, 800]}"),
            (
                "{method: fora, cache_interval: 4}",
                "{method: fora, cache_interval: 4, name: other, schedule: ascending}",
            ),
        ],
    )
    def test_that_mean_the_same_are_refused_however_they_are_written(self, planned, entry, other):
        """1 and 1.0, a default left out or written down: one video, so one row."""
        with pytest.raises(SuiteError, match="is the same as row"):
            planned(SUITE.replace("metrics:", f"  - {entry}\n  - {other}\nmetrics:"))
        first, second = (ids(planned(SUITE.replace("metrics:", f"  - {each}\nmetrics:"))) for each in (entry, other))
        assert set(first.values()) == set(second.values())


class TestTasks:
    def test_are_made_one_by_one(self, planned, monkeypatch):
        """A hundred thousand cells must not be built before the first one starts."""
        plan = planned()
        made = []
        real = module.CellTask
        monkeypatch.setattr(module, "CellTask", lambda **fields: made.append(1) or real(**fields))
        tasks = plan.tasks()
        assert inspect.isgenerator(tasks)
        assert made == []
        next(tasks)
        assert made == [1]

    def test_are_all_rows_by_all_prompts_by_all_samples(self, planned):
        plan = planned()
        places = [(task.row_index, task.prompt_index, task.sample_index) for task in plan.tasks()]
        assert places == list(itertools.product(range(4), range(2), range(2)))
        assert plan.cells == 16

    def test_name_the_originals_cell_of_the_same_prompt_and_sample(self, planned):
        tasks = list(planned().tasks())
        originals = {(t.prompt_index, t.sample_index): t.cell_id for t in tasks if t.row == "original"}
        for task in tasks:
            expected = None if task.row == "original" else originals[task.prompt_index, task.sample_index]
            assert task.reference_cell_id == expected

    @pytest.mark.parametrize("seeds", ["index", "vbench-wan"])
    def test_have_seeds_that_never_depend_on_the_method(self, planned, seeds):
        seen = {}
        for task in planned(SUITE + f"seeds: {seeds}\n").tasks():
            place = task.prompt_index, task.sample_index
            assert task.key.seed == seed_of(seeds, prompt_index=place[0], sample_index=place[1])
            assert seen.setdefault(place, task.key.seed) == task.key.seed
        assert len(seen) == 4

    def test_name_videos_as_vbench_expects_in_one_folder_a_row(self, planned):
        tasks = list(planned().tasks())
        assert {task.video.rpartition("/")[2] for task in tasks} == {
            f"{prompt}-{index}.mp4" for prompt in ("a red circle", "a blue square") for index in range(2)
        }
        assert len({task.video.rpartition("/")[0] for task in tasks}) == 4
        assert len({task.video for task in tasks}) == 16

    def test_keep_file_names_short_enough_for_a_file_system(self, planned, tmp_path):
        """Prompts of several hundred letters are usual, and differ at the end."""
        prompts = json.dumps(["é" * 300, "é" * 299 + "x"])
        videos = [task.video for task in planned(SUITE.replace("[a red circle, a blue square]", prompts)).tasks()]
        assert len(set(videos)) == 16
        for video in videos:
            (tmp_path / video.rpartition("/")[2]).touch()

    def test_of_a_model_folder_do_not_tell_where_it_lies(self, planned):
        assert {task.key.model for task in planned().tasks()} == {"model"}


class TestCellIds:
    def test_are_the_same_in_another_process_whatever_its_hash_seed(self, planned, tmp_path):
        expected = [task.cell_id for task in planned().tasks()]
        code = (
            "import sys; from pathlib import Path;"
            "from harness.plan import make_plan; from harness.suite import load_suite;"
            "print(*[t.cell_id for t in make_plan(load_suite(Path(sys.argv[1]))).tasks()]);"
            "print([m for m in ('ray', 'mlflow') if m in sys.modules])"
        )
        command = [sys.executable, "-c", code, str(tmp_path / "small.yaml")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found, imported = done.stdout.splitlines()
        assert found.split() == expected
        assert imported == "[]"  # planning needs neither the fleet nor the tracker

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("suite: small", "suite: other"),
            ("suite: small", "suite: small\ndescription: words\nstore: elsewhere"),
            ("tiny:", "renamed:"),
            ("  - method: original\n", "  - method: original\n    name: base\n"),
            ("  - method: fora\n", "  - method: fora\n    name: x\n"),
            ("metrics: [psnr]", "metrics: [ssim, psnr]\nfleet: {workers: 3}\nfps: 8"),
            ("[a red circle, a blue square]", "[a blue square, a red circle]"),
            ("[2, 3]", "[3, 2]"),
            ("num_inference_steps: 6}", "num_inference_steps: 6, height: 480}"),
        ],
    )
    def test_do_not_change_with_what_makes_no_other_video(self, planned, old, new):
        assert old in SUITE
        assert ids(planned(SUITE.replace(old, new))) == ids(planned())

    @pytest.mark.parametrize(
        ("old", "new", "changed"),
        [
            ("num_inference_steps: 6", "num_inference_steps: 6, guidance_scale: 4", 16),
            ("num_inference_steps: 6", "num_inference_steps: 6, flow_shift: 4", 16),
            ("num_inference_steps: 6", "num_inference_steps: 6, negative_prompt: bad", 16),
            ("num_inference_steps: 6", "num_inference_steps: 7", 12),
            ("dtype: float32", "dtype: bfloat16", 16),
            ("model: ./model", "model: ./model, revision: abc", 0),
            ("samples: 2", "samples: 2\nseeds: vbench-wan", 8),
            ("[2, 3]", "[2, 4]", 4),
            ("    num_inference_steps: 3", "    num_inference_steps: 2", 4),
            ("a red circle", "a red cross", 8),
        ],
    )
    def test_change_with_whatever_makes_another_video_and_only_there(self, planned, old, new, changed):
        assert SUITE.count(old) == 1
        before, after = set(ids(planned()).values()), set(ids(planned(SUITE.replace(old, new))).values())
        assert len(before - after) == changed

    def test_change_with_the_models_weights(self, planned):
        before = set(ids(planned()).values())
        (planned.folder / "weights.safetensors").write_bytes(b"2")
        assert not before & set(ids(planned()).values())

    def test_change_with_the_hub_revision(self, planned):
        first, second = (set(ids(planned(SUITE.replace("./model", f"a/b, revision: {r}"))).values()) for r in "xy")
        assert not first & second

    def test_change_with_the_methods_code(self, planned, monkeypatch):
        before = ids(planned())
        real = module.code_hash
        monkeypatch.setattr(module, "code_hash", lambda method, family: real(method, family) + "+" * (method == "fora"))
        after = ids(planned())
        assert {key[0] for key in before if before[key] != after[key]} == {"fora"}

    def test_of_the_manifest_are_those_of_the_tasks_prompt_major(self, planned):
        plan = planned()
        manifest = plan.manifest()
        for row in manifest.rows:
            tasks = [task for task in plan.tasks() if task.row == row.row]
            assert row.cell_ids == tuple(task.cell_id for task in tasks)
            assert all(row.cell_ids[t.prompt_index * 2 + t.sample_index] == t.cell_id for t in tasks)
            assert {task.row_key for task in tasks} == {row.row_key}
        assert manifest.suite_yaml == SUITE
        assert type(manifest).model_validate_json(manifest.model_dump_json()) == manifest


def test_fingerprint_is_of_names_and_contents_not_of_the_place(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name / "vae").mkdir(parents=True)
        (tmp_path / name / "vae" / "config.json").write_text("{}")
    assert folder_fingerprint(tmp_path / "a") == folder_fingerprint(tmp_path / "b")
    (tmp_path / "b" / "README.md").write_text("words")
    assert folder_fingerprint(tmp_path / "a") == folder_fingerprint(tmp_path / "b")
    (tmp_path / "b" / "vae" / "config.json").rename(tmp_path / "b" / "config.json")
    assert folder_fingerprint(tmp_path / "a") != folder_fingerprint(tmp_path / "b")


@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin", "merges.txt", "spiece.model"])
def test_fingerprint_changes_with_each_kind_of_weights(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"1")
    before = folder_fingerprint(tmp_path)
    path.write_bytes(b"2")
    assert folder_fingerprint(tmp_path) != before


def test_75000_cells_are_planned_in_seconds(planned):
    """VBench's 946 prompts x 5 samples x 16 rows; the bound is loose, for busy machines."""
    intervals = list(range(2, 17))
    prompts = json.dumps([f"prompt number {index}" for index in range(946)])
    text = SUITE.replace("[a red circle, a blue square]", prompts).replace("samples: 2", "samples: 5")
    text = text.replace("[2, 3]", str(intervals)).replace("  - method: fewer_steps\n    num_inference_steps: 3\n", "")
    plan = planned(text)
    assert plan.cells == 16 * 946 * 5 == 75_680
    start = time.process_time()
    assert sum(1 for _ in plan.tasks()) == 75_680
    assert time.process_time() - start < 20
