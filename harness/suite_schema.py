"""The JSON schema of a suite, with the fields of every method, for editors and for people."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, get_type_hints

from pydantic import TypeAdapter

from harness.dimensions import QUALITY, SEMANTIC
from harness.discovery import FAMILIES, METRICS, discover_methods, names
from harness.suite import Suite


def suite_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12): the typed suite, with known names as enumerations and one variant per method."""
    schema = Suite.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    definitions = schema["$defs"]
    definitions["ModelEntry"]["properties"]["family"]["enum"] = list(names(FAMILIES))
    schema["properties"]["metrics"]["items"]["enum"] = list(names(METRICS))
    for entry in ("VBenchSelection", "VBenchEntry"):
        _, some = definitions[entry]["properties"]["dimensions"]["anyOf"]
        some["items"]["enum"] = list(QUALITY + SEMANTIC)
    common = definitions.pop("MethodEntry")["properties"]
    schema["properties"]["methods"]["items"] = {
        "oneOf": [_method_schema(name, method, common) for name, method in discover_methods().items()]
    }
    return schema


def _method_schema(name: str, method: type[Any], common: dict[str, Any]) -> dict[str, Any]:
    """A mapping for one method: its fields, each a value or a list of values (a sweep)."""
    hints = get_type_hints(method)
    own = {field.name: TypeAdapter(hints[field.name]).json_schema() for field in fields(method)}
    required = [field.name for field in fields(method) if field.default is MISSING and field.default_factory is MISSING]
    return {
        "title": name,
        "description": method.summary,
        "type": "object",
        "properties": {
            **common,
            "method": {"const": name},
            **{key: {"anyOf": [value, {"type": "array", "items": value}]} for key, value in own.items()},
        },
        "required": ["method", *required],
        "additionalProperties": False,
    }
