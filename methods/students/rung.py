"""A rung of the distillation ladder as a folder: `rung.json` says what it is, `weights.safetensors` holds it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from methods.base import MethodError

CARD, WEIGHTS = "rung.json", "weights.safetensors"
_SHOWN = 4  # names of a long list that an error shows


class RungError(MethodError):
    """A rung's folder is missing, damaged, of another kind or family, or does not fit the model."""


Format = Literal["float16", "int8_differences"]
"""`int8_differences`: a student's transformer is kept as what it differs by from its pipeline's."""


@dataclass(frozen=True, slots=True)
class Storage:
    """How weights are kept that were packed after training; see `methods.students.packing`.

    `sha256` is that of the packed file. `base` is the `state_digest` in float32 of the transformer that the weights are
    differences to, None where they are not. `max_error` and `rms_error` were measured when they were packed, over all
    values that were rounded, in the weights' own units; `rounded_rms` is the root mean square of what was rounded.
    """

    format: Format
    sha256: str
    base: str | None
    max_error: float
    rms_error: float
    rounded_rms: float


@dataclass(frozen=True, slots=True)
class Rung:
    """What `rung.json` says.

    `kind` is the rung's name (`cfg_distilled`, `meanflow`, ...), `family` the architecture's. `parent` is the sha256
    of what the rung was distilled from: the `weights_sha256` of another rung, or the `state_digest` of a transformer.
    `config` is what is needed to build the rung's modules, `provenance` how they were trained; both are plain JSON.
    `weights_sha256` is that of the weights' file as it was trained, however it is kept since (`storage`, None where it
    is that file): lineage does not depend on it. A card alone, of weights that are not there, has an empty one, and
    says in `provenance` under `obtain` where they are from.
    """

    kind: str
    family: str
    parent: str
    config: Mapping[str, Any]
    provenance: Mapping[str, Any]
    weights_sha256: str
    storage: Storage | None = None


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
    """Write a rung as it was trained.

    Raises:
        ValueError: `tensors` is empty.
    """
    if not tensors:
        raise ValueError(f"a rung {kind!r} without weights was to be written to {folder}; give its tensors")
    said = _plain(config), _plain(provenance)
    return write_files(folder, tensors, lambda sha256: Rung(kind, family, parent, *said, sha256))


def write_files(folder: Path, tensors: Mapping[str, Tensor], card: Callable[[str], Rung]) -> Rung:
    """Write weights, then the card that is made for their sha256; so a folder that has a `rung.json` is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD).unlink(missing_ok=True)
    save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, folder / WEIGHTS)
    rung = card(_file_digest(folder / WEIGHTS))
    said = {name: value for name, value in asdict(rung).items() if value is not None}
    unfinished = folder / f"{CARD}.tmp"
    unfinished.write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")
    os.replace(unfinished, folder / CARD)
    return rung


def read_card(folder: Path, *, kinds: Collection[str], family: str) -> Rung:
    """What a folder's `rung.json` says, of a rung that is to be one of these; reads no weights.

    Raises:
        RungError: see `read_any_card`; or it is of another kind or family.
    """
    rung = read_any_card(folder)
    if rung.kind not in kinds:
        raise RungError(f"{folder} is a rung of kind {rung.kind!r}; give one of kind {' or '.join(sorted(kinds))}")
    if rung.family != family:
        raise RungError(f"{folder} was trained for {rung.family}, not for {family}; give a rung of this family")
    return rung


def read_any_card(folder: Path) -> Rung:
    """What a folder's `rung.json` says, whatever it is of; reads no weights.

    Raises:
        RungError: there is none, it lacks a field or has an unknown one, or its weights are kept in an unknown format.
    """
    path = folder / CARD
    if not path.is_file():
        raise RungError(f"{folder} holds no {CARD}; train the rung or name the folder of a trained one")
    found = json.loads(path.read_text(encoding="utf-8"))
    storage = found.pop("storage", None) if isinstance(found, dict) else None
    _check_fields(path, found, Rung, optional="storage")
    if storage is not None:
        _check_fields(path, storage, Storage)
        if storage["format"] not in get_args(Format):
            raise RungError(f"{path} has storage format {storage['format']!r}; known: {', '.join(get_args(Format))}")
        found["storage"] = Storage(**storage)
    return Rung(**found)


def read_tensors(folder: Path, rung: Rung) -> dict[str, Tensor]:
    """The weights of a rung, on the CPU, as they are in the file.

    Raises:
        RungError: the file is missing or is not the one that `rung.json` was written for.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        remedy = rung.provenance.get("obtain", "copy the whole folder of the rung")
        raise RungError(f"{folder} holds no {WEIGHTS}; {remedy}")
    digest, said = _file_digest(path), rung.weights_sha256 if rung.storage is None else rung.storage.sha256
    if digest != said:
        raise RungError(f"{path} has sha256 {digest[:12]}, {CARD} says {said[:12]}; copy the rung anew")
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


def state_digest(state: Mapping[str, Tensor], *, in_float32: bool = False) -> str:
    """The sha256 of names, types, shapes and values of a state dictionary; its order does not matter.

    With `in_float32` floating-point values are taken as of that type, so that weights kept in float16 are the same.
    """
    digest = hashlib.sha256()
    for name in sorted(state):
        value = state[name].detach().cpu().contiguous()
        if in_float32 and value.is_floating_point():
            value = value.float()
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _check_fields(path: Path, found: Any, of: type[Rung] | type[Storage], optional: str | None = None) -> None:
    known = {field.name for field in fields(of)} - {optional}
    if not isinstance(found, dict) or set(found) != known:
        wrong = sorted(set(found) ^ known) if isinstance(found, dict) else type(found).__name__
        raise RungError(f"{path} has missing or unknown fields {wrong}; it must have {', '.join(sorted(known))}")


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
