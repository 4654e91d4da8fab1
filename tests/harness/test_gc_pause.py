"""Python's search for garbage stands still inside, and goes on behind."""

from __future__ import annotations

import gc

import pytest

from harness.gc_pause import MANY_OBJECTS, gc_pause


def fail_inside() -> None:
    with gc_pause():
        assert not gc.isenabled()
        raise ValueError("midway")


def test_the_search_goes_on_afterwards_also_after_an_error() -> None:
    assert gc.isenabled()
    with pytest.raises(ValueError, match="midway"):
        fail_inside()
    assert gc.isenabled()


def test_what_was_made_by_the_hundred_thousand_is_old_at_once() -> None:
    with gc_pause():
        made = [[number] for number in range(MANY_OBJECTS + 1)]
    assert any(one is made for one in gc.get_objects(generation=2))
    assert gc.get_count()[0] < MANY_OBJECTS


def test_who_had_turned_it_off_finds_it_off() -> None:
    gc.disable()
    try:
        with gc_pause():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
