"""What an adaptive method is told to do while it is priced: a stated number of full steps, or what was recorded."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from harness.cost.models import UnpricedError
from harness.records import DecisionRecord
from harness.store import Store
from methods.base import Branch, Decision

Trace = tuple[Decision, ...]

_FILE = TypeAdapter(list[DecisionRecord] | list[list[DecisionRecord]])


@dataclass(frozen=True)
class WeightedTrace:
    """A trace and the share of the row's videos that it stands for; None for a fixed schedule, which needs none."""

    weight: float
    trace: Trace | None


@dataclass(frozen=True)
class Basis:
    """What a row's price rests on: the traces to replay, and how to say so."""

    said: str
    traces: tuple[WeightedTrace, ...]


SCHEDULE = Basis("schedule", (WeightedTrace(1.0, None),))


def full_step_indices(num_steps: int, full_steps: int) -> tuple[int, ...]:
    """`full_steps` of `num_steps` steps, spread evenly, the first always among them."""
    return tuple(index * num_steps // full_steps for index in range(full_steps))


def stated_trace(
    num_steps: int, branches: Sequence[Branch], full_steps: int, levels: Mapping[str, int] | None = None
) -> Trace:
    """Full steps at `full_step_indices`; the others cached, at each of `levels` so many times, in turn.

    At level `step`, and without levels, a cached step reuses every call; at any other the conditional call, or the only
    one, runs in part, and the unconditional one is reused.

    Raises:
        UnpricedError: the numbers are not those of the steps.
    """
    if not 1 <= full_steps <= num_steps:
        raise UnpricedError(f"cost.full_steps is {full_steps}; the row has {num_steps} steps, give 1 to {num_steps}")
    full = set(full_step_indices(num_steps, full_steps))
    cached = [step for step in range(num_steps) if step not in full]
    names = in_turn(levels) if levels is not None else ["step"] * len(cached)
    if len(names) != len(cached):
        raise UnpricedError(
            f"cost.levels has {len(names)} steps; {num_steps} - {full_steps} = {len(cached)} are cached"
        )
    level_of = dict(zip(cached, names, strict=True))
    trace = []
    for step in range(num_steps):
        for branch in branches:
            level = level_of.get(step)
            if level is None:
                trace.append(Decision(step, branch, "compute"))
            elif level == "step" or branch == "uncond":
                trace.append(Decision(step, branch, "reuse", level=level if levels is not None else None))
            else:
                trace.append(Decision(step, branch, "partial", level=level))
    return tuple(trace)


def in_turn(levels: Mapping[str, int]) -> list[str]:
    """Each name as often as it says, one after the other for as long as there are some left."""
    rounds = max(levels.values(), default=0)
    return [name for turn in range(rounds) for name, count in levels.items() if turn < count]


def stated_basis(
    num_steps: int, branches: Sequence[Branch], full_steps: float, levels: Mapping[str, int] | None
) -> Basis:
    """A stated number of full steps; a fraction lies between the two whole numbers around it, in proportion."""
    lower = math.floor(full_steps)
    share = full_steps - lower
    parts = [(1 - share, lower), (share, lower + 1)]
    traces = tuple(
        WeightedTrace(weight, stated_trace(num_steps, branches, count, levels)) for weight, count in parts if weight > 0
    )
    return Basis(f"stated full steps: {full_steps:g}", traces)


def recorded_basis(videos: Iterable[Sequence[DecisionRecord]]) -> Basis:
    """Recorded decisions of videos, equal ones replayed once.

    Raises:
        UnpricedError: there are none.
    """
    counted: dict[Trace, int] = {}
    for records in videos:
        # Distances differ from video to video and decide nothing here.
        trace = tuple(Decision(r.step_index, r.branch, r.action, level=r.level) for r in records)  # type: ignore[arg-type]
        counted[trace] = counted.get(trace, 0) + 1
    total = sum(counted.values())
    if not total:
        raise UnpricedError("no decisions are recorded")
    return Basis(
        f"recorded trace of {total} video{'s' if total > 1 else ''}",
        tuple(WeightedTrace(count / total, trace) for trace, count in counted.items()),
    )


def basis_of_file(path: Path) -> Basis:
    """Decisions of one video, or a list of those of several, as JSON.

    Raises:
        UnpricedError: the file cannot be read, or holds something else.
    """
    try:
        found = _FILE.validate_python(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise UnpricedError(f"cost.trace {path.name} cannot be read ({error.strerror})") from None
    except (ValueError, ValidationError):
        raise UnpricedError(f"cost.trace {path.name} holds no list of decisions, nor a list of such lists") from None
    videos = [found] if found and isinstance(found[0], DecisionRecord) else found
    return recorded_basis(videos)  # type: ignore[arg-type]


def basis_of_store(store: Store, cell_ids: Iterable[str]) -> Basis | None:
    """What a store recorded of a row's cells; None where none of them is finished."""
    records = store.cells(cell_ids).values()
    videos = [record.decisions for record in records if record.decisions]
    return recorded_basis(videos) if videos else None
