"""Records as bytes: JSON that people can read, checksummed, of this schema version or an older one.

    {
     "sha256": "<of every byte after this line>",
     "schema_version": 2,
     ...

A change of meaning or of required fields raises `SCHEMA_VERSION` and adds a step to `_STEPS`, so that whatever an older
harness wrote is still read; nothing on disk is rewritten for it. A new field with a default needs neither.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import from_json

from harness.records import SCHEMA_VERSION, CellRecord, Record

_HEAD = b'{\n "sha256": "'
_HEAD_END = b'",\n'
_DIGITS = 64

_R = TypeVar("_R", bound=Record)


class DamagedError(ValueError):
    """These bytes are no record: cut short, altered, or never one."""


class NewerSchemaError(ValueError):
    """A later harness wrote this; it is sound, only not ours to read."""

    def __init__(self, version: object) -> None:
        super().__init__(version)
        self.version = version


def dump(record: Record) -> bytes:
    """The bytes of a record."""
    # Pydantic's own JSON writer turns infinity (the PSNR of equal videos) into null, which reads as "does not apply".
    body = json.dumps(record.model_dump(mode="json"), indent=1, ensure_ascii=False).encode().removeprefix(b"{\n")
    return _HEAD + hashlib.sha256(body).hexdigest().encode() + _HEAD_END + body


def load(data: bytes, kind: type[_R]) -> _R:
    """The record in these bytes, brought up to this harness's version.

    Raises:
        DamagedError: they are not what was written.
        NewerSchemaError: their version is none that this harness knows.
    """
    begin = len(_HEAD) + _DIGITS + len(_HEAD_END)
    if data.startswith(_HEAD) and data[begin - len(_HEAD_END) : begin] == _HEAD_END:
        body = data[begin:]
        if hashlib.sha256(body).hexdigest().encode() != data[len(_HEAD) : begin - len(_HEAD_END)]:
            raise DamagedError("its checksum differs")
        try:
            return kind.model_validate(_fields(body, kind))
        except ValidationError as error:
            # Whole, so either of another version or wrong from the beginning.
            return _migrated(_parsed(b"{" + body), kind, error)
    fields = _parsed(data)
    if isinstance(fields, dict) and fields.get("schema_version") == SCHEMA_VERSION:
        raise DamagedError("its checksum is missing")
    return _migrated(fields, kind, None)


def _fields(body: bytes, kind: type[Record]) -> Any:
    """Of a record as `dump` lays it out. The decisions of a cell stay text: they are most of it, and often known."""
    key, end = b'\n "decisions": ', b"\n ],\n"
    if kind is not CellRecord or (at := body.find(key)) < 0 or (last := body.find(end, at)) < 0:
        return _parsed(b"{" + body)
    fields = _parsed(b"{" + body[:at] + body[last + len(end) - 1 :])
    return fields | {"decisions": body[at + len(key) : last + len(end) - 2]}


def _parsed(data: bytes) -> Any:
    try:
        return from_json(data)
    except ValueError as error:
        raise DamagedError(f"no JSON: {error}") from error


def _migrated(fields: Any, kind: type[_R], refused: ValidationError | None) -> _R:
    """A record from the fields of any version; `refused` is why this version's own reading failed."""
    version = fields.pop("schema_version", None) if isinstance(fields, dict) else None
    if version is None:
        raise DamagedError("it has no schema version")
    if version == SCHEMA_VERSION and refused is not None:
        raise DamagedError(f"{refused.error_count()} errors, first: {refused.errors()[0]['msg']}")
    if version not in _STEPS:
        raise NewerSchemaError(version)
    while version != SCHEMA_VERSION:
        fields, version = _STEPS[version](fields), version + 1
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise DamagedError(f"{error.error_count()} errors, first: {error.errors()[0]['msg']}") from error


def _from_1(fields: dict[str, Any]) -> dict[str, Any]:
    """Version 1 had no checksum and did not know how long its video is: None, which is compared with nothing."""
    return fields


_STEPS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _from_1}
"""What brings the fields of a version to the next one."""
