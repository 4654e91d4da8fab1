"""The environment of a number: what machine, what versions, what commit."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from harness.records import canonical_hash

PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "torchmetrics", "lpips", "numpy", "av", "cache-dit")


@cache
def code_commit() -> str | None:
    """Commit of the checkout this package lies in, with `-dirty` where tracked files differ; None outside of one."""
    folder = Path(__file__).parent

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    if commit is None:
        return None
    return f"{commit}-dirty" if git("status", "--porcelain", "--untracked-files=no") else commit


def package_version(package: str) -> str | None:
    """Of an installed package, None where it is not there."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def describe_environment(device: str) -> dict[str, Any]:
    """Facts about this process and the device it generates on, with `fingerprint`, their hash.

    `device` is torch's name of it. `device_name` is what latencies are only ever compared within.
    """
    import torch

    cuda = device.startswith("cuda")
    facts: dict[str, Any] = {
        "device": device.split(":")[0],
        "device_name": torch.cuda.get_device_name(device) if cuda else _cpu_name(),
        "device_memory_bytes": torch.cuda.get_device_properties(device).total_memory if cuda else None,
        "cuda": torch.version.cuda if cuda else None,
        "threads": torch.get_num_threads(),
        "cpu_count": os.cpu_count(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "commit": code_commit(),
        "packages": {name: version for name in PACKAGES if (version := package_version(name))},
    }
    return {**facts, "fingerprint": canonical_hash(facts)}
