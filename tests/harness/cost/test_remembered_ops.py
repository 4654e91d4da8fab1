"""Operators on meta tensors, worked out once."""

from __future__ import annotations

import pytest
import torch

from harness.cost.remembered_ops import RememberedOps


class Spy(RememberedOps):
    """Counts what was remembered."""

    @property
    def known(self):
        return len(self._known)


def meta(*shape, dtype=torch.float32):
    return torch.empty(*shape, dtype=dtype, device="meta")


@pytest.mark.parametrize(
    "compute",
    [
        lambda x: x * 2 + x,
        lambda x: x.to(torch.bfloat16),
        lambda x: x @ x.t(),
        lambda x: torch.nn.functional.layer_norm(x, (4,)),
        lambda x: torch.cat([x, x], dim=1),
        lambda x: x.chunk(2)[1].contiguous(),
        lambda x: torch.native_layer_norm(x, (4,), None, None, 1e-5),
        lambda x: x.mean(dim=0, keepdim=True).expand(3, 4),
        lambda x: torch.fft.fft2(x).real,
        lambda x: x.split([3, 3]),
    ],
)
def test_results_have_the_layout_they_have_without(compute):
    x = meta(6, 4)
    expected = compute(x)
    expected = expected if isinstance(expected, tuple) else (expected,)
    with RememberedOps():
        for _ in range(2):
            found = compute(x)
            found = found if isinstance(found, tuple) else (found,)
            assert [(t.shape, t.stride(), t.dtype) for t in found] == [(t.shape, t.stride(), t.dtype) for t in expected]


def test_a_result_is_a_new_tensor_each_time():
    x = meta(4)
    with RememberedOps():
        first, second = x + 1, x + 1
    assert len({t.untyped_storage()._cdata for t in (x, first, second)}) == 3


def test_views_and_writes_stay_what_they_are():
    x = meta(4, 4)
    with RememberedOps():
        for _ in range(2):
            assert x.view(16).untyped_storage()._cdata == x.untyped_storage()._cdata
            assert x.reshape(2, 8).untyped_storage()._cdata == x.untyped_storage()._cdata
            assert x.add_(1) is x


def test_another_shape_type_or_number_is_another_result():
    others = meta(2), meta(3), meta(2, dtype=torch.float64)
    with Spy() as spy:
        for other in others:
            assert (other + 1).shape == other.shape
            assert (other + 1).dtype == other.dtype
        assert spy.known == 3
        assert torch.arange(3, device="meta").shape == (3,)
        assert torch.arange(5, device="meta").shape == (5,)


def test_values_are_computed_where_there_are_any():
    with Spy() as spy:
        for number in (1.0, 2.0):
            assert (torch.tensor([number]) * 2).item() == 2 * number
        assert spy.known == 0
