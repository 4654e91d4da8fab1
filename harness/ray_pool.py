"""Workers as Ray actors: one process each, or several on one machine that make each cell together."""

from __future__ import annotations

import importlib
import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from harness.errors import StoreFullError
from harness.pool import Broken, Full, Lost, Raised, Ready, Report, Returned
from harness.ray_cluster import short
from harness.records import CellRecord, Status
from harness.resources import Resources
from harness.task import CellTask

if TYPE_CHECKING:
    from harness.ranks import Ranks

_SHARE = 0.001
"""Of a label, which Ray has one of on each machine: asked for so that a worker comes to one that has it."""

_Doing = Literal["starting", "making", "following"]
"""What a call of an actor is about; `following` ends only when something is wrong."""


class CellWorker(Protocol):
    """What an actor holds: built as `cls(store_root)` in the actor's process, with `ranks=` where it is not alone."""

    def run(self, task: CellTask, attempt: int) -> CellRecord:
        """Make one cell and commit it to the store; a failed one is a record too, an exception is a bug."""

    def follow(self) -> None:
        """Make the cells of the leader of its ranks with it until that is gone."""


class CellActor:
    """One worker process. Thin on purpose: everything about cells is in the worker class."""

    def __init__(self, worker: str, store_root: str, threads: int) -> None:
        """Keep what is needed to build the worker."""
        self._path = worker
        self._store_root = store_root
        self._threads = threads
        self._worker: CellWorker | None = None
        self._ranks: Ranks | None = None

    def start(self) -> tuple[str, str]:
        """Build the worker; returns where it lives and the device it holds, both for people.

        Apart from `__init__` so that errors keep their type.
        """
        self._settle_threads()
        self._worker = self._build()
        host, gpus = socket.gethostname(), os.environ.get("CUDA_VISIBLE_DEVICES")
        device = f"{host}, GPU {gpus}" if gpus else host
        return f"{device}, pid {os.getpid()}", device

    def lead(self, size: int) -> str:
        """Be the first of so many processes, before `start`; returns where the others find it."""
        self._settle_threads()
        ranks = importlib.import_module("harness.ranks")
        self._ranks = ranks.Ranks.lead(size)
        return str(self._ranks.address)

    def follow(self, address: str, rank: int, size: int) -> None:
        """Be another one, until the leader is gone."""
        self._settle_threads()
        ranks = importlib.import_module("harness.ranks")
        self._ranks = ranks.Ranks.join(address, rank, size)
        self._build().follow()

    def run(self, task: CellTask, attempt: int) -> CellRecord:
        """Make one cell."""
        if self._worker is None:
            raise RuntimeError("the actor was given a cell before it was started")
        return self._worker.run(task, attempt)

    def _settle_threads(self) -> None:
        # Read once, when torch is imported; more threads than cores per actor would make every timing a lie.
        os.environ["OMP_NUM_THREADS"] = str(self._threads)

    def _build(self) -> CellWorker:
        module, _, name = self._path.partition(":")
        make = getattr(importlib.import_module(module), name)
        ranks = {} if self._ranks is None else {"ranks": self._ranks}
        worker: CellWorker = make(self._store_root, **ranks)
        return worker


@dataclass
class _Crew:
    """A worker's actors, the one that leads first, and the place that Ray keeps for them where they are several."""

    slot: Resources
    actors: list[Any] = field(default_factory=list)
    group: Any = None


