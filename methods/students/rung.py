"""A rung of the distillation ladder as a folder: `rung.json` says what it is, `weights.safetensors` holds it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from methods.base import MethodError

CARD, WEIGHTS = "rung.json", "weights.safetensors"
_SHOWN = 4  # names of a long list that an error shows


class RungError(MethodError):
    """A rung's folder is missing, damaged, of another kind or family, or does not fit the model."""


@dataclass(frozen=True, slots=True)
class Rung:
    """What `rung.json` says.

    `kind` is the rung's name (`cfg_distilled`, `meanflow`, ...), `family` the architecture's. `parent` is the sha256
    of what the rung was distilled from: the `weights_sha256` of another rung, or the `state_digest` of a transformer.
    `config` is what is needed to build the rung's modules, `provenance` how they were trained; both are plain JSON.
    """

    kind: str
    family: str
    parent: str
    config: Mapping[str, Any]
    provenance: Mapping[str, Any]
    weights_sha256: str


def write_rung(
    folder: Path,
    *,
    kind: str,
    family: str,
    parent: str,
    config: Mapping[str, Any],
    provenance: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
) -> Rung:
    """Write a rung; `rung.json` comes last, so a folder that has one is whole.

    Raises:
        ValueError: `tensors` is empty.
    """
    if not tensors:
        raise ValueError(f"a rung {kind!r} without weights was to be written to {folder}; give its tensors")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD).unlink(missing_ok=True)
    save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, folder / WEIGHTS)
    rung = Rung(kind, family, parent, _plain(config), _plain(provenance), _file_digest(folder / WEIGHTS))
    text = json.dumps({field.name: getattr(rung, field.name) for field in fields(Rung)}, indent=2)
    unfinished = folder / f"{CARD}.tmp"
    unfinished.write_text(text + "\n", encoding="utf-8")
    os.replace(unfinished, folder / CARD)
    return rung


def read_card(folder: Path, *, kinds: Collection[str], family: str) -> Rung:
    """What a folder's `rung.json` says; reads no weights.

    Raises:
        RungError: there is none, it lacks a field or has an unknown one, or it is of another kind or family.
    """
    path = folder / CARD
    if not path.is_file():
        raise RungError(f"{folder} holds no {CARD}; train the rung or name the folder of a trained one")
    found = json.loads(path.read_text(encoding="utf-8"))
    known = {field.name for field in fields(Rung)}
    if not isinstance(found, dict) or set(found) != known:
        wrong = sorted(set(found) ^ known) if isinstance(found, dict) else type(found).__name__
        raise RungError(f"{path} has missing or unknown fields {wrong}; it must have {', '.join(sorted(known))}")
    rung = Rung(**found)
    if rung.kind not in kinds:
        raise RungError(f"{folder} is a rung of kind {rung.kind!r}; give one of kind {' or '.join(sorted(kinds))}")
    if rung.family != family:
        raise RungError(f"{folder} was trained for {rung.family}, not for {family}; give a rung of this family")
    return rung


def read_tensors(folder: Path, rung: Rung) -> dict[str, Tensor]:
    """The weights of a rung, on the CPU.

    Raises:
        RungError: the file is missing or is not the one that `rung.json` was written for.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise RungError(f"{folder} holds no {WEIGHTS}; copy the whole folder of the rung")
    digest = _file_digest(path)
    if digest != rung.weights_sha256:
        raise RungError(f"{path} has sha256 {digest[:12]}, {CARD} says {rung.weights_sha256[:12]}; copy the rung anew")
    tensors: dict[str, Tensor] = load_file(path)
    return tensors


def under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix` and a dot, without them."""
    return {name.removeprefix(f"{prefix}."): value for name, value in tensors.items() if name.startswith(f"{prefix}.")}


def with_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors with `prefix` and a dot before their names."""
    return {f"{prefix}.{name}": value for name, value in tensors.items()}


def check_prefixes(tensors: Iterable[str], prefixes: Collection[str], where: object) -> None:
    """Refuse names that begin with none of `prefixes`.

    Raises:
        RungError: there are such names.
    """
    strange = [name for name in tensors if name.partition(".")[0] not in prefixes]
    if strange:
        raise RungError(f"{where} holds unknown tensors {_some(strange)}; expected only {', '.join(sorted(prefixes))}")


def check_state(found: Mapping[str, Tensor], expected: Mapping[str, Tensor], where: object) -> None:
    """Refuse anything but the very names and shapes of `expected`.

    Raises:
        RungError: names are missing or unknown, or a shape is another.
    """
    missing, unknown = sorted(set(expected) - set(found)), sorted(set(found) - set(expected))
    if missing or unknown:
        raise RungError(f"{where} does not fit the model: missing {_some(missing)}, unknown {_some(unknown)}")
    for name, value in expected.items():
        if found[name].shape != value.shape:
            shapes = f"{tuple(found[name].shape)}, the model's is {tuple(value.shape)}"
            raise RungError(f"{where} does not fit the model: {name} has shape {shapes}")


def load_strictly(module: nn.Module, tensors: Mapping[str, Tensor], where: object) -> None:
    """Load `tensors` into a module, in the type and on the device of its own; names and shapes must be the same.

    Raises:
        RungError: they are not.
    """
    check_state(tensors, module.state_dict(), where)
    module.load_state_dict(dict(tensors), strict=True)


def state_digest(state: Mapping[str, Tensor]) -> str:
    """The sha256 of names, types, shapes and values of a state dictionary; its order does not matter."""
    digest = hashlib.sha256()
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """As JSON gives them back: lists for tuples."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(values)))
    return plain


def _file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _some(names: list[str]) -> str:
    if not names:
        return "none"
    rest = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + rest
