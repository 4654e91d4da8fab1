"""What a suite says its models need of a machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from harness.resources import Resources
from harness.suite_cost import StrictModel


class ResourcesEntry(StrictModel):
    """What each worker must have been given to make cells of a family or model; none of it changes a video."""

    cpus: Annotated[int, Field(ge=1)] = 1
    """`fleet.cpus_per_worker`, where that is more."""
    gpus: Annotated[float, Field(gt=0)] | None = None
    """`fleet.gpus_per_worker` where left out. A process computes on one; more keep the others free of other cells. A
    model that is spread over devices (`parallel`) has so many processes, and each of them these resources."""
    memory_gb: Annotated[float, Field(gt=0)] | None = None
    """Of the machine, not of its GPUs; 10^9 bytes."""
    labels: Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)] | None = None
    """Ray resources that the machine must have, such as `accelerator_type:H200`, which Ray itself says of its GPUs."""


def demand_of(entries: Mapping[str, ResourcesEntry], label: str, family: str, ranks: int = 1) -> Resources:
    """What a model's workers need: what is said of the model, else of its family, else nothing special."""
    entry = entries.get(label) or entries.get(family) or ResourcesEntry()
    return Resources(
        cpus=entry.cpus,
        gpus=entry.gpus or 0.0,
        memory_bytes=round((entry.memory_gb or 0.0) * 1e9),
        labels=frozenset(entry.labels or ()),
        ranks=ranks,
    )
