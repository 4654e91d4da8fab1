"""The environment of VBench's scorers: its requirements go together with no current diffusers, so it is one of its own.

Harness and scorers meet over pipes and files alone. Nothing here imports from that environment; it only makes it, and
looks what lies in it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from harness.errors import VBenchError
from harness.vbench.package import cache_folder

VARIABLE: Final = "HARNESS_VBENCH_PYTHON"
LOCK: Final = Path(__file__).with_suffix(".txt")
"""Every package with its version and hash."""
PYTHON: Final = "python3.11"
"""The newest for which all of them are to be had."""
INSTALL: Final = "harness doctor --install vbench"
DETECTRON2_COMMIT: Final = "02b5c4e"


def scoring_python() -> Path:
    """Its interpreter: `$HARNESS_VBENCH_PYTHON`, else that of an environment in the harness's cache."""
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser() if named else _folder() / "bin" / "python"


def holds(python: Path, package: str, version: str | None = None) -> bool:
    """Whether a package, installed or as a folder of source, is in the environment of an interpreter."""
    # The interpreter of a virtual environment is a link out of it, which must not be followed.
    folders = list(python.parent.parent.glob("lib/python3*/site-packages"))
    installed = any(any(folder.glob(f"{package}-{version or '*'}.dist-info")) for folder in folders)
    return installed or (version is None and any((folder / package).is_dir() for folder in folders))


def how_to_make() -> str:
    """What to do to have one, in one line."""
    return f"{INSTALL} (7 GB; or name another environment's Python in ${VARIABLE})"


def install_environment() -> Path:
    """Make the environment from the lock file, in minutes; its interpreter. One that is there is replaced at the end.

    Raises:
        VBenchError: another environment is named, there is no Python 3.11, or pip fails (what it did is removed).
    """
    if VARIABLE in os.environ:
        raise VBenchError(f"${VARIABLE} names {os.environ[VARIABLE]}; unset it to have the harness's own made")
    folder = _folder()
    made = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(made, ignore_errors=True)
    try:
        _run([_base_python(), "-m", "venv", str(made)])
        # Isolated: what PYTHONPATH shows of this environment is no part of that one.
        pip = [str(made / "bin" / "python"), "-I", "-m", "pip", "--disable-pip-version-check"]
        # The lock is whole, so pip has nothing to resolve.
        _run([*pip, "install", "--quiet", "--no-deps", "--require-hashes", "--requirement", str(LOCK)])
        _run([*pip, "check"])
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return scoring_python()


def _folder() -> Path:
    return cache_folder() / "vbench" / "environment"


def _base_python() -> str:
    """A Python of the right version, by path."""
    if f"python{sys.version_info.major}.{sys.version_info.minor}" == PYTHON:
        return sys.executable
    found = shutil.which(PYTHON)
    if found is None:
        raise VBenchError(f"VBench's environment needs {PYTHON}, which is not on the path; install it and try again")
    return found


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise VBenchError(f"VBench's environment cannot be made: {' '.join(command[:4])} says {said!r}")
