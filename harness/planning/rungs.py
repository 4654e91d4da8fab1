"""Trained weights that a method names: found relative to the suite, and told apart by what they are."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import ModelError, SuiteError
from harness.planning.variants import plain
from harness.suite import LoadedSuite

if TYPE_CHECKING:
    from methods.base import Method

CARD = "rung.json"
"""Written last, and holds the hash of the weights beside it, so that its own hash stands for the whole folder."""


def with_rungs(loaded: LoadedSuite, index: int, method: Method) -> Method:
    """The method of entry `index` with the absolute paths of its rungs, which the suite gives relative to itself.

    Raises:
        SuiteError: there is no rung in a folder.
    """
    resolved = {}
    for key, folder in rung_folders(method).items():
        found = loaded.resolve(folder)
        if not (found / CARD).is_file():
            where = loaded.where("methods", index, key)
            raise SuiteError(f"{where}: {folder!r} holds no {CARD}; give the folder of a trained rung")
        resolved[key] = str(found)
    return replace(method, **resolved)


def rung_folders(method: Method) -> dict[str, str]:
    """The folders of a method's rungs by field."""
    named = {name: getattr(method, name) for name in method.rung_fields}
    return {name: folder for name, folder in named.items() if folder is not None}


def identity(method: Method) -> dict[str, Any]:
    """The method's configuration as cells are filed under it: plain values, and a hash for each rung's folder."""
    hashes = {name: rung_hash(folder) for name, folder in rung_folders(method).items()}
    config: dict[str, Any] = plain(method.config())
    return config | hashes


def rung_hash(folder: str) -> str:
    """What stands for a rung's folder.

    Raises:
        ModelError: it holds none.
    """
    try:
        return f"sha256:{hashlib.sha256((Path(folder) / CARD).read_bytes()).hexdigest()[:32]}"
    except OSError as error:
        raise ModelError(f"rung {folder}: {CARD} cannot be read ({error.strerror}); plan the suite again") from None
