"""Cells on Ray: long-lived actors, one per GPU or per few CPU cores, one cell in flight each.

The only module that imports ray, and only once a run really needs it: Ray reads its authentication mode while it is
imported, so the environment must be settled before.

Interruption: after the first Ctrl-C no cell is given out, those in flight are finished and the run ends; the second
drops them. Neither loses anything: a finished cell is in the store, a dropped one is made by the next run.
"""

from __future__ import annotations

import importlib
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

from harness.driver import Driver, FleetError
from harness.events import FleetEvent, FleetSummary
from harness.pool import Broken, Lost, Raised, Ready, Report, Returned
from harness.records import CellRecord, Status
from harness.schedule import RetryPolicy
from harness.store import Store
from harness.task import CellTask

WORKER = "harness.worker:Worker"
"""Import path of the class that makes cells."""

_OBJECT_STORE_BYTES = 80 * 2**20
"""Close to Ray's minimum: only tasks and records travel, videos go through the store."""


_KNOCK_S = 5.0


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

    def start(self) -> str:
        """Build the worker; returns host and process id. Apart from `__init__` so that errors keep their type."""
        # Read once, when torch is imported; more threads than cores per actor would make every timing a lie.
        os.environ["OMP_NUM_THREADS"] = str(self._threads)
        module, _, name = self._path.partition(":")
        self._worker = getattr(importlib.import_module(module), name)(self._store_root)
        return f"{socket.gethostname()}, pid {os.getpid()}"

    def run(self, task: CellTask, attempt: int) -> CellRecord:
        """Make one cell."""
        if self._worker is None:
            raise RuntimeError("the actor was given a cell before it was started")
        return self._worker.run(task, attempt)


@dataclass(frozen=True, slots=True)
class ActorShape:
    """What each actor is and takes."""

    worker: str
    store_root: str
    cpus: int
    gpus: float


class RayPool:
    """Workers as Ray actors. Ray restarts and retries nothing: the driver does, in the open."""

    def __init__(self, ray: Any, shape: ActorShape) -> None:
        """Use an initialised `ray` module."""
        self._ray = ray
        self._shape = shape
        self._actors: dict[str, Any] = {}
        self._refs: dict[Any, tuple[str, bool]] = {}
        self._class = ray.remote(CellActor).options(
            num_cpus=shape.cpus, num_gpus=shape.gpus, max_restarts=0, max_task_retries=0
        )

    def start(self, worker: str) -> None:
        """Begin to build a worker."""
        actor = self._class.remote(self._shape.worker, self._shape.store_root, self._shape.cpus)
        self._actors[worker] = actor
        self._refs[actor.start.remote()] = (worker, True)

    def submit(self, worker: str, task: CellTask, attempt: int) -> None:
        """Give a worker its next cell."""
        self._refs[self._actors[worker].run.remote(task, attempt)] = (worker, False)

    def kill(self, worker: str) -> None:
        """End a worker at once."""
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
            reason = _one_line(error.cause)
            return Broken(worker, reason) if starting else Raised(worker, reason)
        except errors.RayError as error:
            if starting:
                return Broken(worker, _one_line(error))
            # Ray's node-wide memory watch and a node's end hit whoever is there; only a death alone is held against
            # the cell. An unavailable actor may still be alive: the driver kills every worker reported lost.
            own = isinstance(error, errors.ActorDiedError) and "node has died" not in str(error)
            starved = isinstance(error, errors.OutOfMemoryError)
            return Lost(worker, _one_line(error), Status.OOM if starved else Status.FAILED, charge=own)
        return Ready(worker, value) if starting else Returned(worker, value)


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
) -> FleetSummary:
    """Make every cell of `tasks` that is not in `done`, and return when all are done or given up.

    `worker` is the import path `module:Class` of the class built in each actor. `workers` None: one per
    `gpus_per_worker` GPUs (1 where there are any), on a machine without GPUs one per `cpus_per_worker` cores. `address`
    joins a running Ray cluster; without it, and without RAY_ADDRESS, a local one is started and stopped again.
    `cell_timeout_s` includes the loading of a model. The first retry of a cell waits `backoff_s`.

    Raises FleetError if there is no such cluster, no room or no worker that starts; StoreError if the store cannot be
    written or is not shared. Failed cells do not raise: they are in the store's failures and in the summary.
    """
    store = Store(store_root)
    policy = RetryPolicy(max_attempts=max_attempts, backoff_s=backoff_s)
    driver = Driver(tasks, done, store, on_event=on_event, policy=policy, cell_timeout_s=cell_timeout_s)
    if not driver.cells_left:
        driver.announce(0)
        return driver.summary(0.0)
    store.sweep_temporary()
    with _ray(address, None if workers is None else workers * cpus_per_worker) as ray:
        shape, slots = _fit(ray.cluster_resources(), worker, store.root, cpus_per_worker, gpus_per_worker)
        wanted = min(workers or slots, driver.cells_left)
        driver.announce(wanted)
        with _interruptible(driver):
            return driver.run(RayPool(ray, shape), wanted)


