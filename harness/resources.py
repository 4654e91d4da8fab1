"""What a worker takes of a machine, and which models may run on it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resources:
    """Of one worker. As a demand: what a model's cells need; as an offer: what a worker has been given."""

    cpus: int = 1
    gpus: float = 0.0
    memory_bytes: int = 0
    labels: frozenset[str] = frozenset()
    """Custom resources that the machine must have, such as Ray's own `accelerator_type:H200`."""
    ranks: int = 1
    """Processes of the worker, on one machine; CPUs, GPUs and memory are of each."""

    def meets(self, demand: Resources) -> bool:
        """Whether cells with this demand may run on a worker that was given these resources."""
        return (
            self.cpus >= demand.cpus
            and self.gpus >= demand.gpus
            and self.memory_bytes >= demand.memory_bytes
            and self.labels >= demand.labels
            and self.ranks == demand.ranks
        )

    def __str__(self) -> str:
        """For people, in one line."""
        parts = [f"{self.cpus} CPUs", f"{self.gpus:g} GPUs"]
        if self.memory_bytes:
            parts.append(f"{self.memory_bytes / 1e9:g} GB of memory")
        said = ", ".join([*parts, *sorted(self.labels)])
        return said if self.ranks == 1 else f"{self.ranks} ranks of {said} each"
