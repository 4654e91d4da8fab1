"""Cells on Ray: long-lived actors, one per GPU or per few CPU cores, one cell in flight each.

Ray is there only once a run really needs it; see `harness.ray_cluster`.

Interruption: after the first Ctrl-C or SIGTERM no cell is given out, those in flight are finished and the run ends;
the second drops them. Neither loses anything: a finished cell is in the store, a dropped one is made by the next run.
"""

from __future__ import annotations

import importlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol

from harness.driver import Driver, FleetError
from harness.durations import Measured
from harness.errors import StoreFullError
from harness.events import FleetEvent, FleetSummary
from harness.fleet_metrics import FleetMetrics
from harness.pool import Broken, Full, Lost, Raised, Ready, Report, Returned
from harness.ray_cluster import joined_ray, short
from harness.records import CellRecord, Status
from harness.resources import Resources
from harness.schedule import RetryPolicy
from harness.slots import slots_of
from harness.storage_faults import PATIENCE_S
from harness.store import Store
from harness.task import CellTask

WORKER = "harness.worker:Worker"
"""Import path of the class that makes cells."""

_SHARE = 0.001
"""Of a label, which Ray has one of on each machine: asked for so that a worker comes to one that has it."""


class CellWorker(Protocol):
    """What an actor holds: built as `cls(store_root)` in the actor's process."""

    def run(self, task: CellTask, attempt: int) -> CellRecord:
        """Make one cell and commit it to the store; a failed one is a record too, an exception is a bug."""


class CellActor:
    """One worker process. Thin on purpose: everything about cells is in the worker class."""

    def __init__(self, worker: str, store_root: str, threads: int) -> None:
        """Keep what is needed to build the worker."""
        self._path = worker
        self._store_root = store_root
        self._threads = threads
        self._worker: CellWorker | None = None

    def start(self) -> tuple[str, str]:
        """Build the worker; returns where it lives and the device it holds, both for people.

        Apart from `__init__` so that errors keep their type.
        """
        # Read once, when torch is imported; more threads than cores per actor would make every timing a lie.
        os.environ["OMP_NUM_THREADS"] = str(self._threads)
        module, _, name = self._path.partition(":")
        self._worker = getattr(importlib.import_module(module), name)(self._store_root)
        host, gpus = socket.gethostname(), os.environ.get("CUDA_VISIBLE_DEVICES")
        device = f"{host}, GPU {gpus}" if gpus else host
        return f"{device}, pid {os.getpid()}", device

    def run(self, task: CellTask, attempt: int) -> CellRecord:
        """Make one cell."""
        if self._worker is None:
            raise RuntimeError("the actor was given a cell before it was started")
        return self._worker.run(task, attempt)


class RayPool:
    """Workers as Ray actors. Ray restarts and retries nothing: the driver does, in the open."""

    def __init__(self, ray: Any, worker: str, store_root: str, slots: Sequence[Resources]) -> None:
        """Use an initialised `ray` module; `worker` is the import path of what actors hold, `slots` what they get."""
        self._ray = ray
        self._path = worker
        self._store_root = store_root
        self._free = list(reversed(slots))
        self._slots: dict[str, Resources] = {}
        self._actors: dict[str, Any] = {}
        self._refs: dict[Any, tuple[str, bool]] = {}
        self._class = ray.remote(CellActor)

    def start(self, worker: str) -> None:
        """Begin to build a worker."""
        slot = self._slots[worker] = self._free.pop()
        options = self._class.options(
            num_cpus=slot.cpus,
            num_gpus=slot.gpus,
            memory=slot.memory_bytes or None,
            resources=dict.fromkeys(slot.labels, _SHARE),
            max_restarts=0,
            max_task_retries=0,
        )
        actor = self._actors[worker] = options.remote(self._path, self._store_root, slot.cpus)
        self._refs[actor.start.remote()] = (worker, True)

    def submit(self, worker: str, task: CellTask, attempt: int) -> None:
        """Give a worker its next cell."""
        self._refs[self._actors[worker].run.remote(task, attempt)] = (worker, False)

    def kill(self, worker: str) -> None:
        """End a worker at once."""
        if worker in self._slots:
            self._free.append(self._slots.pop(worker))
        actor = self._actors.pop(worker, None)
        self._refs = {ref: about for ref, about in self._refs.items() if about[0] != worker}
        if actor is not None:
            self._ray.kill(actor, no_restart=True)

    def wait(self, timeout_s: float) -> list[Report]:
        """Reports of all calls that have ended."""
        if not self._refs:
            time.sleep(timeout_s)
            return []
        pending = list(self._refs)
        first, rest = self._ray.wait(pending, num_returns=1, timeout=timeout_s)
        also = self._ray.wait(rest, num_returns=len(rest), timeout=0)[0] if first and rest else []
        return [self._report(ref) for ref in (*first, *also)]

    def _report(self, ref: Any) -> Report:
        worker, starting = self._refs.pop(ref)
        errors = self._ray.exceptions
        try:
            value = self._ray.get(ref)
        except errors.RayTaskError as error:
            reason = short(error.cause)
            if isinstance(error.cause, StoreFullError) and not starting:
                return Full(worker, str(error.cause))
            return Broken(worker, reason) if starting else Raised(worker, reason)
        except errors.RayError as error:
            # Ray's node-wide memory watch and a node's end hit whoever is there; only a death alone is held against
            # the cell. An unavailable actor may still be alive: the driver kills every worker reported lost.
            own = isinstance(error, errors.ActorDiedError) and "node has died" not in str(error)
            if starting and own:
                return Broken(worker, short(error))
            starved = isinstance(error, errors.OutOfMemoryError)
            return Lost(worker, short(error), Status.OOM if starved else Status.FAILED, charge=own)
        if not starting:
            return Returned(worker, value)
        place, device = value
        return Ready(worker, place, device, self._slots[worker])


