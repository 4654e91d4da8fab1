"""Nested differences and the polynomial made of them, on sequences whose continuation is known."""

from __future__ import annotations

import pytest
import torch

from methods.hooks.taylor import TaylorExpansion, differences, extrapolate


def expansion_of(values: dict[int, float], max_order: int) -> tuple[torch.Tensor, ...]:
    """The factors after outputs were computed at these steps, in double precision."""
    factors: tuple[torch.Tensor, ...] = ()
    last = 0
    for step, value in values.items():
        tensor = torch.tensor([value], dtype=torch.float64)
        factors = differences(tensor, factors, step - last or 1, TaylorExpansion(max_order, None))
        last = step
    return factors


@pytest.mark.parametrize("max_order", [0, 1, 2, 3])
def test_there_is_one_more_difference_at_each_computation_until_there_are_enough(max_order):
    counts = [len(expansion_of({step: float(step) for step in range(computed)}, max_order)) for computed in range(1, 7)]
    assert counts == [min(computed, max_order + 1) for computed in range(1, 7)]


def test_order_0_repeats_and_order_1_continues_a_line_over_any_gap():
    line = {0: 1.0, 3: 7.0, 4: 9.0, 9: 19.0}  # 2 s + 1
    constant, linear = expansion_of(line, 0), expansion_of(line, 1)
    for offset in range(1, 6):
        assert extrapolate(constant, offset, torch.float64).item() == 19.0
        assert extrapolate(linear, offset, torch.float64).item() == pytest.approx(19.0 + 2 * offset)


def test_order_2_by_hand():
    # s^2 at 0, 2, 4: first differences 2 and 6 a step, second 2, so that 3 steps on 16 + 6 * 3 + 2 * 9 / 2 = 43.
    factors = expansion_of({0: 0.0, 2: 4.0, 4: 16.0}, 2)
    assert [factor.item() for factor in factors] == [16.0, 6.0, 2.0]
    assert extrapolate(factors, 3, torch.float64).item() == 43.0


def test_differences_are_nested_and_by_the_last_gap_alone():
    # The textbook's divided difference would divide the second one by 5 / 2 instead of the last gap, 1.
    factors = expansion_of({0: 0.0, 4: 8.0, 5: 15.0}, 2)
    assert [factor.item() for factor in factors] == [15.0, 7.0, 5.0]


def test_float32_factors_keep_what_bfloat16_loses():
    before, after = (torch.tensor([value], dtype=torch.bfloat16) for value in (256.0, 258.0))
    made = {}
    for dtype in (None, torch.float32):
        expansion = TaylorExpansion(1, dtype)
        factors = differences(after, differences(before, (), 1, expansion), 3, expansion)
        assert {factor.dtype for factor in factors} == {dtype or torch.bfloat16}
        predicted = extrapolate(factors, 1, torch.float32)
        made[dtype] = predicted.item()
    assert made[torch.float32] == pytest.approx(258 + 2 / 3)
    assert made[None] != pytest.approx(258 + 2 / 3, abs=1e-3)


def test_predictions_have_the_outputs_type():
    factors = differences(torch.ones(2, dtype=torch.bfloat16), (), 1, TaylorExpansion(1, torch.float32))
    assert extrapolate(factors, 1, torch.bfloat16).dtype == torch.bfloat16
