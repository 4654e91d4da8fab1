"""Lists of full steps: the released ones, ours, and which caches they let get too old."""

from __future__ import annotations

import pytest

from methods.students.step_list import alternate, cache_ages, check_step_list, maximum_interval, staleness

RELEASED = (0, 1, 2, 5, 9, 13, 17, 19)
RELEASED_TEN = (0, 1, 2, 5, 9, 11, 13, 15, 17, 19)
OURS_N3 = (0, 1, 2, 4, 6, 8, 11, 13, 15, 17, 19)
OURS_N2 = (0, 1, 2, 3, 5, 7, 9, 11, 13, 15, 17, 18, 19)


def shifted(steps, shift):
    even = [1 - index / steps for index in range(steps)]
    return [shift * sigma / (1 + (shift - 1) * sigma) for sigma in even]


@pytest.mark.parametrize(
    ("step_list", "full", "interval"),
    [(RELEASED, 8, 4), (RELEASED_TEN, 10, 4), (OURS_N3, 11, 3), (OURS_N2, 13, 2)],
)
def test_lists_have_the_papers_full_steps_and_interval(step_list, full, interval):
    check_step_list(step_list, 20)
    assert len(step_list) == full
    assert maximum_interval(step_list, 20) == interval


def test_the_list_of_hunyuan_video_15_waits_for_three_steps():
    assert maximum_interval((0, 2, 4, 7), 8) == 3


@pytest.mark.parametrize(
    ("step_list", "steps", "shift"),
    [(RELEASED, 20, 5.0), (RELEASED_TEN, 20, 5.0), (OURS_N3, 20, 5.0), (OURS_N2, 20, 5.0), ((0, 2, 4, 7), 8, 7.0)],
)
def test_no_list_lets_a_cache_get_older_than_in_the_papers_training(step_list, steps, shift):
    assert max(cache_ages(step_list, shifted(steps, shift)).values()) <= 0.175 + 1e-9
    assert staleness(step_list, shifted(steps, shift), 0.2) is None


def test_ages_by_hand():
    ages = cache_ages((0, 2), [1.0, 0.9, 0.7, 0.4])
    assert ages == pytest.approx({1: 0.1, 3: 0.3})


def test_staleness_names_the_worst_step_and_the_remedy():
    message = staleness((0, 2), [1.0, 0.9, 0.7, 0.4], 0.2)
    assert "predicts step 3 from a cache 0.300 of sigma old, beyond delta_max 0.2 of" in message
    assert staleness((0, 2), [1.0, 0.9, 0.7, 0.4], 0.3) is None


@pytest.mark.parametrize(
    ("step_list", "steps", "message"),
    [
        ((), 4, "step_list is ''; it must begin with 0"),
        ((1, 2), 4, "step_list is '1 2'; it must begin with 0"),
        ((0, 2, 2), 4, "step_list is '0 2 2'; full steps must ascend"),
        ((0, 4), 4, "step_list is '0 4' but there are 4 steps, 0 to 3"),
    ],
)
def test_refuses_lists_that_no_video_can_follow(step_list, steps, message):
    with pytest.raises(ValueError, match=message):
        check_step_list(step_list, steps)


def test_every_second_step():
    assert alternate(5) == (0, 2, 4)
