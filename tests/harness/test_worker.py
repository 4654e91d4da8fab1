"""One cell after another on a tiny real pipeline, with a real store."""

from __future__ import annotations

import dataclasses
import shutil

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from harness import resident as residency
from harness import worker as module
from harness.metrics.psnr import Psnr
from harness.plan import make_plan
from harness.records import Status
from harness.store import Store, lossless_path
from harness.suite import load_suite
from harness.video import frames_sha256, read_video
from harness.worker import Worker
from methods.families.wan import Wan
from methods.fora import Fora

SUITE = """\
models:
  tiny:
    family: wan
    model: ./model
    dtype: float32
    sampling: {num_inference_steps: 4, guidance_scale: 3, height: 32, width: 32, num_frames: 5, max_sequence_length: 8}
prompts: [a red circle, a blue square]
methods:
  - method: original
  - {method: fewer_steps, num_inference_steps: 2}
  - {method: fora, cache_interval: 2}
  - {method: pab, timestep_skip_range: [-1, 1001]}
  - {method: teacache, rel_l1_thresh: 1000}
metrics: [psnr, ssim]
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A saved tiny pipeline: what any user's model folder is."""
    folder = tmp_path_factory.mktemp("suite") / "model"
    Wan().tiny(0).save_pretrained(folder)
    return folder


def plan_tasks(model, text=SUITE):
    path = model.parent / "tiny.yaml"
    path.write_text(text)
    return {(task.key.method, task.prompt_index): task for task in make_plan(load_suite(path)).tasks()}


@pytest.fixture(scope="module")
def tasks(model):
    return plan_tasks(model)


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tasks):
    """Every row's first prompt, made and scored once by one worker; tests below only read."""
    store = Store(str(tmp_path_factory.mktemp("finished")))
    worker = Worker(store.root, "cpu")
    records = {method: worker.run(task) for (method, prompt), task in tasks.items() if prompt == 0}
    worker.close()
    return store, records


@pytest.fixture
def store(tmp_path):
    return Store(str(tmp_path / "store"))


@pytest.fixture
def worker(store):
    made = Worker(store.root, "cpu")
    yield made
    made.close()


@pytest.fixture
def generations(monkeypatch):
    """Methods of the cells that were really generated."""
    seen = []
    real = residency.Resident.generate
    monkeypatch.setattr(
        residency.Resident, "generate", lambda self, task: seen.append(task.key.method) or real(self, task)
    )
    return seen


