"""The configurations of a suite's method entry: checked against the method's own fields, sweeps expanded, named."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, fields
from itertools import product
from typing import TYPE_CHECKING, Any, get_type_hints

from pydantic import ConfigDict, TypeAdapter, ValidationError

from harness.calibrate.use import UsedCalibration
from harness.discovery import load_method
from harness.errors import SuiteError, nearest
from harness.strict_yaml import shown
from harness.suite import LoadedSuite, MethodEntry

if TYPE_CHECKING:
    from methods.base import Method

_FINITE = ConfigDict(allow_inf_nan=False)


def variants(
    loaded: LoadedSuite, index: int, entry: MethodEntry, calibration: UsedCalibration | None
) -> Iterator[tuple[dict[str, Any], Method]]:
    """Each configuration of an entry with the values that the suite gives for it."""
    method = load_method(entry.method)
    known = {field.name: field for field in fields(method)}
    fixed = calibration.fields_beside(known, entry.config) if calibration is not None else {}
    for key in entry.config:
        if key not in known:
            where = loaded.where("methods", index, key)
            hint = nearest(key, known) if known else "; it has none, so remove it"
            raise SuiteError(f"{where}: {entry.method} has no such field{hint}")
    for name, field in known.items():
        is_required = field.default is MISSING and field.default_factory is MISSING
        if is_required and name not in entry.config and name not in fixed:
            raise SuiteError(f"{loaded.where('methods', index)}: {entry.method} needs {name}; add it")
    types = {name: TypeAdapter(hint, config=_FINITE) for name, hint in get_type_hints(method).items() if name in known}
    hints = {name: str(hint) for name, hint in get_type_hints(method).items()}
    choices = {key: _choices(value, hints[key]) for key, value in entry.config.items()}
    for key, values in choices.items():
        if not values:
            where = loaded.where("methods", index, key)
            raise SuiteError(f"{where}: is an empty list, so there would be no row; give a value")
    for combination in product(*choices.values()):
        given = dict(zip(choices, combination, strict=True))
        for key, value in given.items():
            try:
                types[key].validate_python(value, strict=True)
            except ValidationError as error:
                message = error.errors(include_url=False)[0]["msg"]
                where = loaded.where("methods", index, key)
                raise SuiteError(f"{where}: {message[0].lower()}{message[1:]}, not {shown(value)}") from None
        try:
            written = method(**fixed, **given)
            # 1 and 1.0 are one value of a float field, and must not make two cells of one video.
            config = {key: types[key].validate_python(value) for key, value in written.config().items()}
            yield given, method(**config)
        except ValueError as error:
            raise SuiteError(f"{loaded.where('methods', index)}: {entry.method}: {error}") from None


def _choices(value: Any, hint: str) -> list[Any]:
    """The values of a sweep. Where a field is itself a tuple, a flat list is one value and a nested one a sweep."""
    if not isinstance(value, list):
        return [value]
    if "tuple[" in hint:
        nested = any(isinstance(item, list) for item in value)
        return [tuple(item) if isinstance(item, list) else item for item in value] if nested else [tuple(value)]
    return value


def row_name(entry: MethodEntry, given: dict[str, Any], count: int, label: str | None) -> str:
    """What a row is called: the suite's name, else the method with the fields that were given."""
    config = ", ".join(f"{key}={_short(value)}" for key, value in given.items())
    name = entry.name if entry.name is not None else entry.method
    if config and (entry.name is None or count > 1):
        name = f"{name} ({config})"
    return f"{label}: {name}" if label is not None else name


def _short(value: Any) -> str:
    return "-".join(map(_short, value)) if isinstance(value, tuple) else f"{value}"
