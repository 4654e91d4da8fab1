"""A rater without a browser, who makes the page's requests over plain sockets; and a study to vote in."""

from __future__ import annotations

import http.client
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import Message

from harness.records import SuiteManifest
from harness.study.study import Study


@dataclass(frozen=True)
class Served:
    """A study and the port it is served on."""

    study: Study
    manifest: SuiteManifest
    port: int


@dataclass
class Rater:
    """Keeps a session. `origin` and further headers can be replaced, to play a browser on another site."""

    port: int
    headers: dict[str, str] = field(default_factory=dict)

    def get(self, path: str, **headers: str) -> tuple[int, Message, bytes]:
        return self._request("GET", path, None, headers)

    def post(self, path: str, body: Mapping[str, object] | bytes, **headers: str) -> tuple[int, Message, bytes]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        own = {"Origin": f"http://127.0.0.1:{self.port}", "Content-Type": "application/json"}
        return self._request("POST", path, data, own | headers)

    def enter(self, **entry: str) -> int:
        status, headers, _ = self.post("/enter", entry)
        if status == 204:
            self.headers["Cookie"] = headers["Set-Cookie"].partition(";")[0]
        return status

    def question(self) -> tuple[str, str] | None:
        """Name and token of the question on the page; None when the rater is done."""
        status, _, page = self.get("/compare")
        assert status == 200
        found = re.search(r'data-question="([^"]+)" data-token="([^"]+)"', page.decode())
        return (found[1], found[2]) if found else None

    def vote(self, question: tuple[str, str], choice: str) -> int:
        status, _, _ = self.post("/vote", {"question": question[0], "choice": choice}, **{"X-Study-Token": question[1]})
        return status

    def video(self, question: tuple[str, str], part: str) -> bytes:
        status, _, video = self.get(f"/video/{question[0]}/{part}")
        assert status == 200, part
        return video

    def _request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, Message, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, {**self.headers, **headers})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()
