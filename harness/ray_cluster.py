"""Which Ray a command talks to, and in which authentication mode: the one it is told of, or a local one of its own.

Ray reads the mode while it is imported, so it is settled before. Left alone, Ray 2.60 turns token authentication on in
some start modes and not in others: `ray.init()` without an address does, and leaves a token in ~/.ray/auth_token; from
then on `ray start --head` does too; `ray.init(address=...)` never does, and then fails after 20 seconds.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from harness.driver import FleetError

ADDRESS_VARIABLE = "RAY_ADDRESS"
"""Ray's own; Ray Jobs sets it for what they run."""

_OBJECT_STORE_BYTES = 80 * 2**20
"""Close to Ray's minimum: only tasks and records travel, videos go through the store."""

_KNOCK_S = 5.0


def cluster_address(address: str | None) -> str | None:
    """The running cluster to join: what was said, else RAY_ADDRESS; None for a local one."""
    return address or os.environ.get(ADDRESS_VARIABLE) or None


@contextmanager
def joined_ray(address: str | None, cpus: int | None) -> Iterator[Any]:
    """The module ray, initialised; stopped again on leaving unless it ran before. `cpus` declares a local one's cores.

    Raises FleetError where no cluster answers at `address`, or no local one can be started.
    """
    address = cluster_address(address)
    if address is not None:
        _check_cluster_address(address)
    if "ray" not in sys.modules:
        settle_authentication(joining=address is not None)
    import ray
    import ray.util.metrics

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
    except Exception as error:  # of no narrower class where one of Ray's own processes does not come up in time
        where = "a local Ray cannot be started" if address is None else f"no Ray cluster answers at {address!r}"
        raise FleetError(f"{where} ({short(error)}); see `ray status`, RAY_ADDRESS and RAY_AUTH_MODE") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def settle_authentication(joining: bool) -> None:
    """Say what Ray would otherwise guess; what is set already is kept.

    Who joins uses the token there is (RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token), and none where there
    is none: as `ray start` does on the cluster's side.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if "RAY_AUTH_MODE" in os.environ:
        return
    if joining:
        token = Path.home() / ".ray" / "auth_token"
        known = "RAY_AUTH_TOKEN" in os.environ or "RAY_AUTH_TOKEN_PATH" in os.environ or token.exists()
        os.environ["RAY_AUTH_MODE"] = "token" if known else "disabled"
    else:
        # A token of this run's own keeps other users of the machine out, and leaves no file behind.
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))


def knock(host: str, port: int) -> None:
    """Ask within seconds whether anybody is there, where Ray itself would try for minutes. OSError if nobody is."""
    socket.create_connection((host, port), timeout=_KNOCK_S).close()


def short(error: BaseException) -> str:
    """An exception for a reason or a log: its kind, its first and its last words."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = " ".join(lines[:1] + lines[-1:]) if len(lines) > 1 else "".join(lines)
    return f"{type(error).__name__}: {said}"[:500]


def _check_cluster_address(address: str) -> None:
    if "://" in address:
        if urlsplit(address).scheme != "ray":
            raise FleetError(
                f"Ray address {address!r} is not a cluster's; give HOST:PORT of its head, often port 6379"
                " (`harness submit` takes http://HOST:8265)"
            )
        return
    host, colon, port = address.rpartition(":")
    if not colon:
        return
    try:
        knock(host, int(port))
    except (OSError, ValueError) as error:
        raise FleetError(
            f"no Ray cluster answers at {address!r} ({error}); start one with `ray start --head`, or give no address"
        ) from error