class TestRecord:
    def test_every_field_is_filled_and_stored(self, finished, tasks):
        store, records = finished
        for method, record in records.items():
            task = tasks[method, 0]
            assert record.status is Status.OK, record.reason
            assert store.cells([task.cell_id]) == {task.cell_id: record}
            assert (record.row, record.row_key, record.key) == (task.row, task.row_key, task.key)
            assert record.started_at < record.finished_at
            assert record.attempt == 1
            assert record.worker
            assert record.environment["fingerprint"]
            assert record.reference_cell_id == (None if method == "original" else tasks["original", 0].cell_id)
            missing = {name for name, value in record if value is None}
            assert missing <= {"reason", "reference_cell_id"}

    def test_noise_is_the_same_for_every_method_of_a_prompt_and_sample(self, finished):
        assert len({record.noise_sha256 for record in finished[1].values()}) == 1

    def test_latency_parts_and_steps_add_up(self, finished):
        for record in finished[1].values():
            latency = record.latency
            assert len(latency.step_s) == record.key.sampling["num_inference_steps"]
            assert sum(latency.step_s) == pytest.approx(latency.denoise_s)
            parts = latency.text_encode_s + latency.denoise_s + latency.decode_s
            assert 0.5 * latency.total_s < parts <= latency.total_s
            assert latency.total_s < record.finished_at - record.started_at

    @pytest.mark.parametrize("method", ["original", "fewer_steps", "fora", "pab", "teacache"])
    def test_flops_are_torchs_count_around_the_transformer(self, finished, tasks, method):
        """Independent of the worker's meter: the counter runs inside every call of the transformer."""
        record = finished[1][method]
        task = tasks[method, 0]
        family = Wan()
        pipeline = family.load(task.model.model, revision=None, dtype="float32", device="cpu")
        counted = 0
        forward = pipeline.transformer.forward

        def counting(*args, **kwargs):
            nonlocal counted
            with FlopCounterMode(display=False) as counter:
                output = forward(*args, **kwargs)
            counted += counter.get_total_flops()
            return output

        pipeline.transformer.forward = counting
        chosen = residency.load_method(method)(**residency._as_config(task.key.config))
        sampling = residency.Sampling(**task.key.sampling)
        with torch.no_grad(), chosen.apply(pipeline, family):
            pipeline(
                **family.call_arguments(task.key.prompt, sampling),
                generator=torch.Generator().manual_seed(task.key.seed),
                output_type="latent",
            )
        assert record.flops.denoiser == pytest.approx(counted, rel=1e-3)
        assert record.flops.text_encode > 0
        assert record.flops.decode > 0
        assert record.flops.unseen_ops == ()

    def test_nfe_is_in_full_calls_of_the_transformer(self, finished):
        """Two branches a step: 8 calls for 4 steps, 4 for 2; caching ones lie between, and skip something."""
        nfe = {method: record.nfe for method, record in finished[1].items()}
        assert nfe["original"] == pytest.approx(8)
        assert nfe["fewer_steps"] == pytest.approx(4)
        assert 4 < nfe["fora"] < nfe["pab"] < 8
        assert 4 < nfe["teacache"] < 5  # first and last step of both branches, and the ends of the others

    def test_decisions_are_one_a_call_and_say_what_was_skipped(self, finished):
        actions = {method: [d.action for d in record.decisions] for method, record in finished[1].items()}
        assert actions["original"] == ["compute"] * 8
        assert actions["fewer_steps"] == ["compute"] * 4
        assert actions["fora"] == ["compute", "compute", "partial", "partial"] * 2
        assert actions["teacache"] == ["compute"] * 2 + ["reuse"] * 4 + ["compute"] * 2

    def test_cache_bytes_are_held_by_caching_methods_alone(self, finished):
        held = {method: record.memory.cache_bytes > 0 for method, record in finished[1].items()}
        assert held == {"original": False, "fewer_steps": False, "fora": True, "pab": True, "teacache": True}

    def test_videos_lie_where_the_record_says(self, finished):
        store, records = finished
        for record in records.values():
            with store.local_path(record.video) as path:
                assert module._file_sha256(path) == record.video_sha256
                assert read_video(path).shape == (5, 32, 32, 3)

    def test_the_original_keeps_its_lossless_copy_and_no_other_does(self, finished, tasks):
        store, records = finished
        kept = {method for method in records if store.exists(lossless_path(tasks[method, 0].cell_id))}
        assert kept == {"original"}
        with store.local_path(records["original"].lossless) as path:
            assert frames_sha256(read_video(path)) == records["original"].frames_sha256

    def test_scores_are_of_the_frames_before_encoding(self, finished, tasks):
        """The identity of fewer_steps would be the original; here both are decoded anew and compared by hand."""
        store, records = finished
        scores = store.scores([record.cell_id for record in records.values()])
        assert scores[records["original"].cell_id]["psnr"].values == {"psnr": None}
        for method in ("fewer_steps", "fora", "pab", "teacache"):
            score = scores[records[method].cell_id]
            assert {name: part.status for name, part in score.items()} == {"psnr": "ok", "ssim": "ok"}
            assert score["psnr"].frames_sha256 == records[method].frames_sha256
            assert 5 < score["psnr"].values["psnr"] < 100

    def test_is_bit_for_bit_what_diffusers_alone_makes(self, finished, tasks):
        """Meter, hooks and warm-up change nothing: the harness's original is the user's own pipeline call."""
        task, family = tasks["original", 0], Wan()
        pipeline = family.load(task.model.model, revision=None, dtype="float32", device="cpu")
        arguments = family.call_arguments(task.key.prompt, residency.Sampling(**task.key.sampling))
        with torch.no_grad():
            video = pipeline(
                **arguments, generator=torch.Generator().manual_seed(task.key.seed), output_type="np"
            ).frames[0]
        assert frames_sha256(residency._to_frames(video, residency.Sampling(**task.key.sampling))) == (
            finished[1]["original"].frames_sha256
        )


