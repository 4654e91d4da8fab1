"""Making very many objects at once without Python looking for garbage among them again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def gc_pause(*, kept: bool = False) -> Iterator[None]:
    """No search for cyclic garbage inside, where nothing is made that refers to itself.

    Reading records spends more time on that search than on most of its own work, and it finds nothing: a record is a
    tree. What nothing refers to is freed as ever. With `kept`, what was made is there to stay: it counts as old from
    then on, so that no search for young garbage goes through all of it either.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if kept and was_on and gc.get_freeze_count() == 0:
            # Out of the generations and back into the oldest, which looks at nothing.
            gc.freeze()
            gc.unfreeze()
        if was_on:
            gc.enable()
