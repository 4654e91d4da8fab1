"""The environment of VBench's scorers: its requirements go together with no current diffusers, so it is one of its own.

Harness and scorers meet in files alone. Nothing here imports from that environment; it only looks what lies in it.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Final

from harness.vbench.package import VERSION, cache_folder

VARIABLE: Final = "HARNESS_VBENCH_PYTHON"
REQUIREMENTS: Final = ("torch==2.14.1", "torchvision==0.29.1", f"vbench=={VERSION}", "setuptools<81")
"""Seen to work together on Python 3.11, 6.7 GB; openai-clip needs what setuptools dropped in 81."""
DETECTRON2_COMMIT: Final = "02b5c4e"


def scoring_python() -> Path:
    """Its interpreter: `$HARNESS_VBENCH_PYTHON`, else that of an environment in the harness's cache."""
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser() if named else cache_folder() / "vbench" / "environment" / "bin" / "python"


def holds(python: Path, package: str, version: str | None = None) -> bool:
    """Whether a package, installed or as a folder of source, is in the environment of an interpreter."""
    # The interpreter of a virtual environment is a link out of it, which must not be followed.
    folders = list(python.parent.parent.glob("lib/python3*/site-packages"))
    installed = any(any(folder.glob(f"{package}-{version or '*'}.dist-info")) for folder in folders)
    return installed or (version is None and any((folder / package).is_dir() for folder in folders))


def how_to_make() -> str:
    """What to do to have one, in one line."""
    folder = shlex.quote(str(scoring_python().parent.parent))
    made = f"python3.11 -m venv {folder} && {folder}/bin/pip install {shlex.join(REQUIREMENTS)}"
    return f"{made} (6.7 GB; or name another environment's Python in ${VARIABLE})"
