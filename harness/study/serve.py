"""Where a study is served: on which address, under which names, and to whom."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import uvicorn

from harness.errors import StudyError
from harness.study.server import make_app
from harness.study.study import Study

LOOPBACK_NAMES: Final = ("127.0.0.1", "localhost", "[::1]")
SHUTDOWN_S: Final = 3
"""How long videos that are being sent may hold up the end."""


@dataclass(frozen=True, slots=True)
class Address:
    """What the server binds to, and the names raters may call it by, the first being the one in links."""

    host: str
    port: int
    names: tuple[str, ...]

    @classmethod
    def of(cls, host: str, port: int, names: Sequence[str] = ()) -> Address:
        """`names` come beside what follows from the host. StudyError where neither says what raters will type."""
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            if host != "localhost":
                raise StudyError(f"--host {host}: is no IP address; give one, and names with --name") from None
            return cls(host, port, (*names, *LOOPBACK_NAMES))
        if address.is_loopback:
            return cls(host, port, (*names, *LOOPBACK_NAMES))
        if address.is_unspecified and not names:
            raise StudyError(f"--host {host}: stands for all addresses; say with --name what raters will type")
        own = [] if address.is_unspecified else [f"[{host}]" if address.version == 6 else host]
        return cls(host, port, (*names, *own))

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback

    def require_invitations(self, invited: bool) -> None:
        """StudyError where others than this machine can reach it, and could vote under any name."""
        if not self.local and not invited:
            raise StudyError(f"--host {self.host}: others can reach it and nobody was invited; add --invite COUNT")

    @property
    def hosts(self) -> frozenset[str]:
        """What may stand in a request's Host; without a port behind a proxy on the protocol's own."""
        return frozenset(f"{name.lower()}{port}" for name in self.names for port in (f":{self.port}", ""))

    @property
    def url(self) -> str:
        """For links."""
        return f"http://{self.names[0]}:{self.port}/"


def serve(study: Study, address: Address, on_ready: Callable[[], None]) -> None:
    """Serve until interrupted; `on_ready` is called once requests are taken in.

    Raises:
        StudyError: the address cannot be used.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        listener = socket.create_server((address.host, address.port), family=family)
    except OSError as error:
        raise StudyError(f"{address.host} port {address.port} cannot be served on ({error}); give --port") from error
    config = uvicorn.Config(
        make_app(study, address.hosts),
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    with listener:
        on_ready()
        uvicorn.Server(config).run(sockets=[listener])
