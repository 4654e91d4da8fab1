"""Room for workers on the machines of a cluster: pure decisions about what each worker is to be given."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from harness.driver import FleetError
from harness.resources import Resources
from harness.task import ModelSpec


def slots_of(
    nodes: Iterable[Mapping[str, float]], work: Mapping[ModelSpec, float], least: Resources, limit: int | None = None
) -> list[Resources]:
    """One entry for each worker that fits: what it is to ask for. Those with labels come first, since fewer can be had.

    `nodes` are Ray's resources of each machine (`CPU`, `GPU`, `memory` in bytes, custom ones); `work` is the expected
    cost of what each model still has to do; `least` is what every worker gets; `limit` is how many workers there may
    be. A machine is filled with workers of one size, or, where models ask for different ones, with those that have the
    most work per worker so far. A worker is given those labels of its machine that some model asks for.

    Raises:
        FleetError: there is no room for a worker that a model needs.
    """
    nodes = list(nodes)
    asked = frozenset().union(*(spec.resources.labels for spec in work))
    found: list[Resources] = []
    counts: Counter[Resources] = Counter()
    for node in nodes:
        free = _empty(node)
        labels = asked & free.labels
        sizes: defaultdict[Resources, float] = defaultdict(float)
        for spec, cost in work.items():
            if spec.resources.labels <= labels:
                sizes[_size(spec.resources, least)] += cost
        while fitting := [size for size in sizes if free.meets(_in_all(size))]:
            # Each size once before any twice, so that none fills the room another needs.
            size = max(fitting, key=lambda size: (not counts[size], sizes[size] / (counts[size] + 1)))
            counts[size] += 1
            found.append(replace(size, labels=labels))
            taken = _in_all(size)
            free = replace(
                free,
                cpus=free.cpus - taken.cpus,
                gpus=free.gpus - taken.gpus,
                memory_bytes=free.memory_bytes - taken.memory_bytes,
            )
    chosen = sorted(found, key=lambda slot: -len(slot.labels))[:limit]
    _refuse_unserved(work, chosen, found, nodes, least)
    return chosen


def _size(demand: Resources, least: Resources) -> Resources:
    """What a worker for it takes of a machine."""
    return Resources(
        cpus=max(demand.cpus, least.cpus),
        gpus=max(demand.gpus, least.gpus),
        memory_bytes=max(demand.memory_bytes, least.memory_bytes),
        ranks=demand.ranks,
    )


def _in_all(size: Resources) -> Resources:
    """What all ranks of a worker take together."""
    return replace(
        size,
        cpus=size.ranks * size.cpus,
        gpus=size.ranks * size.gpus,
        memory_bytes=size.ranks * size.memory_bytes,
        ranks=1,
    )


def _empty(node: Mapping[str, float]) -> Resources:
    """What a machine has while no worker is on it."""
    has = frozenset(name for name, amount in node.items() if amount > 0)
    return Resources(int(node.get("CPU", 0)), node.get("GPU", 0.0), int(node.get("memory", 0)), has)


def _refuse_unserved(
    work: Mapping[ModelSpec, float],
    chosen: Sequence[Resources],
    found: Sequence[Resources],
    nodes: Sequence[Mapping[str, float]],
    least: Resources,
) -> None:
    for spec in work:
        if any(slot.meets(spec.resources) for slot in chosen):
            continue
        needs = replace(_size(spec.resources, least), labels=spec.resources.labels)
        if any(slot.meets(spec.resources) for slot in found):
            remedy = f"the limit of {len(chosen)} workers leaves none; raise the number of workers"
        elif any(_empty(node).meets(_in_all(needs)) for node in nodes):
            remedy = (
                "workers of other sizes, which other models need, fill the machine that has it; run models of different"
                " sizes in suites of their own, or on more machines"
            )
        else:
            best = max((node.get("GPU", 0.0), node.get("CPU", 0.0)) for node in nodes) if nodes else (0.0, 0.0)
            remedy = (
                f"none of the {len(nodes)} machines has that, the largest has {best[1]:g} CPUs and {best[0]:g} GPUs; "
                "lower the CPUs or GPUs per worker, or change resources in the suite"
            )
        raise FleetError(f"no room for a worker of {needs}, which model {spec.label!r} needs: {remedy}")
