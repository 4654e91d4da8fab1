"""VBench's package as a file: the wheel lies in the user's cache, and its prompt list is read from there.

A wheel is a zip, so nothing needs to be installed to read it; its dependencies, which go together with no current
diffusers, stay away. What is read is always the very wheel that the harness was written against.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from harness.errors import VBenchError

VERSION: Final = "0.1.5"
WHEEL: Final = f"vbench-{VERSION}-py3-none-any.whl"
WHEEL_SHA256: Final = "13266ed4715d91a7669ab58484b9e010bc91bb96e129d414fb512d4937890023"
WHEEL_BYTES: Final = 438735
"""Of the file on PyPI, both."""
FULL_INFO: Final = "vbench/VBench_full_info.json"
INSTALL: Final = "harness doctor --install vbench-prompts"


def cache_folder() -> Path:
    """The harness's own folder in the user's cache (`$XDG_CACHE_HOME`, else `~/.cache`)."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "video-acceleration-harness"


def wheel_path() -> Path:
    """Where the wheel lies, or is to lie."""
    return cache_folder() / "vbench" / WHEEL


def full_info() -> list[dict[str, Any]]:
    """VBench's own list of prompts, `prompt_en` and `dimension` each, in its order.

    Raises:
        VBenchError: the wheel is not there, or is another one; with what to do.
    """
    path = wheel_path()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise VBenchError(f"VBench's prompt list is not there ({error.strerror}: {path}); run `{INSTALL}`") from None
    found = hashlib.sha256(data).hexdigest()
    if found != WHEEL_SHA256:
        raise VBenchError(f"{path} has SHA-256 {found[:8]}..., not {WHEEL_SHA256[:8]}...; remove it, run `{INSTALL}`")
    with zipfile.ZipFile(path) as wheel:
        entries: list[dict[str, Any]] = json.loads(wheel.read(FULL_INFO))
    return entries


def install_wheel() -> Path:
    """Get the wheel with pip, from wherever pip is set up to get packages, and put it in its place.

    Raises:
        VBenchError: pip cannot get it, or what it got is another file.
    """
    target = wheel_path()
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent) as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        only_this = ["--no-deps", "--only-binary", ":all:", "--dest", folder, f"vbench=={VERSION}"]
        done = subprocess.run([*pip, *only_this], capture_output=True, text=True)
        got = Path(folder) / WHEEL
        if done.returncode or not got.is_file():
            said = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
            raise VBenchError(f"pip cannot get vbench {VERSION} ({said}); put {WHEEL} from PyPI in {target.parent}")
        found = hashlib.sha256(got.read_bytes()).hexdigest()
        if found != WHEEL_SHA256:
            raise VBenchError(f"pip got {WHEEL} with SHA-256 {found[:8]}..., PyPI's is {WHEEL_SHA256[:8]}...; ask why")
        got.replace(target)
    return target
