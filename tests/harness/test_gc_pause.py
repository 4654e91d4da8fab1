"""Python's search for garbage stands still inside, and goes on behind."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

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


KEPT = """
import gc, weakref
from harness.gc_pause import gc_pause

class Ring:
    def __init__(self):
        self.itself = self

with gc_pause(kept=True):
    ring = Ring()
    assert any(one is ring for one in gc.get_objects(generation=0))
assert any(one is ring for one in gc.get_objects(generation=2))
assert gc.isenabled() and gc.get_freeze_count() == 0
there = weakref.ref(ring)
del ring
gc.collect()
assert there() is None
"""


def test_what_is_kept_is_old_at_once_and_still_looked_through() -> None:
    """In a process of its own: in this one, the tests' own imports are frozen."""
    subprocess.run([sys.executable, "-c", KEPT], check=True, cwd=Path(__file__).parents[2])


def test_what_others_froze_stays_frozen() -> None:
    gc.freeze()
    before = gc.get_freeze_count()
    with gc_pause(kept=True):
        pass
    assert 0 < gc.get_freeze_count() <= before


def test_who_had_turned_it_off_finds_it_off() -> None:
    gc.disable()
    try:
        with gc_pause():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
