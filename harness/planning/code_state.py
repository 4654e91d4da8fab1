"""The state of the code that answers while a suite is planned."""

from __future__ import annotations

import hashlib
import json
import platform
from pathlib import Path

import harness
import methods
from harness.environment import PACKAGES, package_version

_READ = frozenset({".py", ".json"})
"""Ratios and architectures are data files of the methods."""


def code_state() -> str:
    """32 hex digits that are others after any change to what methods and families could answer from.

    That is every module and data file of `methods` and of the harness, down to the comments, with the versions of
    Python and of the packages they build on. Far more than an answer needs, and so nothing that could be forgotten.
    """
    digest = hashlib.sha256()
    for folder in (Path(package.__path__[0]) for package in (methods, harness)):
        for path in sorted(path for path in folder.rglob("*") if path.suffix in _READ):
            content = path.read_bytes()
            digest.update(f"{folder.name}/{path.relative_to(folder).as_posix()}\0{len(content)}\0".encode() + content)
    versions = {name: package_version(name) for name in (*PACKAGES, "pydantic")}
    digest.update(json.dumps([platform.python_version(), versions]).encode())
    return digest.hexdigest()[:32]
