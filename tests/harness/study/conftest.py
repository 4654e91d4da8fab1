"""A store with the synthetic suite's videos, and a study of it on a real server in a thread."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from simulated_rater import Served

from harness.records import SuiteManifest
from harness.store import Store
from harness.study.plan import plan_study
from harness.study.serve import Address
from harness.study.server import make_app
from harness.study.study import StudyOptions, finished_videos, open_study, open_votes
from tests.reports.synthetic import ROWS, synthetic


@pytest.fixture(scope="session")
def filled_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four rows, four prompts, one sample."""
    source = synthetic(rows=ROWS[:4], prompts=4, samples=1, videos=True)
    store = Store(str(tmp_path_factory.mktemp("filled")))
    store.write_manifest(source.suite)
    for record in source.done.values():
        store.write_cell(record)
    for path, content in source.files.items():
        with store.open(path, "wb") as file:
            file.write(content)
    return Path(store.root)


@pytest.fixture
def store(tmp_path: Path, filled_store: Path) -> Store:
    """One's own copy, without votes."""
    return Store(str(shutil.copytree(filled_store, tmp_path / "store")))


@pytest.fixture
def manifest(store: Store) -> SuiteManifest:
    return store.manifest("synthetic")


@pytest.fixture
def serve(store: Store, manifest: SuiteManifest) -> Iterator[Callable[..., Served]]:
    """Serve a study of the store; arguments are `plan_study`'s, and `options`."""
    with ExitStack() as running:

        def start(options: StudyOptions | None = None, reference: bool = False, **plan: Any) -> Served:
            made = plan_study(manifest, finished_videos(store, manifest), reference=reference, **plan)
            votes = open_votes(store, manifest.suite, None, reference_shown=reference)
            study = running.enter_context(open_study(made, votes, store, options or StudyOptions()))
            listener = running.enter_context(socket.create_server(("127.0.0.1", 0)))
            port = listener.getsockname()[1]
            app = make_app(study, Address.of("127.0.0.1", port).hosts)
            server = uvicorn.Server(uvicorn.Config(app, log_level="error", access_log=False))
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()

            def stop() -> None:
                server.should_exit = True
                thread.join()

            running.callback(stop)
            deadline = time.monotonic() + 60
            while not server.started:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            return Served(study, manifest, port)

        yield start