class TestResume:
    @pytest.fixture
    def pair(self, worker, tasks, generations):
        """An original and a cell compared with it, made; what follows starts from there."""
        records = [worker.run(tasks[method, 0]) for method in ("original", "fora")]
        generations.clear()
        return records

    def test_a_finished_cell_is_not_made_again(self, pair, worker, tasks, generations):
        assert [worker.run(tasks[method, 0]) for method in ("original", "fora")] == pair
        assert generations == []

    def test_missing_scores_are_made_from_the_lossless_copy(self, pair, worker, tasks, store, generations):
        shutil.rmtree(f"{store.root}/scores")
        worker.run(tasks["original", 0])
        assert generations == []
        assert set(store.scores([pair[0].cell_id])[pair[0].cell_id]) == {"psnr", "ssim"}

    def test_without_a_lossless_copy_the_same_frames_are_made_for_scoring(
        self, pair, worker, tasks, store, generations
    ):
        before = store.scores([pair[1].cell_id])[pair[1].cell_id]
        shutil.rmtree(f"{store.root}/scores")
        assert worker.run(tasks["fora", 0]) == pair[1]
        assert generations == ["fora"]
        after = store.scores([pair[1].cell_id])[pair[1].cell_id]
        assert {name: score.values for name, score in after.items()} == {
            name: score.values for name, score in before.items()
        }
        assert not store.exists(lossless_path(pair[1].cell_id))

    @pytest.mark.parametrize("harm", ["remove", "damage"])
    def test_an_original_without_its_lossless_copy_gets_it_back(self, pair, worker, tasks, store, harm):
        """Another metric may be added after the copies were cleaned up; its dependents need the reference."""
        path = lossless_path(pair[0].cell_id)
        if harm == "remove":
            store.remove(path)
        else:
            shutil.rmtree(f"{store.root}/scores")
            with store.local_path(path) as file:
                file.write_bytes(b"damaged")
        assert worker.run(tasks["original", 0]) == pair[0]
        with store.local_path(path) as file:
            assert frames_sha256(read_video(file)) == pair[0].frames_sha256

    def test_frames_that_differ_from_the_record_are_refused(self, pair, worker, tasks, store, monkeypatch):
        shutil.rmtree(f"{store.root}/scores")
        real = residency._to_frames
        monkeypatch.setattr(residency, "_to_frames", lambda video, sampling: 255 - real(video, sampling))
        record = worker.run(tasks["fora", 0])
        assert record.status is Status.INVALID
        assert "made again differs from its record" in record.reason

    def test_a_missing_or_damaged_reference_makes_fidelity_unavailable_and_nothing_else(self, worker, tasks, store):
        record = worker.run(tasks["fora", 1])
        assert record.status is Status.OK
        score = store.scores([record.cell_id])[record.cell_id]["psnr"]
        assert (score.status, score.values) == ("unavailable", {})
        assert "original's video" in score.reason

    def test_a_metric_that_breaks_is_a_failed_score_not_a_failed_cell(self, worker, tasks, store, monkeypatch):
        worker.run(tasks["original", 0])
        monkeypatch.setattr(Psnr, "score", lambda *_: {"psnr": float("nan")})
        record = worker.run(tasks["fora", 0])
        scores = store.scores([record.cell_id])[record.cell_id]
        assert record.status is Status.OK
        assert scores["psnr"].status == "failed"
        assert "psnr is not a finite number" in scores["psnr"].reason
        assert scores["ssim"].status == "ok"


