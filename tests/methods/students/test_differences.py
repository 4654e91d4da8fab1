"""8-bit differences: how they are rounded, and that nothing else is put together with them."""

from __future__ import annotations

import pytest
import torch

from methods.students.differences import from_differences, to_differences
from methods.students.rung import RungError


@pytest.fixture
def base():
    generator = torch.Generator().manual_seed(0)
    shapes = {"matrix": (6, 40), "convolution": (3, 4, 1, 2, 2), "vector": (5,)}
    return {name: torch.randn(shape, generator=generator).half() for name, shape in shapes.items()}


@pytest.fixture
def tensors(base):
    """Rows that differ by a thousandth and by ten from the base, and one that does not differ."""
    generator = torch.Generator().manual_seed(1)
    found = {name: value + 0.01 * torch.randn(value.shape, generator=generator) for name, value in base.items()}
    spread = torch.tensor([0.001, 10.0, 1.0, 0.0, 1.0, 1.0])[:, None]
    found["matrix"] = base["matrix"] + spread * torch.randn(6, 40, generator=generator)
    return found


def test_each_row_comes_back_within_half_a_step_of_its_own(tensors, base):
    kept, scales = to_differences(tensors, base, "here")
    found = from_differences(kept, scales, base, "here")
    assert {name: value.dtype for name, value in kept.items()} == {
        "matrix": torch.int8,
        "convolution": torch.int8,
        "vector": torch.float32,
    }
    assert scales.keys() == {"matrix", "convolution"}
    assert torch.equal(found["vector"], tensors["vector"])
    for name, scale in scales.items():
        rows = (found[name] - tensors[name]).abs().flatten(1)
        assert (rows <= 0.5001 * scale[:, None] + 1e-6).all()
        assert found[name].dtype == torch.float32
        assert (kept[name].flatten(1).abs().amax(1)[scale > 0] == 127).all()
    assert torch.equal(found["matrix"][3], base["matrix"][3].float())


def test_differences_of_nothing_are_the_base_itself(base):
    kept, scales = to_differences(base, base, "here")
    found = from_differences(kept, scales, base, "here")
    assert all(torch.equal(found[name], value.float()) for name, value in base.items())


@pytest.mark.parametrize("change", ["shape", "name"])
def test_another_architecture_is_refused(tensors, base, change):
    kept, scales = to_differences(tensors, base, "here")
    other = dict(base)
    value = other.pop("matrix")
    other |= {"matrix": value[:5]} if change == "shape" else {"others": value}
    with pytest.raises(RungError, match="here does not fit the model"):
        to_differences(tensors, other, "here")
    with pytest.raises(RungError, match="here does not fit the model"):
        from_differences(kept, scales, other, "here")


def test_a_difference_without_scale_is_refused(tensors, base):
    kept, scales = to_differences(tensors, base, "here")
    del scales["matrix"]
    with pytest.raises(RungError, match=r"here \(scales\) does not fit the model: missing matrix"):
        from_differences(kept, scales, base, "here")
