"""A Ray cluster of processes of its own, as a user starts one, for tests that talk to it from outside."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

STARTS = 5
STARTED_WITHIN_S = 120.0

AUTHENTICATION = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "RAY_ADDRESS", "RAY_API_SERVER_ADDRESS")


@dataclass
class SeparateCluster:
    """A head and further nodes. `environment` is what its processes, and whoever talks to it, need."""

    port: int
    jobs_port: int
    folder: Path
    environment: dict[str, str]
    nodes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    said: str = ""
    """Last words of a head that did not start."""

    @property
    def address(self) -> str:
        """For `harness run`."""
        return f"127.0.0.1:{self.port}"

    @property
    def jobs_address(self) -> str:
        """For `harness submit`."""
        return f"http://127.0.0.1:{self.jobs_port}"

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        """One more node: `ray start --block` and what it starts."""
        log = (self.folder / f"node-{len(self.nodes)}.log").open("wb")
        with log:
            node = subprocess.Popen(
                [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-gpus=0", *options],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.nodes.append(node)
        return node

    def end(self, node: subprocess.Popen[bytes]) -> None:
        """End one node. `ray stop` would end every Ray on the machine."""
        if node.poll() is None:
            node.send_signal(signal.SIGTERM)
            try:
                node.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(node.pid, signal.SIGKILL)
                node.wait()


@contextmanager
def separate_cluster(authentication: Mapping[str, str], cpus: int = 1) -> Iterator[SeparateCluster]:
    """A head with so many cores, ended again. `authentication` are Ray's variables, e.g. RAY_AUTH_MODE."""
    inherited = {name: value for name, value in os.environ.items() if name not in AUTHENTICATION}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    for _ in range(STARTS):
        # The paths of Ray's sockets must stay short.
        with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as folder:
            own = {"PATH": path, "HOME": folder, "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
            port, jobs_port = free_ports(2)
            cluster = SeparateCluster(port, jobs_port, Path(folder), {**inherited, **own, **authentication})
            try:
                if _head_started(cluster, cpus):
                    yield cluster
                    return
            finally:
                for node in reversed(cluster.nodes):
                    cluster.end(node)
                _kill_what_is_left(folder)
    raise AssertionError(f"no head has started in {STARTS} times; the last said: {cluster.said}")


def _head_started(cluster: SeparateCluster, cpus: int) -> bool:
    """Start the head, and wait for it; Ray itself gives up after 30 seconds, which a busy machine may need."""
    client_port, agent_port = free_ports(2)
    head = cluster.start(
        "--head",
        f"--port={cluster.port}",
        "--dashboard-host=127.0.0.1",
        f"--dashboard-port={cluster.jobs_port}",
        f"--ray-client-server-port={client_port}",
        f"--dashboard-agent-listen-port={agent_port}",
        f"--temp-dir={cluster.folder}/ray",
        f"--num-cpus={cpus}",
        f"--object-store-memory={80 * 2**20}",
    )
    deadline = time.monotonic() + STARTED_WITHIN_S
    # The node, and then what Ray Jobs ask.
    while "Ray runtime started" not in (cluster.folder / "node-0.log").read_text() or not _answers(cluster.jobs_port):
        if head.poll() is not None or time.monotonic() > deadline:
            cluster.said = (cluster.folder / "node-0.log").read_text()[-1000:]
            return False
        time.sleep(0.2)
    return True


def _kill_what_is_left(folder: str) -> None:
    """A node that ended badly leaves processes behind; all name its folder."""
    for process in psutil.process_iter(["cmdline"]):
        if any(folder in word for word in process.info["cmdline"] or ()):
            with suppress(psutil.NoSuchProcess):
                process.kill()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on just now, below those that systems hand out by themselves."""
    found: list[int] = []
    while len(found) < count:
        port = 20_000 + secrets.randbelow(10_000)
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            found.append(port)
    return found


def with_token() -> dict[str, str]:
    """Ray's variables for a cluster that asks for a token."""
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
