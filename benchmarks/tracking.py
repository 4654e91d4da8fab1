"""What tracking several hundred rows costs, and how fast MLflow's UI answers over them: SQLite, PostgreSQL, others.

Each database named is tracked into as `harness track` does it, in turn, and served by MLflow's own server as
`harness ui` does it. It must be empty. For PostgreSQL from Debian's package, with `pip install "psycopg[binary]"`:

    createdb mlflow
    python benchmarks/tracking.py sqlite:////tmp/tracked/mlflow.db postgresql://user:password@localhost/mlflow
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import socket
import statistics
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

# Run as a script, methods.py beside this file would be found as the package `methods`; the made-up suite is in tests/.
sys.path[0] = str(Path(__file__).parents[1])

from mlflow import MlflowClient, __version__

from harness.tracking import track
from harness.tracking_client import connect
from harness.tracking_store import HOST, TrackingStore, serve_ui, tracking_store
from reports.projection import project
from reports.results import collect
from tests.reports.synthetic import ROWS, RowSpec, synthetic

DOCUMENT = Path(__file__).parents[1] / "docs" / "measurements" / "tracking.md"
QUESTIONS = 20
"""How often the UI's question is asked."""


@dataclass(frozen=True)
class Measured:
    """Of one database. Seconds by the clock; `driver_s` are seconds of this process's processor."""

    kind: str
    first_s: float
    driver_s: float
    written: int
    again_s: float
    values_only_s: float
    answer_s: float
    page_s: float


def suite(rows: int) -> tuple[RowSpec, ...]:
    """An original and so many settings of caches that the rows are as many as asked for."""
    settings = (
        RowSpec(f"fora-{number}", "fora", {"cache_interval": number}, 1 + 0.01 * number, 0.001 * number)
        for number in range(2, rows + 1)
    )
    return (ROWS[0], *settings)


def spent(action: Callable[[], object]) -> tuple[float, float]:
    """Seconds by the clock, and of this process's processor."""
    clock, processor = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - clock, time.process_time() - processor


def count(client: MlflowClient, experiment: str) -> int:
    """Metrics, parameters and tags of all runs: what was written for them."""
    runs, token = [], None
    while token is None or token:
        page = client.search_runs([experiment], max_results=500, page_token=token)
        runs += page
        token = page.token or ""
    return sum(len(run.data.metrics) + len(run.data.params) + len(run.data.tags) for run in runs)


@contextmanager
def served(root: str, store: TrackingStore) -> Iterator[str]:
    """MLflow's server on the database, as its address."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    process = serve_ui(root, port, store.uri)
    address, deadline = f"http://{HOST}:{port}", time.monotonic() + 120
    try:
        while True:
            try:
                with urllib.request.urlopen(f"{address}/health"):
                    break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise
                time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait()


def measure(uri: str, rows: int) -> Measured:
    """Track the made-up suite into the database twice, with its artifacts, once more without, and ask for its runs."""
    source = synthetic(rows=suite(rows), prompts=4, samples=1)
    projections = project(collect(source, source.suite), source)
    with tempfile.TemporaryDirectory() as root:
        store = tracking_store(root, uri)
        if store.sqlite_path is not None:
            store.sqlite_path.parent.mkdir(parents=True, exist_ok=True)
        client = connect(store)
        if client.search_experiments(filter_string="name = 'synthetic'"):
            raise SystemExit(f"{store.shown_uri} already holds this benchmark's suite; give an empty database")

        def put(*, artifacts: bool = True) -> None:
            track(source.suite, source, projections, store, artifacts=artifacts)

        first_s, driver_s = spent(put)
        again_s, _ = spent(put)
        values_only_s, _ = spent(lambda: put(artifacts=False))
        (experiment,) = client.search_experiments(filter_string="name = 'synthetic'")
        written = count(client, experiment.experiment_id)
        with served(root, store) as address:
            remote = MlflowClient(address)
            answers = [
                spent(lambda: remote.search_runs([experiment.experiment_id], max_results=100))[0]
                for _ in range(QUESTIONS)
            ]
            pages = [spent(lambda: count(remote, experiment.experiment_id))[0] for _ in range(3)]
    kind = urlsplit(uri).scheme
    return Measured(
        kind, first_s, driver_s, written, again_s, values_only_s, statistics.median(answers), statistics.median(pages)
    )


def document(measured: list[Measured], rows: int) -> str:
    """All databases as Markdown."""
    columns: list[tuple[str, Callable[[Measured], str]]] = [
        ("first time, s", lambda one: f"{one.first_s:.1f}"),
        ("of which this process's processor, s", lambda one: f"{one.driver_s:.1f}"),
        ("values, parameters and tags written", lambda one: str(one.written)),
        ("the same a second", lambda one: f"{one.written / one.first_s:.0f}"),
        ("again, nothing new, s", lambda one: f"{one.again_s:.1f}"),
        ("the same without artifacts, s", lambda one: f"{one.values_only_s:.1f}"),
        ("100 runs asked of the server, ms", lambda one: f"{1000 * one.answer_s:.0f}"),
        ("all runs asked of the server, ms", lambda one: f"{1000 * one.page_s:.0f}"),
    ]
    lines = [
        "# Tracking several hundred rows",
        "",
        f"Written by `python benchmarks/tracking.py --rows {rows} URI...` on {datetime.date.today().isoformat()}: "
        f"{platform.platform()}, {os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}, MLflow {__version__}. "
        f"One made-up suite of {rows} rows, a run each, tracked as `harness track` does it; the databases are on this "
        "machine's disk. Medians of what was asked of `mlflow server --workers 1`.",
        "",
        "| | " + " | ".join(one.kind for one in measured) + " |",
        "| :--- |" + " ---: |" * len(measured),
        *(f"| {title} | " + " | ".join(show(one) for one in measured) + " |" for title, show in columns),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("databases", nargs="+", metavar="URI", help="as MLFLOW_TRACKING_URI")
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--out", type=Path, default=DOCUMENT)
    options = parser.parse_args()
    text = document([measure(uri, options.rows) for uri in options.databases], options.rows)
    print(text, end="")
    options.out.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
