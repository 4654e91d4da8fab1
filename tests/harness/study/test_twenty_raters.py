"""Twenty raters at once, on a server that is killed in the middle of it."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from simulated_rater import Rater

from harness.records import SuiteManifest
from harness.store import Store
from harness.study.study import read_votes

RATERS = 20
QUESTIONS = 9
OVERLAP = 3


def start(store: Store, port: int) -> subprocess.Popen[bytes]:
    """`harness study serve`, as a user starts it."""
    arguments = ["study", "serve", "synthetic", "--store", store.root, "--port", str(port), "--check-every", "3"]
    arguments += ["--questions", str(QUESTIONS), "--raters-a-comparison", str(OVERLAP)]
    process = subprocess.Popen([sys.executable, "-m", "harness", *arguments], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while True:
        assert process.poll() is None
        assert time.monotonic() < deadline
        try:
            Rater(port).get("/")
            return process
        except OSError:
            time.sleep(0.1)


def answers(store: Store) -> dict[str, str]:
    """What is in the file, by question."""
    with closing(sqlite3.connect(Path(store.root) / "studies" / "synthetic.sqlite")) as connection:
        return dict(connection.execute("SELECT question, choice FROM questions WHERE choice IS NOT NULL"))


class Keen(threading.Thread):
    """Votes until there is nothing left, whatever becomes of the server meanwhile."""

    def __init__(self, port: int, name: str) -> None:
        super().__init__()
        self._rater, self._name = Rater(port), name
        self.kept: list[tuple[str, str]] = []
        """Questions and choices that the server confirmed."""

    def run(self) -> None:
        while True:
            try:
                if "Cookie" not in self._rater.headers:
                    assert self._rater.enter(name=self._name) == 204
                question = self._rater.question()
                if question is None:
                    return
                self._rater.video(question, "left")
                choice = ("left", "tie", "right")[len(self.kept) % 3]
                assert self._rater.vote(question, choice) == 204
                self.kept.append((question[0], choice))
            except (OSError, http.client.HTTPException):
                time.sleep(0.1)  # the server is being started again


def test_no_vote_is_lost_doubled_or_out_of_balance(store: Store, manifest: SuiteManifest) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    raters = [Keen(port, f"rater {number}") for number in range(RATERS)]
    server = start(store, port)
    for rater in raters:
        rater.start()
    deadline = time.monotonic() + 300
    while sum(len(rater.kept) for rater in raters) < RATERS * QUESTIONS // 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(server.pid, signal.SIGKILL)
    server.wait()
    confirmed = {question: choice for rater in raters for question, choice in rater.kept}
    assert confirmed.items() <= answers(store).items()
    assert len(confirmed) < RATERS * QUESTIONS
    server = start(store, port)
    for rater in raters:
        rater.join(timeout=300)
        assert not rater.is_alive()
    os.kill(server.pid, signal.SIGINT)
    assert server.wait() == 0

    votes = read_votes(store, "synthetic", None).votes
    assert len(votes) == RATERS * QUESTIONS
    assert Counter(vote.rater for vote in votes) == dict.fromkeys(range(1, RATERS + 1), QUESTIONS)
    confirmed = {question: choice for rater in raters for question, choice in rater.kept}
    assert confirmed.items() <= answers(store).items()
    assert len(confirmed) >= len(votes) - RATERS  # what was kept when the server was killed may not have been confirmed
    asked = [vote for vote in votes if vote.degraded is None]
    assert len(votes) - len(asked) == RATERS * QUESTIONS // 3
    places = {cell_id: (row.row, at) for row in manifest.rows for at, cell_id in enumerate(row.cell_ids)}
    seen = Counter((vote.rater, frozenset((vote.left_cell_id, vote.right_cell_id))) for vote in asked)
    assert set(seen.values()) == {1}
    pairs: Counter[frozenset[str]] = Counter()
    comparisons: Counter[frozenset[str]] = Counter()
    for vote in asked:
        (left, at), (right, also_at) = places[vote.left_cell_id], places[vote.right_cell_id]
        assert at == also_at
        pairs[frozenset((left, right))] += 1
        comparisons[frozenset((vote.left_cell_id, vote.right_cell_id))] += 1
    assert max(pairs.values()) - min(pairs.values()) <= 1
    assert sum(count >= OVERLAP for count in comparisons.values()) > len(comparisons) / 2
    assert not (Path(store.root) / "studies" / "synthetic.sqlite-journal").exists()
