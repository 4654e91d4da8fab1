"""A simulated fleet on one machine, kept in trouble until every cell is made: Ray's `Cluster` and SIGKILL."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from harness.store import Store
from tests.chaos.kills import Kill, Victim

LOGGER = logging.getLogger(__name__)

ROOT = Path(__file__).parents[2]
DRIVER_LOG = "driver.log"
LOOK_EVERY_S = 0.1
START_TRIES = 4


@dataclass(frozen=True, slots=True)
class Report:
    """What happened. Attempts in drivers that were killed are known from the ledger alone."""

    kills: dict[str, int]
    drivers: int
    summary: dict[str, Any]
    """Of the last driver."""
    elapsed_s: float


class Fleet:
    """Nodes of so many fake GPUs; all their processes end with it."""

    def __init__(self, nodes: int, slots: int) -> None:
        from ray.cluster_utils import Cluster

        self._slots = slots
        self._cluster = Cluster()
        self._others: list[Any] = []
        for _ in range(nodes):
            self.add_node()

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def add_node(self) -> None:
        """The first is the head."""
        first = self._cluster.head_node is None
        node = self._started()
        if not first:
            self._others.append(node)

    def _started(self) -> Any:
        """A node. Ray waits 30 seconds for one to come up, which is little on a busy machine."""
        for tries_left in reversed(range(START_TRIES)):
            before = set(psutil.Process().children(recursive=True))
            try:
                return self._cluster.add_node(
                    num_cpus=self._slots, num_gpus=self._slots, object_store_memory=80 * 2**20, include_dashboard=False
                )
            except Exception as error:
                for left_over in set(psutil.Process().children(recursive=True)) - before:
                    _end(left_over)
                if not tries_left or "timed out during startup" not in str(error):
                    raise
                LOGGER.info("a node did not come up within Ray's 30 s; once more")
        raise AssertionError("unreachable")

    def workers(self) -> list[psutil.Process]:
        """Processes that hold a cell worker."""
        found = []
        for node in self._cluster.list_all_nodes():
            for infos in node.all_processes.values():
                for info in infos:
                    found += _descendants(info.process.pid, "ray::CellActor")
        return found

    def kill_node(self, kill: Kill) -> bool:
        """Any but the head; whether there was one."""
        if not self._others:
            return False
        node = self._others.pop(kill.dice.randrange(len(self._others)))
        self._cluster.remove_node(node, allow_graceful=False)
        return True

    def shutdown(self, *, abruptly: bool = False) -> None:
        """End everything; abruptly as when the machine with the head is gone."""
        if abruptly:
            self._cluster.head_node.kill_gcs_server(check_alive=False)
        for node in list(self._cluster.list_all_nodes()):
            self._cluster.remove_node(node, allow_graceful=not abruptly)


def _descendants(pid: int, name: str) -> list[psutil.Process]:
    try:
        children = psutil.Process(pid).children(recursive=True)
        return [child for child in children if any(name in part for part in child.cmdline()[:1])]
    except psutil.Error:
        return []


@contextmanager
def ray_environment() -> Iterator[None]:
    """What raylets and drivers inherit: where to import from, no authentication among fake nodes, no real devices."""
    wanted = {"PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    # Workers for a driver that may ask for none, as many as there are cores.
    wanted |= {"RAY_prestart_worker_first_driver": "0", "RAY_health_check_period_ms": "1000"}
    before = dict(os.environ)
    os.environ.update(wanted)
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def conduct(
    root: Path, cells: int, seconds: float, kills: list[Kill], nodes: int, slots: int, deadline_s: float
) -> Report:
    """Make all cells while the kills come as they are due. TimeoutError if that takes longer than `deadline_s`."""
    store, due, done = Store(str(root)), list(kills), Counter[str]()
    began, drivers, summary = time.monotonic(), 0, None
    fleet = Fleet(nodes, slots)
    LOGGER.info("%.0f s: %d nodes are there", time.monotonic() - began, nodes)
    driver: subprocess.Popen[str] | None = None
    try:
        while summary is None:
            if time.monotonic() - began > deadline_s:
                raise TimeoutError(f"{len(store.cell_ids())} of {cells} cells after {deadline_s:g} s, kills {done}")
            if driver is None:
                drivers += 1
                driver = _start_driver(root, cells, seconds, fleet.address)
            if driver.poll() is not None:
                (out, _), ended = driver.communicate(), driver.returncode
                driver = None
                assert ended == 0, (root / DRIVER_LOG).read_text()[-2000:]
                summary = json.loads(out.splitlines()[-1])
            elif due and len(store.cell_ids()) >= due[0].after_cells:
                kill = due.pop(0)
                match kill.victim:
                    case Victim.WORKER:
                        victims = fleet.workers()
                        if victims:
                            kill.dice.choice(victims).kill()
                        hit = bool(victims)
                    case Victim.NODE:
                        hit = fleet.kill_node(kill)
                        if hit and kill.dice.random() < 0.5:
                            fleet.add_node()
                    case Victim.DRIVER:
                        _kill(driver)
                        driver, hit = None, True
                    case Victim.HEAD:
                        _kill(driver)
                        driver, hit = None, True
                        fleet.shutdown(abruptly=True)
                        fleet = Fleet(max(1, nodes // 2), slots)
                done[kill.victim.value] += hit
                LOGGER.info(
                    "%.0f s: %s %s, due after %d cells",
                    time.monotonic() - began,
                    kill.victim,
                    "killed" if hit else "was not there",
                    kill.after_cells,
                )
            else:
                time.sleep(LOOK_EVERY_S)
    finally:
        if driver is not None:
            _kill(driver)
        fleet.shutdown()
    return Report(dict(done), drivers, summary, time.monotonic() - began)


def _start_driver(root: Path, cells: int, seconds: float, address: str) -> subprocess.Popen[str]:
    with (root / DRIVER_LOG).open("a") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.chaos.drive", str(root), str(cells), str(seconds), address],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )


def _end(process: psutil.Process) -> None:
    with suppress(psutil.Error):
        process.kill()


def _kill(driver: subprocess.Popen[str]) -> None:
    driver.kill()
    driver.communicate()
