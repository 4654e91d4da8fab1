"""The price list of a suite, on tiny stand-ins: reasons, traces, memory, hours."""

from __future__ import annotations

import pytest

from harness.cost.device_rate import given_rate, measured_rate
from harness.cost.price import PriceList
from harness.cost.table import HEADER, json_row, reasons, table, total_gpu_hours
from harness.errors import StoreError
from harness.plan import make_plan
from harness.records import DecisionRecord, Flops, Latency
from harness.store import Store
from harness.suite import load_suite
from tests.harness.fake_worker import make_record

SUITE = """\
suite: small
models:
  whole: {family: wan, model: "tiny:Wan-AI/Wan2.1-T2V-1.3B-Diffusers", sampling: {num_inference_steps: 8}}
  half:
    family: wan
    model: tiny:Wan-AI/Wan2.1-T2V-1.3B-Diffusers
    baseline: whole
    sampling: {num_inference_steps: 8, guidance_scale: 1.0}
  far: {family: wan, model: some/hub}
prompts: [a red circle, a blue square]
methods:
  - {method: original, name: Original, models: [whole], published: {flops_tflop: 0.001, source: a paper}}
  - {method: original, name: One call, models: [half]}
  - {method: fora, name: FORA, models: [whole], cache_interval: 2, published: {speedup: 2, source: a paper}}
  - {method: teacache, name: Stated, models: [whole], rel_l1_thresh: 0.1, cost: {full_steps: 2.5}}
  - {method: teacache, name: Silent, models: [whole], rel_l1_thresh: 0.2}
  - {method: teacache, name: Impossible, models: [whole], rel_l1_thresh: 0.3, cost: {full_steps: 9}}
  - {method: teacache, name: Foreign, models: [whole], rel_l1_thresh: 0.3, calibration: latte}
  - {method: original, name: Unknown, models: [far]}
planned:
  - name: Planned
    models: [half]
    num_inference_steps: 4
    full_steps: 3
    other_steps_share: 0.5
    reason: nobody has made it yet
"""


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    path = tmp_path_factory.mktemp("suite") / "small.yaml"
    path.write_text(SUITE)
    return make_plan(load_suite(path))


@pytest.fixture(scope="module")
def costs(plan):
    return {cost.row: cost for cost in PriceList(plan, rate=given_rate(1e-6)).rows()}


def test_rows_come_in_the_plans_order_the_planned_ones_last(plan, costs):
    assert list(costs) == [row.name for row in plan.rows] + ["Planned"]


def test_calls_are_counted_in_full_ones_of_the_rows_own_model(costs):
    assert costs["Original"].nfe == 16
    assert costs["One call"].nfe == 8
    assert costs["Planned"].nfe == pytest.approx(3.5)
    assert costs["Original"].full_steps == costs["One call"].full_steps == 8
    assert costs["FORA"].full_steps == 4


def test_speedups_are_over_the_baselines_flops(costs):
    assert costs["Original"].theoretical_speedup == 1
    assert costs["One call"].theoretical_speedup == 2
    assert costs["Planned"].theoretical_speedup == pytest.approx(16 / 3.5)
    assert 1 < costs["FORA"].theoretical_speedup < 2
    assert costs["Unknown"].theoretical_speedup is None


def test_a_fraction_of_a_full_step_is_priced_in_proportion(plan, costs):
    cost = costs["Stated"]
    assert cost.basis == "stated full steps: 2.5"
    assert cost.full_steps == 2.5
    assert 5 < cost.nfe < 6.5  # two branches, and cached steps still embed
    assert cost.cache_bytes > 0


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("Silent", "state cost: {full_steps: N}"),
        ("Impossible", "cost.full_steps is 9; the row has 8 steps"),
        ("Foreign", "fitted for latte"),
        ("Unknown", "some/hub is not in methods/families/architectures/wan.json"),
    ],
)
def test_what_has_no_price_says_why_and_is_never_zero(row, reason, costs):
    cost = costs[row]
    assert reason in cost.reason
    assert (cost.flops, cost.nfe, cost.theoretical_speedup, cost.full_steps, cost.gpu_hours) == (None,) * 5
    assert json_row(cost)["flops"] is None
    assert reason in json_row(cost)["unpriced_because"]