def _fit(
    resources: dict[str, float], worker: str, store_root: str, cpus: int, gpus: float | None
) -> tuple[ActorShape, int]:
    """The actors' shape, and how many of them a cluster has room for."""
    if gpus is None:
        gpus = 1.0 if resources.get("GPU", 0.0) >= 1 else 0.0
    slots = int(resources.get("CPU", 0.0) // cpus)
    if gpus:
        slots = min(slots, int(resources.get("GPU", 0.0) // gpus))
    if slots < 1:
        raise FleetError(
            f"no room for a worker of {cpus} CPUs and {gpus:g} GPUs in {resources.get('CPU', 0):g} CPUs and "
            f"{resources.get('GPU', 0):g} GPUs; lower the CPUs or GPUs per worker"
        )
    return ActorShape(worker, store_root, cpus, gpus), slots


@contextmanager
def _ray(address: str | None, cpus: int | None) -> Iterator[Any]:
    """Ray, initialised; stopped again on leaving unless it ran before. `cpus` declares a local one's cores."""
    address = address or os.environ.get("RAY_ADDRESS")
    if address is not None:
        _knock(address)
    if "ray" not in sys.modules:
        _settle_environment(joining=address is not None)
    import ray

    if ray.is_initialized():
        yield ray
        return
    try:
        if address is not None:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        else:
            ray.init(
                address="local",
                num_cpus=cpus,
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
    except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        where = "a local Ray cannot be started" if address is None else f"no Ray cluster answers at {address!r}"
        raise FleetError(f"{where} ({_one_line(error)}); see `ray status`, RAY_ADDRESS and RAY_AUTH_MODE") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _knock(address: str) -> None:
    """Ask within seconds whether anybody is there; Ray itself tries for minutes."""
    if "://" in address:
        if not address.startswith("ray://"):
            raise FleetError(f"Ray address {address!r} is not a cluster's; give HOST:PORT of its head, often port 6379")
        return
    host, colon, port = address.rpartition(":")
    if not colon:
        return
    try:
        socket.create_connection((host, int(port)), timeout=_KNOCK_S).close()
    except (OSError, ValueError) as error:
        raise FleetError(
            f"no Ray cluster answers at {address!r} ({error}); start one with `ray start --head`, or give no address"
        ) from error


def _settle_environment(joining: bool) -> None:
    """Say what Ray would otherwise guess, differently from one command to the next; what is set already is kept."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if "RAY_AUTH_MODE" in os.environ:
        return
    if joining:
        # As `ray start` does on the cluster's side: with a token where there is one.
        token = Path.home() / ".ray" / "auth_token"
        known = "RAY_AUTH_TOKEN" in os.environ or "RAY_AUTH_TOKEN_PATH" in os.environ or token.exists()
        os.environ["RAY_AUTH_MODE"] = "token" if known else "disabled"
    else:
        # A token of this run's own keeps other users of the machine out, and leaves no file behind.
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


@contextmanager
def _interruptible(driver: Driver) -> Iterator[None]:
    """First SIGINT: stop giving out cells. Second: KeyboardInterrupt. Other threads than the main one cannot say so."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.getsignal(signal.SIGINT)

    def stop(signum: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        driver.request_stop()

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


def _one_line(error: BaseException) -> str:
    """An exception for a reason or a log: its kind and its last words."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = " ".join(lines[:1] + lines[-1:]) if len(lines) > 1 else "".join(lines)
    return f"{type(error).__name__}: {said}"[:500]