def run_fleet(
    tasks: Iterable[CellTask],
    done: Set[str],
    store_root: str,
    *,
    worker: str = WORKER,
    workers: int | None = None,
    cpus_per_worker: int = 1,
    gpus_per_worker: float | None = None,
    address: str | None = None,
    on_event: Callable[[FleetEvent], None] = lambda event: None,
    max_attempts: int = 3,
    cell_timeout_s: float | None = None,
    backoff_s: float = 5.0,
    measured: Mapping[str, Measured] | None = None,
) -> FleetSummary:
    """Make every cell of `tasks` that is not in `done`, and return when all are done or given up.

    `worker` is the import path `module:Class` of the class built in each actor. `workers` None: one per
    `gpus_per_worker` GPUs (1 where there are any), on a machine without GPUs one per `cpus_per_worker` cores. `address`
    joins a running Ray cluster; without it, and without RAY_ADDRESS, a local one is started and stopped again.
    `cell_timeout_s` includes the loading of a model. The first retry of a cell waits `backoff_s`. `measured` is what
    cells took before, by row key. A cell runs only where the worker was given what its model's `resources` ask for.

    Raises FleetError if there is no such cluster, no room or no worker that starts; StoreError if the store cannot be
    written or is not shared. Failed cells do not raise: they are in the store's failures and in the summary.
    """
    store = Store(store_root, PATIENCE_S)
    policy = RetryPolicy(max_attempts=max_attempts, backoff_s=backoff_s)
    listeners = [on_event]
    driver = Driver(
        tasks, done, store, on_event=_to_all(listeners), policy=policy, cell_timeout_s=cell_timeout_s, measured=measured
    )
    if not driver.cells_left:
        driver.announce(0)
        return driver.summary(0.0)
    store.sweep_temporary()
    with joined_ray(address, None if workers is None else workers * cpus_per_worker) as ray:
        listeners.append(FleetMetrics(ray.util.metrics))
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        if gpus_per_worker is None:
            gpus_per_worker = 1.0 if any(node.get("GPU", 0.0) >= 1 for node in nodes) else 0.0
        slots = slots_of(nodes, driver.work_left(), Resources(cpus_per_worker, gpus_per_worker), workers)
        wanted = driver.of_use(len(slots))
        driver.announce(wanted)
        with _interruptible(driver):
            try:
                return driver.run(RayPool(ray, worker, store.root, slots), wanted)
            except ray.exceptions.RayError as error:
                raise FleetError(
                    f"the Ray cluster is lost ({short(error)}); what was finished is in the store, run again to resume"
                ) from error


def _to_all(listeners: list[Callable[[FleetEvent], None]]) -> Callable[[FleetEvent], None]:
    """One listener that passes an event on to those that are in the list by then."""

    def listen(event: FleetEvent) -> None:
        for listener in listeners:
            listener(event)

    return listen


@contextmanager
def _interruptible(driver: Driver) -> Iterator[None]:
    """First SIGINT or SIGTERM: stop giving out cells. Second: KeyboardInterrupt. Only the main thread can hear them.

    SIGTERM is what `harness stop` (Ray Jobs) and batch systems send.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.getsignal(number) for number in signals}

    def stop(signum: int, frame: FrameType | None) -> None:
        for number in signals:
            signal.signal(number, signal.default_int_handler)
        driver.request_stop()

    for number in signals:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
