"""The file a calibration is kept in: the fitted fields, the curves they were fitted to, and where all came from.

A suite names such a file in a method's `calibration_file`; planning puts its `fields` into the method's configuration,
so that cells are identified by what the file says and not by where it lies.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from harness.errors import HarnessError
from harness.records import Record

SIGNIFICANT_DIGITS = 6
"""Of a curve's values, which keeps the file small; fields keep all digits."""

Values = tuple[tuple[float | None, ...], ...]


class CalibrationError(HarnessError):
    """A calibration cannot be made, read or used."""


class Curve(Record):
    """One quantity of the original at one guidance branch: `values[prompt][step_index]`, None where it has none."""

    name: str
    branch: Literal["cond", "uncond", "both", "guided"]
    """`guided`: of what guidance makes of both branches."""
    values: Values


class PromptsUsed(Record):
    """Which prompts were used, without repeating them."""

    count: int
    sha256: str
    """Of the prompts, one a line."""


class MadeBy(Record):
    """What wrote the file and when."""

    harness: str
    commit: str | None
    date: str
    """ISO 8601, UTC, to the second."""


class Calibration(Record):
    """What `harness calibrate` found for one method on one model under one sampling."""

    format: Literal[1] = 1
    method: str
    family: str
    model: str
    """Hub id, or the end of a folder's path."""
    model_fingerprint: str
    """Content hash of a local folder, or the hub revision."""
    dtype: str
    sampling: dict[str, Any]
    options: dict[str, Any]
    """Choices of the calibration itself, where the papers leave them open."""
    prompts: PromptsUsed
    seeds: tuple[int, ...]
    """Of the videos, in the order of the prompts."""
    made_by: MadeBy
    fields: dict[str, Any]
    """Fields of the method."""
    curves: tuple[Curve, ...]

    def curve(self, name: str, branch: str) -> Curve:
        """The curve of this name and branch.

        Raises:
            KeyError: there is none.
        """
        for curve in self.curves:
            if (curve.name, curve.branch) == (name, branch):
                return curve
        raise KeyError((name, branch))


def read_calibration(path: Path) -> Calibration:
    """Read a file.

    Raises:
        CalibrationError: it is absent or is no calibration.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise CalibrationError(f"{path}: cannot be read ({reason}); make it with harness calibrate") from None
    try:
        return Calibration.model_validate_json(text)
    except ValidationError as error:
        finding = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in finding["loc"])
        raise CalibrationError(
            f"{path}: {where or 'file'}: {finding['msg'].lower()}; make it anew with harness calibrate"
        ) from None


def write_calibration(calibration: Calibration, path: Path) -> None:
    """Write a file whole or not at all, a line for each field and each prompt of a curve.

    Raises:
        CalibrationError: it cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(_as_text(calibration.model_dump(mode="json")), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise CalibrationError(f"{path}: cannot be written ({error.strerror}); give another --out") from None


def rounded(value: float) -> float:
    """A curve's value as it is written."""
    return float(f"{value:.{SIGNIFICANT_DIGITS}g}")


def _as_text(value: Any, indent: int = 0) -> str:
    """JSON with a list of plain values on one line, which `indent=2` would spread over hundreds."""
    plain = not isinstance(value, dict | list) or not value
    flat = isinstance(value, list) and not any(map(_is_nested, value))
    if plain or flat:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    inner, outer = " " * (indent + 2), " " * indent
    if isinstance(value, dict):
        lines = [f"{json.dumps(key, ensure_ascii=False)}: {_as_text(item, indent + 2)}" for key, item in value.items()]
        return "{\n" + ",\n".join(inner + line for line in lines) + f"\n{outer}}}"
    return "[\n" + ",\n".join(inner + _as_text(item, indent + 2) for item in value) + f"\n{outer}]"


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict | list)
