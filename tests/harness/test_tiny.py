"""Stand-ins: as deep as the model, small in everything else, and never to be taken for it."""

from __future__ import annotations

import pytest

from harness.discovery import discover_families, load_family
from harness.errors import SuiteError
from harness.plan import make_plan
from harness.records import Status
from harness.store import Store
from harness.suite import load_suite
from harness.tiny import tiny_fingerprint, tiny_pipeline, tiny_suite
from harness.variant import load_variant, only_first_prompts
from harness.worker import Worker

HUB_ID = "Wan-AI/Wan2.1-T2V-1.3B-Diffusers"
SUITE = f"""\
suite: paper
models:
  wan:
    family: wan
    model: {HUB_ID}
    revision: main
    sampling: {{num_inference_steps: 4, guidance_scale: 6, height: 720, width: 1280, flow_shift: 5}}
prompts: [a red circle, a blue square, a green circle]
samples: 2
seeds: vbench-wan
methods:
  - method: original
  - {{method: fora, cache_interval: 2}}
metrics: [psnr]
"""


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "paper.yaml"
    file.write_text(SUITE)
    return file


class TestPlan:
    def test_takes_sizes_from_the_stand_in_and_everything_else_from_the_suite(self, path):
        sampling = make_plan(load_variant(path, tiny=True)).rows[0].sampling
        tiny = load_family("wan").tiny_sampling()
        sizes = (sampling.height, sampling.width, sampling.num_frames, sampling.max_sequence_length)
        assert sizes == (tiny.height, tiny.width, tiny.num_frames, tiny.max_sequence_length)
        assert (sampling.num_inference_steps, sampling.guidance_scale, sampling.flow_shift) == (4, 6, 5)

    def test_says_tiny_in_the_suites_name_the_model_and_the_fingerprint(self, path):
        plan = make_plan(load_variant(path, tiny=True))
        manifest = plan.manifest()
        assert manifest.suite == "paper-tiny"
        assert manifest.suite_yaml.startswith("# paper-tiny: every model below was replaced")
        assert {row.model for row in manifest.rows} == {f"tiny:{HUB_ID}"}
        keys = [task.key for task in plan.tasks()]
        assert {(key.model, key.dtype) for key in keys} == {(f"tiny:{HUB_ID}", "float32")}
        assert all(key.model_fingerprint.startswith("tiny-v1-seed0-") for key in keys)

    def test_shares_no_cell_with_the_real_suite(self, path):
        real, tiny = make_plan(load_suite(path)), make_plan(load_variant(path, tiny=True))
        assert not {task.cell_id for task in real.tasks()} & {task.cell_id for task in tiny.tasks()}
        assert not {task.video for task in real.tasks()} & {task.video for task in tiny.tasks()}

    def test_of_a_tiny_suite_is_the_same_again(self, path):
        once = tiny_suite(load_suite(path))
        assert tiny_suite(once).suite.models == once.suite.models

    def test_names_a_folder_by_its_end_alone(self, path):
        path.write_text(SUITE.replace(HUB_ID, "/home/someone/models/wan"))
        assert tiny_suite(load_suite(path)).suite.models["wan"].model == "tiny:models/wan"

    def test_keeps_models_apart_that_differ_only_in_size(self, path):
        again = SUITE.replace(
            "prompts:", f"  big: {{family: wan, model: {HUB_ID}, sampling: {{height: 480}}}}\nprompts:"
        )
        path.write_text(again)
        plan = make_plan(load_variant(path, tiny=True))
        assert len({task.cell_id for task in plan.tasks()}) == plan.cells == 4 * 6
        assert [row.model for row in plan.manifest().rows][:2] == [f"tiny:{HUB_ID}", f"tiny:{HUB_ID}@seed1"]
        first, second = (tiny_pipeline(load_family("wan"), f"tiny:{HUB_ID}{mark}", "cpu") for mark in ("", "@seed1"))
        weights = [pipeline.transformer.blocks[29].attn1.to_q.weight for pipeline in (first, second)]
        assert not weights[0].equal(weights[1])


class TestFingerprint:
    def test_differs_by_depth(self):
        family = load_family("wan")
        names = [f"tiny:{name}" for name in family.architectures()]
        assert len(names) > 1
        assert len({tiny_fingerprint(family, name) for name in names}) == len(names)

    def test_says_where_the_depth_is_the_stand_ins_own(self):
        assert tiny_fingerprint(load_family("wan"), "tiny:no/such-model").endswith("-own-depth")


@pytest.mark.parametrize("family", discover_families().values(), ids=lambda family: family.name)
def test_a_stand_in_is_as_deep_as_its_model(family):
    for name in family.architectures():
        deep = len(family.stack(family.empty_transformer(family.architectures()[name])))
        stand_in = family.transformer(tiny_pipeline(family, f"tiny:{name}", "cpu"))
        assert len(family.stack(stand_in)) == deep
        assert sum(weight.numel() for weight in stand_in.parameters()) < 1e7


def test_one_cell_a_row_is_made_without_a_model(path, tmp_path):
    plan = make_plan(load_variant(path, tiny=True, first_prompts=1))
    worker = Worker(str(tmp_path / "store"), "cpu")
    records = [worker.run(task) for task in plan.tasks()]
    worker.close()
    assert [(record.status, record.reason) for record in records] == [(Status.OK, None)] * 2
    assert [decision.action for decision in records[1].decisions[::2]] == ["compute", "partial"] * 2
    assert Store(str(tmp_path / "store")).scores([records[1].cell_id])[records[1].cell_id]["psnr"].status == "ok"


class TestFirstPrompts:
    def test_are_cells_of_the_whole_suite(self, path):
        whole = {
            (task.row, task.prompt_index, task.sample_index): task.cell_id
            for task in make_plan(load_suite(path)).tasks()
        }
        part = make_plan(load_variant(path, first_prompts=2))
        tasks = list(part.tasks())
        assert part.manifest().suite == "paper-first2"
        assert (part.cells, len(tasks)) == (4, 4)
        assert all(whole[task.row, task.prompt_index, 0] == task.cell_id for task in tasks)

    def test_go_with_tiny(self, path):
        plan = make_plan(load_variant(path, tiny=True, first_prompts=1))
        assert (plan.manifest().suite, plan.cells) == ("paper-tiny-first1", 2)

    @pytest.mark.parametrize("count", [0, 4])
    def test_that_there_are_not_are_refused(self, path, count):
        with pytest.raises(SuiteError, match=f"--first-prompts is {count}, the suite has 3; give 1 to that many"):
            only_first_prompts(load_suite(path), count)
