"""Cells on Ray: long-lived actors, one per GPU or per few CPU cores, one cell in flight each.

Ray is there only once a run really needs it; see `harness.ray_cluster`.

Interruption: after the first Ctrl-C or SIGTERM no cell is given out, those in flight are finished and the run ends;
the second drops them. Neither loses anything: a finished cell is in the store, a dropped one is made by the next run.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from types import FrameType

from harness.driver import Driver, FleetError
from harness.durations import Measured
from harness.events import FleetEvent, FleetSummary
from harness.fleet_metrics import FleetMetrics
from harness.ray_cluster import joined_ray, short
from harness.ray_pool import RayPool
from harness.resources import Resources
from harness.schedule import RetryPolicy
from harness.slots import slots_of
from harness.storage_faults import PATIENCE_S
from harness.store import Store
from harness.task import CellTask

WORKER = "harness.worker:Worker"
"""Import path of the class that makes cells."""


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
    ranks = max(spec.resources.ranks for spec in driver.work_left())
    with joined_ray(address, None if workers is None else workers * cpus_per_worker * ranks) as ray:
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
