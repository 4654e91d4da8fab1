"""Outputs described and made anew without running what made them."""

from __future__ import annotations

import pytest
import torch

from harness.cost.outputs import Outputs, signature
from methods.hooks.store import TensorStore


def meta(*shape, dtype=torch.float32):
    return torch.empty(*shape, dtype=dtype, device="meta")


def held(value):
    store = TensorStore()
    store.put("value", value)
    return store.nbytes()


def test_fresh_outputs_have_the_layout_of_the_first_ones():
    made = (meta(2, 3).t(), {"text": meta(4, dtype=torch.bfloat16)}, None, 7)
    fresh = Outputs.of(made, ()).fresh(())
    assert fresh[0].shape == (3, 2)
    assert fresh[0].stride() == (1, 3)
    assert fresh[1]["text"].dtype == torch.bfloat16
    assert fresh[2:] == (None, 7)


def test_each_time_they_are_new_storages():
    outputs = Outputs.of(meta(8), ())
    first, second = outputs.fresh(()), outputs.fresh(())
    assert held(first) == 32
    assert held((first, second)) == 64


def test_two_halves_of_one_tensor_stay_two_halves_of_one():
    whole = meta(10, 4)
    fresh = Outputs.of((whole[:7], whole[7:]), ()).fresh(())
    assert held(fresh) == held(fresh[1]) == 160
    assert fresh[1].storage_offset() == 28


def test_a_view_of_an_input_is_a_view_of_the_next_input():
    given = meta(6, 4)[1:]
    outputs = Outputs.of((given, given[2:], meta(3)), (given,))
    other = meta(9, 4)[4:]
    fresh = outputs.fresh((other,))
    assert held((fresh[0], fresh[1], other)) == held(other)
    assert fresh[1].storage_offset() == other.storage_offset() + 8
    assert held(fresh) == held(other) + 12


def test_signatures_tell_layouts_types_values_and_sharing_apart():
    a, b = meta(2, 3), meta(2, 3)
    assert signature(((a, 1), {"x": None})) == signature(((b, 1), {"x": None}))
    kinds = [
        ((a,), {}),
        ((meta(3, 2),), {}),
        ((meta(3, 2).t(),), {}),
        ((meta(2, 3, dtype=torch.bfloat16),), {}),
        ((), {"a": a}),
        ((a, 1), {}),
        ((a, 1.0), {}),
        ((a, True), {}),
        ((a, "cond"), {}),
        ((a, a), {}),
        ((a, b), {}),
        (((a, b),), {}),
    ]
    assert len({signature(kind) for kind in kinds}) == len(kinds)


def test_what_has_no_value_is_never_taken_for_known():
    given = ((object(),), {})
    assert signature(given) != signature(given)


@pytest.mark.parametrize("output", [None, 3, "text"])
def test_outputs_that_are_no_tensors_come_back_as_they_were(output):
    assert Outputs.of(output, ()).fresh(()) == output
