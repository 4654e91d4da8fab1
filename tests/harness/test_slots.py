"""How a cluster's machines are shared among workers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from fake_worker import make_model

from harness.driver import FleetError
from harness.resources import Resources
from harness.slots import slots_of
from harness.task import ModelSpec

H200 = "accelerator_type:H200"
GPU_NODE = {"CPU": 32.0, "GPU": 4.0, "memory": 256e9, "node:10.0.0.1": 1.0, "accelerator_type:A100": 1.0}
H200_NODE = {"CPU": 64.0, "GPU": 8.0, "memory": 1e12, "node:10.0.0.2": 1.0, H200: 1.0}
WHOLE_GPU = Resources(cpus=1, gpus=1.0)


def model(name: str, **demand: object) -> ModelSpec:
    return replace(make_model(name), resources=Resources(**demand))  # type: ignore[arg-type]


def test_every_machine_is_filled_by_itself() -> None:
    """Two machines of 3 cores have room for two workers of 2 cores, not for three."""
    assert len(slots_of([{"CPU": 3.0}, {"CPU": 3.0}], {model("a"): 1.0}, Resources(cpus=2))) == 2


def test_a_mixed_fleet_is_used_whole_and_workers_know_where_they_are() -> None:
    work = {model("anywhere"): 5.0, model("only there", labels=frozenset({H200})): 1.0}
    slots = slots_of([GPU_NODE, H200_NODE], work, WHOLE_GPU)
    assert Counter(slot.labels for slot in slots) == {frozenset({H200}): 8, frozenset(): 4}
    assert slots[0].labels == {H200}, "those that few machines have room for are asked for first"


def test_labels_that_no_model_asks_for_are_not_asked_for() -> None:
    slots = slots_of([GPU_NODE, H200_NODE], {model("anywhere"): 1.0}, WHOLE_GPU)
    assert {slot.labels for slot in slots} == {frozenset()}
    assert len(slots) == 12


def test_sizes_share_a_machine_by_work() -> None:
    work = {model("two", gpus=2.0): 3.0, model("one"): 1.0}
    sizes = Counter(slot.gpus for slot in slots_of([H200_NODE], work, WHOLE_GPU))
    assert sizes == {2.0: 3, 1.0: 2}


def test_memory_is_a_limit_too() -> None:
    assert len(slots_of([GPU_NODE], {model("big", memory_bytes=int(100e9)): 1.0}, WHOLE_GPU)) == 2


def test_what_cannot_be_had_is_named_with_the_model_and_the_remedy() -> None:
    with pytest.raises(FleetError, match=r"accelerator_type:H200, which model 'special' needs: none of the 1 machines"):
        slots_of([GPU_NODE], {model("special", labels=frozenset({H200})): 1.0}, WHOLE_GPU)
    with pytest.raises(FleetError, match="lower the CPUs or GPUs per worker"):
        slots_of([{"CPU": 2.0}], {model("a"): 1.0}, Resources(cpus=4))
    with pytest.raises(FleetError, match="none of the 0 machines"):
        slots_of([], {model("a"): 1.0}, WHOLE_GPU)


def test_a_limit_that_leaves_a_model_out_is_refused() -> None:
    work = {model("plain"): 1.0, model("two", gpus=2.0): 3.0}
    with pytest.raises(FleetError, match="raise the number of workers"):
        slots_of([{"CPU": 4.0, "GPU": 1.0}, {"CPU": 4.0, "GPU": 2.0}], work, WHOLE_GPU, limit=1)


def test_fewer_workers_are_taken_where_they_can_do_most() -> None:
    work = {model("anywhere"): 5.0, model("only there", labels=frozenset({H200})): 1.0}
    assert all(H200 in slot.labels for slot in slots_of([GPU_NODE, H200_NODE], work, WHOLE_GPU, limit=3))


def test_ranks_are_counted_and_sizes_that_do_not_fit_together_are_told_apart() -> None:
    wide = model("four", gpus=1.0, ranks=4)
    assert Counter(slot.ranks for slot in slots_of([H200_NODE], {wide: 1.0}, WHOLE_GPU)) == {4: 2}
    assert Counter(slot.ranks for slot in slots_of([H200_NODE], {wide: 1.0, model("one"): 9.0}, WHOLE_GPU)) == {
        4: 1,
        1: 4,
    }
    with pytest.raises(
        FleetError, match="model 'one' needs: workers of other sizes, which other models need, fill the"
    ):
        slots_of([GPU_NODE], {wide: 2.0, model("one"): 1.0}, WHOLE_GPU)
    with pytest.raises(
        FleetError, match="4 ranks of 1 CPUs, 2 GPUs each, which model 'four' needs: none of the 1 mach"
    ):
        slots_of([GPU_NODE], {model("four", gpus=2.0, ranks=4): 1.0}, WHOLE_GPU)
    assert not Resources().meets(Resources(ranks=2))
    assert not Resources(ranks=2).meets(Resources())