def test_memory_adds_up(costs):
    original, fora = costs["Original"], costs["FORA"]
    assert original.cache_bytes == 0
    assert fora.cache_bytes > 0
    assert original.model_bytes == fora.model_bytes > 0
    assert fora.predicted_peak_bytes - original.predicted_peak_bytes == fora.cache_bytes
    assert original.predicted_peak_bytes > original.model_bytes


def test_hours_are_of_all_cells_of_rows_that_can_run(costs):
    assert costs["Original"].gpu_hours == pytest.approx(costs["Original"].flops * 2 / 1e6 / 3600)
    assert costs["Planned"].gpu_hours is None
    hours, unknown = total_gpu_hours(list(costs.values()))
    assert hours == pytest.approx(sum(costs[row].gpu_hours for row in ("Original", "One call", "FORA", "Stated")))
    assert unknown == 0


def test_the_papers_numbers_stand_beside_ours(costs):
    assert costs["Original"].published_flops == 10**9
    assert costs["Original"].difference == pytest.approx(costs["Original"].flops / 1e9 - 1)
    assert costs["FORA"].published_flops is None
    assert costs["FORA"].difference is None
    assert json_row(costs["FORA"])["published_speedup"] == 2


def test_the_table_leaves_out_empty_columns_and_names_reasons_once(costs):
    header, rows = table(list(costs.values()))
    assert len(rows) == len(costs)
    assert len(header) == len(HEADER) - 1  # no row has a published cache size
    assert all(len(row) == len(header) for row in rows)
    lines = reasons(list(costs.values()))
    assert "Planned: nobody has made it yet" in lines
    assert len(lines) == 5


class TestFromAStore:
    @pytest.fixture
    def store(self, plan, tmp_path):
        """Two videos of the row that states nothing: one computes 2 of 8 steps, the other 4."""
        store = Store(str(tmp_path))
        tasks = [task for task in plan.tasks() if task.row == "Silent"]
        for task, every in zip(tasks, (4, 2), strict=True):
            decisions = tuple(
                DecisionRecord(step_index=step, branch=branch, action="reuse" if step % every else "compute")
                for step in range(8)
                for branch in ("cond", "uncond")
            )
            latency = Latency(total_s=5, text_encode_s=1, denoise_s=2, decode_s=2, step_s=(1, 1))
            flops = Flops(denoiser=3_000_000, text_encode=1, decode=1)
            record = make_record(task)
            environment = {"device_name": "a device"}
            store.write_cell(
                record.model_copy(
                    update={
                        "decisions": decisions,
                        "latency": latency,
                        "flops": flops,
                        "environment": environment,
                    }
                )
            )
        return store

    def test_recorded_traces_price_a_row(self, plan, store):
        cost = {cost.row: cost for cost in PriceList(plan, traces_from=store).rows()}["Silent"]
        assert cost.basis == "recorded trace of 2 videos"
        assert cost.full_steps == 3

    def test_rows_without_videos_there_are_priced_by_their_statement(self, plan, store):
        cost = {cost.row: cost for cost in PriceList(plan, traces_from=store).rows()}["Stated"]
        assert cost.basis == "stated full steps: 2.5"

    def test_timed_videos_say_the_rate(self, store):
        rate = measured_rate(store)
        assert rate.flops_per_s == 1_500_000
        assert rate.source == "2 videos on a device"

    def test_a_store_without_timed_videos_says_no_rate(self, tmp_path):
        with pytest.raises(StoreError, match="give --device-rate"):
            measured_rate(Store(str(tmp_path / "empty")))
