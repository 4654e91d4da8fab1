"""What a cell takes: a row's own mean, and until there is one the best guess from the rest."""

from __future__ import annotations

import pytest

from harness.durations import Durations, Measured


@pytest.fixture
def durations() -> Durations:
    """Two rows of one model and one of another; the last was measured before."""
    found = Durations({"c": Measured(cells=4, seconds=40.0)})
    found.add_row("a", "model", 1.0)
    found.add_row("b", "model", 0.5)
    found.add_row("c", "other", 2.0)
    return found


def test_without_any_number_the_predicted_cost_is_the_order() -> None:
    durations = Durations({})
    durations.add_row("a", "model", 1.0)
    durations.add_row("b", "model", 0.5)
    assert durations.expected_s("a") > durations.expected_s("b")


def test_what_the_store_knows_of_a_row_is_its_own_mean(durations: Durations) -> None:
    assert durations.expected_s("c") == 10.0


def test_another_model_says_how_long_a_unit_of_cost_takes(durations: Durations) -> None:
    """40 s for 4 cells of cost 2."""
    assert durations.expected_s("a") == 5.0
    assert durations.expected_s("b") == 2.5


def test_the_rows_own_model_goes_before_the_others(durations: Durations) -> None:
    durations.measured("a", 60.0)
    assert durations.expected_s("b") == 30.0


def test_a_rows_own_mean_replaces_every_prediction(durations: Durations) -> None:
    durations.measured("a", 60.0)
    durations.measured("b", 50.0)
    durations.measured("b", 54.0)
    assert durations.expected_s("b") == 52.0
    assert durations.expected_s("a") == 60.0


def test_a_row_that_is_made_known_twice_counts_once(durations: Durations) -> None:
    durations.add_row("c", "other", 2.0)
    durations.measured("c", 20.0)
    assert durations.expected_s("c") == 12.0


def test_an_unknown_row_is_a_key_error(durations: Durations) -> None:
    with pytest.raises(KeyError):
        durations.expected_s("z")