class TestFailure:
    def test_nan_weights_make_an_invalid_cell_with_a_reason(self, model, tmp_path, worker, store):
        pipeline = Wan().tiny(0)
        with torch.no_grad():
            pipeline.transformer.proj_out.bias.fill_(float("nan"))
        folder = tmp_path / "nan" / "model"
        pipeline.save_pretrained(folder)
        task = plan_tasks(folder)["original", 0]
        record = worker.run(task)
        assert record.status is Status.INVALID
        assert "NaN" in record.reason
        assert record.latency is None
        assert not store.has_cell(task.cell_id)
        assert not store.exists(task.video)

    def test_a_missing_model_is_one_line_and_the_worker_goes_on(self, tasks, worker, tmp_path):
        task = tasks["original", 0]
        gone = dataclasses.replace(task, model=dataclasses.replace(task.model, model=str(tmp_path / "gone")))
        record = worker.run(gone)
        assert record.status is Status.FAILED
        assert "gone" in record.reason
        assert "\n" not in record.reason
        assert worker.run(task).status is Status.OK

    def test_a_method_that_breaks_midway_leaves_a_clean_pipeline(
        self, tasks, worker, finished, monkeypatch, attributes_of
    ):
        assert worker.run(tasks["original", 0]).status is Status.OK
        resident = worker._resident
        resident.leave_row()
        before = (
            attributes_of(resident._pipeline.transformer),
            set(vars(resident._pipeline)),
            set(vars(resident._pipeline.vae)),
        )
        scheduler = resident._pipeline.scheduler

        class Breaking(Fora):
            def apply(self, pipeline, family):
                applied = super().apply(pipeline, family)
                real, calls = applied.begin_call, []

                def begin_call(call):
                    calls.append(call)
                    if len(calls) > 8:  # after the warm-up
                        raise ZeroDivisionError("broken on purpose")
                    real(call)

                applied.begin_call = begin_call
                return applied

        monkeypatch.setattr(residency, "load_method", lambda name: Breaking)
        record = worker.run(tasks["fora", 0])
        assert record.status is Status.FAILED
        assert record.reason.startswith("ZeroDivisionError: broken on purpose (at test_worker.py:")
        after = (
            attributes_of(resident._pipeline.transformer),
            set(vars(resident._pipeline)),
            set(vars(resident._pipeline.vae)),
        )
        assert after == before
        assert resident._pipeline.scheduler is scheduler
        monkeypatch.undo()
        again = worker.run(tasks["fora", 0])
        assert worker._resident is resident
        assert again.frames_sha256 == finished[1]["fora"].frames_sha256

    @pytest.mark.parametrize(
        "error", [MemoryError(), RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory")]
    )
    def test_running_out_of_memory_frees_the_pipeline_and_says_so(self, tasks, worker, monkeypatch, error):
        assert worker.run(tasks["original", 0]).status is Status.OK
        row_key = worker._resident._row_key

        def starved(self, task):
            raise error

        with monkeypatch.context() as patched:
            patched.setattr(residency.Resident, "generate", starved)
            record = worker.run(tasks["fora", 0])
        assert record.status is Status.OOM
        assert "\n" not in record.reason
        assert worker._resident is None
        assert worker.run(tasks["fora", 0]).status is Status.OK
        assert worker._resident._row_key != row_key

    def test_a_scheduler_without_shift_is_a_reason(self, model, worker):
        """The family refuses what the model's scheduler cannot do; the cell says so."""
        text = SUITE.replace("max_sequence_length: 8", "max_sequence_length: 8, flow_shift: 5")
        assert worker.run(plan_tasks(model, text)["original", 0]).status is Status.OK
        worker._resident.leave_row()
        worker._resident._pipeline.scheduler._internal_dict = type(worker._resident._pipeline.scheduler.config)({})
        record = worker.run(plan_tasks(model, text)["fora", 0])
        assert record.status is Status.FAILED
        assert "flow_shift is 5.0" in record.reason


class TestResident:
    def test_pipeline_is_loaded_once_for_equal_specs_and_again_for_others(self, tasks, worker, monkeypatch):
        loaded = []
        real = Wan.load
        monkeypatch.setattr(
            Wan, "load", lambda self, model, **how: loaded.append(how["dtype"]) or real(self, model, **how)
        )
        for method in ("original", "fora", "fewer_steps"):
            worker.run(tasks[method, 0])
        assert loaded == ["float32"]
        task = tasks["original", 1]
        other = dataclasses.replace(task, model=dataclasses.replace(task.model, dtype="bfloat16"))
        assert worker.run(other).status is Status.OK
        assert loaded == ["float32", "bfloat16"]

    def test_a_row_is_warmed_up_once_and_untimed(self, tasks, worker, monkeypatch):
        calls = []
        real = residency.Resident._call_whole
        monkeypatch.setattr(
            residency.Resident,
            "_call_whole",
            lambda self, task, sampling, image: (
                calls.append((task.key.prompt, sampling.num_inference_steps)) or real(self, task, sampling, image)
            ),
        )
        warm_ups = []
        broken_off = residency.first_steps
        monkeypatch.setattr(
            residency,
            "first_steps",
            lambda pipeline, steps, call: warm_ups.append(steps) or broken_off(pipeline, steps, call),
        )
        for prompt in range(2):
            worker.run(tasks["fora", prompt])
        first, second = "a red circle", "a blue square"
        # One short without a method, one broken off, and two whole ones.
        assert calls == [(first, 2), (first, 4), (first, 4), (second, 4)]
        assert warm_ups == [2]

    def test_a_second_video_of_a_row_equals_that_of_a_fresh_worker(self, tasks, worker, store, tmp_path):
        worker.run(tasks["teacache", 0])
        record = worker.run(tasks["teacache", 1])
        fresh = Worker(str(tmp_path / "fresh"), "cpu")
        assert fresh.run(tasks["teacache", 1]).frames_sha256 == record.frames_sha256
        assert fresh.run(tasks["teacache", 0]).decisions == worker.run(tasks["teacache", 0]).decisions
        fresh.close()

    def test_text_encoding_costs_half_without_guidance(self, model, worker):
        """The same shape with and without an unconditional branch in one worker."""
        text = SUITE.replace(
            "prompts:", "  plain: {family: wan, model: ./model, dtype: float32, sampling: {}}\nprompts:", 1
        )
        sampling = SUITE[SUITE.index("{num_inference") : SUITE.index("prompts")].strip()
        path = model.parent / "plain.yaml"
        path.write_text(
            text.replace("sampling: {}", f"sampling: {sampling.replace('guidance_scale: 3', 'guidance_scale: 1')}")
        )
        guided, plain = (
            task
            for task in make_plan(load_suite(path)).tasks()
            if task.key.method == "original" and task.prompt_index == 0
        )
        plain = dataclasses.replace(plain, model=guided.model)
        both, one = worker.run(guided), worker.run(plain)
        assert both.flops.text_encode == 2 * one.flops.text_encode
        assert both.flops.denoiser == 2 * one.flops.denoiser
        assert (both.nfe, one.nfe) == (pytest.approx(8), pytest.approx(4))

    def test_closing_takes_everything_off_the_pipeline(self, tasks, worker, attributes_of, monkeypatch):
        loaded = []
        real = Wan.load

        def load(self, model, **how):
            pipeline = real(self, model, **how)
            loaded.append((pipeline, attributes_of(pipeline.transformer)))
            return pipeline

        monkeypatch.setattr(Wan, "load", load)
        worker.run(tasks["fora", 0])
        ((pipeline, before),) = loaded
        assert attributes_of(pipeline.transformer) != before
        worker.close()
        after = attributes_of(pipeline.transformer)
        # Diffusers itself leaves a registry on a transformer whose cache context was used; there must be no hook in it.
        assert after[""].pop("_diffusers_hook") == id(pipeline.transformer._diffusers_hook)
        assert pipeline.transformer._diffusers_hook.hooks == {}
        assert {name: set(own) for name, own in after.items()} == {name: set(own) for name, own in before.items()}
        assert not any("forward" in own for own in after.values())
