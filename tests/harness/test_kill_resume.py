"""A driver killed or interrupted midway and run again: no cell is lost, none is made twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from fake_driver import suite
from fake_worker import executions

from harness.ledger import Ledger
from harness.store import Store

HERE = Path(__file__).parent
CELLS = 60
SECONDS = 0.1


def start(root: Path) -> subprocess.Popen[str]:
    """A driver leading its own process group, as under a shell."""
    paths = [str(HERE), str(HERE.parent.parent), os.environ.get("PYTHONPATH", "")]
    return subprocess.Popen(
        [sys.executable, str(HERE / "fake_driver.py"), str(root), str(CELLS), str(SECONDS)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def wait_for_commits(root: Path, count: int, driver: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while sum(what == "commit" for what, _ in executions(root)) < count:
        assert driver.poll() is None, driver.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def check_everything_was_made_once(root: Path) -> None:
    ids = {task.cell_id for task in suite(CELLS, SECONDS)}
    assert len(ids) == CELLS
    store = Store(str(root))
    assert store.cell_ids() == ids
    assert store.cells(ids).keys() == ids
    log = executions(root)
    commits = Counter(cell_id for what, cell_id in log if what == "commit")
    assert set(commits.values()) == {1}
    for cell_id in ids:
        if cell_id in commits:
            assert ("start", cell_id) not in log[log.index(("commit", cell_id)) :]
        else:
            # Its worker was killed after the sidecar and before its line in the log.
            assert log.count(("start", cell_id)) == 1
    with Ledger(root / "another-ledger.db") as ledger:
        assert ledger.sync(store, ids) == ids


def test_killed_then_interrupted_then_run_to_the_end(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    driver = start(tmp_path)
    wait_for_commits(tmp_path, CELLS // 4, driver)
    driver.kill()
    driver.communicate()
    time.sleep(1.0)
    killed_at = len(store.cell_ids())
    assert CELLS // 4 <= killed_at < CELLS // 2
    # The actors ended with their driver: nothing is being made any more.
    time.sleep(5 * SECONDS)
    assert len(store.cell_ids()) == killed_at

    before = executions(tmp_path)
    driver = start(tmp_path)
    wait_for_commits(tmp_path, CELLS // 2, driver)
    # To the whole group, as Ctrl-C on a terminal does.
    os.killpg(driver.pid, signal.SIGINT)
    out, err = driver.communicate(timeout=120)
    assert driver.returncode == 0, err
    summary = json.loads(out)
    assert summary["interrupted"]
    assert summary["already_done"] == killed_at
    assert "interrupt again" in err
    # What was in flight was finished.
    count = Counter(what for what, _ in executions(tmp_path)[len(before) :])
    assert count["start"] == count["commit"] == summary["made"]

    driver = start(tmp_path)
    out, err = driver.communicate(timeout=120)
    assert driver.returncode == 0, err
    last = json.loads(out)
    assert (last["already_done"], last["failed"]) == (killed_at + summary["made"], 0)
    assert last["already_done"] + last["made"] == CELLS
    check_everything_was_made_once(tmp_path)
