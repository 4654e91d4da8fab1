"""Python's search for garbage stands still inside, and goes on behind."""

from __future__ import annotations

import gc

import pytest

from harness.gc_pause import gc_pause


def fail_inside() -> None:
    with gc_pause():
        assert not gc.isenabled()
        raise ValueError("midway")


def test_the_search_goes_on_afterwards_also_after_an_error() -> None:
    assert gc.isenabled()
    with pytest.raises(ValueError, match="midway"):
        fail_inside()
    assert gc.isenabled()


def test_who_had_turned_it_off_finds_it_off() -> None:
    gc.disable()
    try:
        with gc_pause():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
