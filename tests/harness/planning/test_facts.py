"""A plan from memory is the plan, and needs neither torch nor anything else that is slow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import SuiteError
from harness.plan import make_plan
from harness.planning import configured, facts
from harness.planning.remembered import Remembered
from harness.suite import load_suite
from harness.variant import load_variant

SUITES = Path(__file__).parents[3] / "suites"
SLOW = ("torch", "diffusers", "transformers", "scipy", "numpy", "ray", "mlflow", "pandas")


def refuse(name: str) -> None:
    raise AssertionError(f"{name} was asked")


@pytest.mark.parametrize("tiny", [False, True])
@pytest.mark.parametrize("name", ["disca_table7", "mixcache_table1", "adacache_a1_dit"])
def test_a_plan_from_memory_is_the_plan(name: str, tiny: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_variant(SUITES / f"{name}.yaml", tiny=tiny, first_prompts=1)
    asked, learning = make_plan(loaded), Remembered(tmp_path)
    assert make_plan(loaded, learning) == asked
    learning.keep()
    methods = [row.method.config() for row in asked.rows]
    for place, loader in ((facts, "load_family"), (facts, "load_method"), (configured, "load_method")):
        monkeypatch.setattr(place, loader, refuse)
    recalled = make_plan(loaded, Remembered(tmp_path))
    assert recalled == asked
    assert recalled.manifest() == asked.manifest()
    assert list(recalled.tasks()) == list(asked.tasks())
    # 1 and 1.0 are equal, and not the same in a cell's name.
    assert [repr(row) for row in recalled.rows] == [repr(row) for row in asked.rows]
    assert [repr(row.configured.settings) for row in recalled.rows] == [repr(config) for config in methods]


SUITE = """\
models:
  wan: {family: wan, model: a/b, sampling: {num_inference_steps: 6}}
prompts: [a red circle]
methods:
  - method: original
  - {method: fora, cache_interval: 2}
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [("cache_interval: 2", "cache_interval: 3"), ("steps: 6", "steps: 7"), ("fora, ", "fora, schedule: descending, ")],
)
def test_a_changed_suite_is_asked_about_anew(old: str, new: str, tmp_path: Path) -> None:
    path, folder = tmp_path / "suite.yaml", tmp_path / "plans"
    for text in (SUITE, SUITE.replace(old, new)):
        path.write_text(text)
        learning = Remembered(folder)
        assert make_plan(load_suite(path), learning) == make_plan(load_suite(path))
        learning.keep()


def test_an_error_is_said_again(tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE.replace("cache_interval: 2", "cache_interval: 0"))
    for _ in range(2):
        learning = Remembered(tmp_path / "plans")
        with pytest.raises(SuiteError, match="cache_interval is 0"):
            make_plan(load_suite(path), learning)
        learning.keep()


def test_a_second_plan_in_a_fresh_process_imports_nothing_slow(tmp_path: Path) -> None:
    suite = SUITES / "quickstart.yaml"
    learning = Remembered(tmp_path / "video-acceleration-harness" / "plans")
    cells = make_plan(load_suite(suite), learning).cells
    learning.keep()
    code = (
        "import sys; from harness.cli import app; app(['plan', sys.argv[1]], standalone_mode=False);"
        f"print([name for name in {SLOW} if name in sys.modules])"
    )
    environment = {"XDG_CACHE_HOME": str(tmp_path), "PATH": "", "COLUMNS": "200"}
    command = [sys.executable, "-c", code, str(suite)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment, cwd=SUITES.parent)
    *_, counted, imported = done.stdout.splitlines()
    assert counted.startswith(f"{cells} cells: ")
    assert imported == "[]"