class RayPool:
    """Workers as Ray actors. Ray restarts and retries nothing: the driver does, in the open."""

    def __init__(self, ray: Any, worker: str, store_root: str, slots: Sequence[Resources]) -> None:
        """Use an initialised `ray` module; `worker` is the import path of what actors hold, `slots` what they get."""
        self._ray = ray
        self._path = worker
        self._store_root = store_root
        self._free = list(reversed(slots))
        self._crews: dict[str, _Crew] = {}
        self._refs: dict[Any, tuple[str, _Doing]] = {}
        self._class = ray.remote(CellActor)

    def start(self, worker: str) -> None:
        """Begin to build a worker."""
        crew = self._crews[worker] = _Crew(self._free.pop())
        size = crew.slot.ranks
        if size == 1:
            crew.actors = [self._actor(crew.slot)]
            self._refs[crew.actors[0].start.remote()] = (worker, "starting")
            return
        # A bundle a rank, all or none of them, and on one machine.
        crew.group = self._ray.util.placement_group([_bundle(crew.slot)] * size, strategy="STRICT_PACK")
        crew.actors = [self._actor(crew.slot, (crew.group, rank)) for rank in range(size)]
        leader, *others = crew.actors
        address = leader.lead.remote(size)
        self._refs[leader.start.remote()] = (worker, "starting")
        for rank, other in enumerate(others, start=1):
            self._refs[other.follow.remote(address, rank, size)] = (worker, "following")

    def submit(self, worker: str, task: CellTask, attempt: int) -> None:
        """Give a worker its next cell."""
        self._refs[self._crews[worker].actors[0].run.remote(task, attempt)] = (worker, "making")

    def kill(self, worker: str) -> None:
        """End a worker at once."""
        self._hear_no_more_of(worker)
        crew = self._crews.pop(worker, None)
        if crew is None:
            return
        self._free.append(crew.slot)
        for actor in crew.actors:
            self._ray.kill(actor, no_restart=True)
        if crew.group is not None:
            self._ray.util.remove_placement_group(crew.group)

    def wait(self, timeout_s: float) -> list[Report]:
        """Reports of all calls that have ended."""
        if not self._refs:
            time.sleep(timeout_s)
            return []
        pending = list(self._refs)
        first, rest = self._ray.wait(pending, num_returns=1, timeout=timeout_s)
        also = self._ray.wait(rest, num_returns=len(rest), timeout=0)[0] if first and rest else []
        reports: list[Report] = []
        for ref in (*first, *also):
            if ref in self._refs:
                reports.append(self._report(ref))
                # A worker is lost once, however many of its ranks are.
                if isinstance(reports[-1], Broken | Lost):
                    self._hear_no_more_of(reports[-1].worker)
        return reports

    def _hear_no_more_of(self, worker: str) -> None:
        self._refs = {ref: about for ref, about in self._refs.items() if about[0] != worker}

    def _actor(self, slot: Resources, place: tuple[Any, int] | None = None) -> Any:
        strategy = None
        if place is not None:
            strategy = self._ray.util.scheduling_strategies.PlacementGroupSchedulingStrategy(
                placement_group=place[0], placement_group_bundle_index=place[1]
            )
        options = self._class.options(
            num_cpus=slot.cpus,
            num_gpus=slot.gpus,
            memory=slot.memory_bytes or None,
            resources=dict.fromkeys(slot.labels, _SHARE),
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy=strategy,
        )
        return options.remote(self._path, self._store_root, slot.cpus)

    def _report(self, ref: Any) -> Report:
        worker, doing = self._refs.pop(ref)
        errors = self._ray.exceptions
        try:
            value = self._ray.get(ref)
        except errors.RayTaskError as error:
            reason = short(error.cause)
            if doing == "following":
                return self._deserted(worker, reason)
            if isinstance(error.cause, StoreFullError) and doing == "making":
                return Full(worker, str(error.cause))
            return Broken(worker, reason) if doing == "starting" else Raised(worker, reason)
        except errors.RayError as error:
            # Ray's node-wide memory watch and a node's end hit whoever is there; only a death alone is held against
            # the cell. An unavailable actor may still be alive: the driver kills every worker reported lost.
            own = isinstance(error, errors.ActorDiedError) and "node has died" not in str(error)
            if doing == "following" and own:
                return self._deserted(worker, short(error))
            if doing == "starting" and own:
                return Broken(worker, short(error))
            starved = isinstance(error, errors.OutOfMemoryError)
            return Lost(worker, short(error), Status.OOM if starved else Status.FAILED, charge=own)
        if doing == "following":
            return self._deserted(worker, "it ended")
        if doing == "making":
            return Returned(worker, value)
        place, device = value
        slot = self._crews[worker].slot
        return Ready(worker, place if slot.ranks == 1 else f"{place} and {slot.ranks - 1} more", device, slot)

    def _deserted(self, worker: str, reason: str) -> Report:
        """A worker is no more once one of its ranks is; what its leader would say of that says less."""
        starting = (worker, "starting") in self._refs.values()
        reason = f"one of its ranks ended: {reason}"
        return Broken(worker, reason) if starting else Lost(worker, reason)


def _bundle(slot: Resources) -> dict[str, float]:
    """What a rank takes, as a placement group is asked for it."""
    wanted = {"CPU": float(slot.cpus), "GPU": slot.gpus, "memory": float(slot.memory_bytes)}
    return {name: amount for name, amount in wanted.items() if amount} | dict.fromkeys(slot.labels, _SHARE)
