"""A small server of files that continues downloads, and can be told to misbehave."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


@dataclass
class Served:
    """What the server gives, and what it was asked."""

    content: bytes
    etag: str | None = '"one"'
    break_off_after: int | None = None
    """Bytes of one answer, of which the length promises more."""
    continues: bool = True
    """Whether it knows ranges."""
    status: int = 200
    ranges: list[str | None] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(served: Served) -> Iterator[Served]:
    """Serve on a free port of this machine while the context lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range")
            served.ranges.append(asked)
            if served.status != 200:
                self.send_error(served.status)
                return
            # Without If-Range a server continues, whatever the part was of.
            changed = self.headers.get("If-Range", served.etag) != served.etag
            start = int(re.findall(r"\d+", asked)[0]) if asked and served.continues and not changed else 0
            if start and start >= len(served.content):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(served.content)}")
                self.end_headers()
                return
            rest = served.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(rest)))
            if served.etag is not None:
                self.send_header("ETag", served.etag)
            self.end_headers()
            self.wfile.write(rest[: served.break_off_after])

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_port}/weights.pth"
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
