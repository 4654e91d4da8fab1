"""The scheduler's shift of the noise schedule, set for a while."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def shifted(pipeline: Any, flow_shift: float | None) -> Iterator[None]:
    """While entered, the pipeline's scheduler has this shift, or its own where that is None.

    The model's own scheduler comes back on leaving.

    Raises:
        ValueError: the model's scheduler has no shift to set.
    """
    own = pipeline.scheduler
    if flow_shift is not None:
        names = [name for name in ("flow_shift", "shift") if name in own.config]
        if not names:
            raise ValueError(f"flow_shift is {flow_shift}; {type(own).__name__} has none, so leave it out")
        pipeline.scheduler = type(own).from_config(own.config, **{names[0]: flow_shift})
    try:
        yield
    finally:
        pipeline.scheduler = own
