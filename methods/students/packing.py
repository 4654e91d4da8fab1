"""Rungs kept small: written from trained ones, with the error that the rounding makes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from methods.students.differences import from_differences, to_differences
from methods.students.rung import (
    Format,
    Rung,
    RungError,
    Storage,
    check_prefixes,
    read_any_card,
    read_tensors,
    state_digest,
    under,
    with_prefix,
    write_files,
)
from methods.students.student import CONDITIONING, SCALES, TRANSFORMER


def pack_rung(folder: Path, out: Path, transformer: nn.Module, *, provenance: Mapping[str, Any] | None = None) -> Rung:
    """Write the rung in `folder` to `out`, small: a student in some 8 bits a weight, anything else in 16.

    A student's transformer is kept as differences to `transformer`, in float32 that of the pipelines the rung will run
    on (see `to_differences`), and its embedders as they are. Anything else, such as a predictor, is kept in float16.
    The card says what it said, `weights_sha256` too, and how large the rounding is; `provenance` is added to its own.

    Raises:
        RungError: `folder` holds no rung or one that is packed already, or is `out`; its student does not fit
            `transformer`; or a value is not finite, or too large for float16.
    """
    rung = read_any_card(folder)
    if out.resolve() == folder.resolve():
        raise RungError(f"{folder} would be written over; give another folder to pack it to")
    if rung.storage is not None:
        raise RungError(f"{folder} is packed already ({rung.storage.format}); give the rung as it was trained")
    tensors = read_tensors(folder, rung)
    form: Format = "float16"
    relative_to: str | None = None
    if own := under(tensors, TRANSFORMER):
        check_prefixes(tensors, (TRANSFORMER, CONDITIONING), folder)
        base = transformer.state_dict()
        kept, scales = to_differences(own, base, folder)
        found = from_differences(kept, scales, base, folder)
        rounded = [(own[name], found[name], base[name]) for name in scales]
        embedders = with_prefix(under(tensors, CONDITIONING), CONDITIONING)
        tensors = with_prefix(kept, TRANSFORMER) | with_prefix(scales, SCALES) | embedders
        form, relative_to = "int8_differences", state_digest(base, in_float32=True)
    else:
        halves = {name: value.half() if value.is_floating_point() else value for name, value in tensors.items()}
        rounded = [(value, halves[name], torch.zeros(())) for name, value in tensors.items()]
        tensors = halves
    measured = _measured(rounded)
    if not math.isfinite(measured["rms_error"]):
        raise RungError(f"{folder} holds values that are not finite once packed; keep it as it was trained")

    def card(sha256: str) -> Rung:
        added = {**rung.provenance, **(provenance or {})}
        storage = Storage(form, sha256=sha256, base=relative_to, **measured)
        return replace(rung, provenance=added, storage=storage)

    return write_files(out, tensors, card)


def _measured(rounded: Iterable[tuple[Tensor, Tensor, Tensor]]) -> dict[str, float]:
    """Of tensors as they were, as they come back, and what they were rounded relative to."""
    largest, squared_error, squared, count = 0.0, 0.0, 0.0, 0
    for exact, found, base in rounded:
        value = exact.detach().cpu().double()
        error = value - found
        largest = max(largest, float(error.abs().max()))
        squared_error += float(error.square().sum())
        squared += float((value - base.detach().cpu()).square().sum())
        count += value.numel()
    rms_error, rounded_rms = (math.sqrt(total / count) for total in (squared_error, squared))
    return {"max_error": largest, "rms_error": rms_error, "rounded_rms": rounded_rms}
