"""The function `ray` in real shells: what it takes for a suite, and what it leaves to Ray."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.shell_init import Shell

ROOT = Path(__file__).parents[2]
SUITE = ROOT / "suites" / "quickstart.yaml"


@pytest.fixture(params=list(Shell))
def shell(request: pytest.FixtureRequest) -> str:
    found = shutil.which(request.param.value)
    if found is None:
        pytest.skip(f"{request.param} is not installed")
    return found


@pytest.fixture
def commands(tmp_path: Path) -> Path:
    """A folder with a `ray` that says what it was given, and a `harness` that does so for `submit`."""
    folder = tmp_path / "commands"
    folder.mkdir()
    scripts = {
        "ray": 'printf "ray"; printf " <%s>" "$@"; echo; exit 7',
        "harness": f'if [ "$1" = shell-init ]; then exec {sys.executable} -m harness "$@"; fi\n'
        'printf "harness"; printf " <%s>" "$@"; echo; exit 3',
    }
    for name, script in scripts.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return folder


def said(shell: str, commands: Path, line: str, folder: Path = ROOT) -> tuple[str, int]:
    """What a line typed into the shell runs, after the line in its start file that the README gives."""
    environment = os.environ | {"PATH": f"{commands}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "SHELL": "/bin/sh"}
    options = ["--no-config"] if shell.endswith("fish") else ["-f"] if shell.endswith("zsh") else ["--norc"]
    script = f'eval "$(harness shell-init)"\n{line}\n'
    ran = subprocess.run(
        [shell, *options, "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )
    assert ran.stderr == ""
    return ran.stdout.strip(), ran.returncode


def test_a_suite_alone_goes_to_harness_and_the_rest_to_ray(shell: str, commands: Path, tmp_path: Path) -> None:
    spaced = tmp_path / "my suite.yml"
    shutil.copyfile(SUITE, spaced)
    shutil.copyfile(SUITE, tmp_path / "suite.txt")
    assert said(shell, commands, "ray submit suites/quickstart.yaml") == (
        "harness <submit> <suites/quickstart.yaml>",
        3,
    )
    untouched = {
        "ray submit suites/cluster.example.yaml": "ray <submit> <suites/cluster.example.yaml>",
        "ray submit suites/quickstart.yaml main.py": "ray <submit> <suites/quickstart.yaml> <main.py>",
        "ray submit --start suites/quickstart.yaml": "ray <submit> <--start> <suites/quickstart.yaml>",
        "ray submit missing.yaml": "ray <submit> <missing.yaml>",
        f"ray submit {tmp_path}/suite.txt": f"ray <submit> <{tmp_path}/suite.txt>",
        "ray status": "ray <status>",
        "ray job submit -- 'a b' \"\"": "ray <job> <submit> <--> <a b> <>",
    }
    together = said(shell, commands, "; ".join([f"ray submit '{spaced}'", *untouched]))
    assert together == ("\n".join([f"harness <submit> <{spaced}>", *untouched.values()]), 7)


@pytest.mark.parametrize("name", list(Shell))
def test_a_shell_may_be_named(name: Shell) -> None:
    printed = CliRunner().invoke(app, ["shell-init", name.value])
    assert printed.stdout.startswith("function ray")
    assert ("$argv" in printed.stdout) is (name is Shell.FISH)


def test_no_file_is_both_a_suite_and_a_cluster() -> None:
    ray = pytest.importorskip("ray.autoscaler", reason="Ray's schema")
    schema = json.loads((Path(ray.__file__).parent / "ray-schema.json").read_text(encoding="utf-8"))
    assert schema["additionalProperties"] is False
    assert not {"models", "methods"} & schema["properties"].keys()
