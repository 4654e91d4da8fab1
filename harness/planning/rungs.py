"""Trained weights that a method names: found relative to the suite, and told apart by what they are."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.errors import ModelError, SuiteError, one_line
from harness.planning.configured import ConfiguredMethod
from harness.planning.plain import plain
from harness.suite import LoadedSuite
from harness.task import ModelRung

CARD = "rung.json"
"""Written last, and holds the hash of the weights beside it, so that its own hash stands for the whole folder."""
WEIGHTS = "weights.safetensors"
OUTLINES = "outlines"
"""Folder beside rungs that are not there: their cards alone, of which a row can be priced and not run."""
_PREDICTOR = "disca_predictor"
"""The kind of rung that works beside a student; every other kind is a transformer itself."""


def with_rungs(loaded: LoadedSuite, index: int, method: ConfiguredMethod) -> ConfiguredMethod:
    """The method of entry `index` with the absolute paths of its rungs, which the suite gives relative to itself.

    Raises:
        SuiteError: there is no rung in a folder.
    """
    folders = rung_folders(method)
    resolved = {key: _resolved(loaded, folder, "methods", index, key) for key, folder in folders.items()}
    return replace(method, settings=method.settings | resolved)


def model_rung(loaded: LoadedSuite, label: str) -> ModelRung | None:
    """The student that a model of the suite runs, None where it is the pipeline alone.

    Raises:
        SuiteError: there is no rung in the folder.
    """
    entry = loaded.suite.models[label].rung
    if entry is None:
        return None
    folder = _resolved(loaded, entry.weights, "models", label, "rung", "weights")
    return ModelRung(folder, rung_hash(folder), entry.guidance_scale)


def misfit(method: ConfiguredMethod, under: ModelRung | None) -> str | None:
    """Why a method's own weights do not go together with the student that the model runs, or None."""
    if under is None:
        return None
    student = _card(under.folder)
    for folder in rung_folders(method).values():
        card = _card(folder)
        if card["kind"] != _PREDICTOR:
            return f"the model runs a {student['kind']} already, which a {card['kind']} would take the place of"
        if card["weights_sha256"] and card["parent"] != student["weights_sha256"]:
            return f"{Path(folder).name} was trained for another student than the model's {Path(under.folder).name}"
    return None


def missing_weights(method: ConfiguredMethod, under: ModelRung | None) -> str | None:
    """Which weights of a method or of its model's student are not there, and where to get them; None if all are."""
    folders = [*rung_folders(method).values(), *([under.folder] if under is not None else [])]
    reasons = []
    for folder in map(Path, folders):
        if not (folder / WEIGHTS).is_file():
            home = folder.parent.parent if folder.parent.name == OUTLINES else folder.parent
            remedy = _card(str(folder))["provenance"].get("obtain", "copy the whole folder of the rung")
            reasons.append(f"{home.name}/{folder.name} holds no {WEIGHTS}: {remedy}")
    return "; ".join(reasons) or None


def rung_folders(method: ConfiguredMethod) -> dict[str, str]:
    """The folders of a method's rungs by field."""
    named = {name: method.settings[name] for name in method.rung_fields}
    return {name: folder for name, folder in named.items() if folder is not None}


def identity(method: ConfiguredMethod) -> dict[str, Any]:
    """The method's configuration as cells are filed under it: plain values, and a hash for each rung's folder."""
    hashes = {name: rung_hash(folder) for name, folder in rung_folders(method).items()}
    config: dict[str, Any] = plain(method.settings)
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


def _resolved(loaded: LoadedSuite, folder: str, *place: int | str) -> str:
    found = loaded.resolve(folder)
    for there in (found, found.parent / OUTLINES / found.name):
        if (there / CARD).is_file():
            return str(there)
    raise SuiteError(f"{loaded.where(*place)}: {folder!r} holds no {CARD}; give the folder of a trained rung")


def _card(folder: str) -> dict[str, Any]:
    """What a rung's card says of what it is and what it was made for.

    Raises:
        ModelError: it does not.
    """
    try:
        found = json.loads((Path(folder) / CARD).read_text(encoding="utf-8"))
        return {key: found[key] for key in ("kind", "parent", "weights_sha256", "provenance")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"rung {folder}: {CARD} is damaged ({one_line(error)}); copy the rung anew") from None
