"""Which requests are let in, and what every answer tells the browser not to do.

- The Host must be a name this server goes by. Otherwise any site could point a name of its own here (DNS rebinding)
  and its pages would count as ours.
- A request that changes something must come from our own page, by `Origin` and by `Sec-Fetch-Site` where the browser
  sends it; one that says neither is refused. `harness.study.server` asks for a token besides.
- No page elsewhere may frame ours or embed its videos, no script runs but our own, nothing is kept in caches.

The headers are those of Fetch Metadata (W3C) and of OWASP's cheat sheet on cross-site request forgery.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_BYTES: Final = 4096
"""Longest body; an answer takes a hundred bytes."""
METHODS: Final = ("GET", "HEAD", "POST")
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; media-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
DATES: Final = ("Last-Modified", "ETag")
"""Starlette dates the files it sends; which video was made last is nobody's business here."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request is not let in."""

    status: HTTPStatus
    reason: str


def refusal(method: str, path: str, headers: Mapping[str, str], hosts: Collection[str]) -> Refusal | None:
    """None for a request that is let in. `hosts` are the names with ports this server goes by, in lower case.

    `headers` have names in lower case, as Starlette's have.
    """
    host, site, origin = headers.get("host", "").lower(), headers.get("sec-fetch-site"), headers.get("origin")
    if host not in hosts:
        return Refusal(HTTPStatus.MISDIRECTED_REQUEST, f"host {host!r} is not served here; the server can allow it")
    if method not in METHODS:
        return Refusal(HTTPStatus.METHOD_NOT_ALLOWED, f"method {method!r} is not served here")
    if origin is not None and urlsplit(origin).netloc.lower() != host:
        return Refusal(HTTPStatus.FORBIDDEN, "the request comes from another site")
    if method == "POST":
        if site not in (None, "same-origin") or (site is None and origin is None):
            return Refusal(HTTPStatus.FORBIDDEN, "the request does not come from this site's page")
        length = headers.get("content-length", "")
        if not length.isdecimal() or int(length) > BODY_BYTES:
            return Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"give the body's length, at most {BODY_BYTES} bytes")
    elif path.startswith("/video/") and site not in (None, "same-origin"):
        return Refusal(HTTPStatus.FORBIDDEN, "videos are shown on this site's page alone")
    return None


class Guard:
    """ASGI middleware that answers refused requests itself, puts `HEADERS` on every answer and takes `DATES` off."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # uvicorn refuses a WebSocket that nobody accepts

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(HEADERS)
                for name in DATES:
                    del headers[name]
            await send(message)

        refused = refusal(scope["method"], scope["path"], Headers(scope=scope), self._hosts)
        app = self._app if refused is None else PlainTextResponse(f"{refused.reason}\n", refused.status)
        await app(scope, receive, send_guarded)
