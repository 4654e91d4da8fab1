"""YAML files read strictly: what is wrong with one is said in a line each, with file, line, key, value and remedy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

import yaml
from pydantic import BaseModel
from yaml.constructor import ConstructorError

from harness.errors import HarnessError, nearest

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Location = tuple[int | str, ...]
"""Keys and list indices on the way to a place in a file."""

_FLOAT_TAG: Final = "tag:yaml.org,2002:float"
_EXPONENT_WITHOUT_POINT: Final = re.compile(r"[-+]?[0-9]+[eE][-+]?[0-9]+$")


@dataclass(frozen=True)
class YamlFile:
    """A file's mapping, and the 1-based line of every key and list item."""

    path: Path
    text: str
    data: dict[str, Any]
    lines: dict[Location, int]


def read_yaml(path: Path, *, what: str, see: str, error: type[HarnessError]) -> YamlFile:
    """Read a file that holds one mapping; `what` it is, and what to `see` for its keys, are for messages.

    Raises:
        HarnessError: of the class `error`; it cannot be read, is not YAML, or gives a key twice.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        reason = failure.strerror if isinstance(failure, OSError) else "not UTF-8 text"
        raise error(f"{path}: cannot be read ({reason}); give the path of a {what} file") from None
    lines: dict[Location, int] = {}
    try:
        _collect_lines(path, yaml.compose(text, Loader=_Loader), (), lines, error)
        data = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as failure:
        mark = getattr(failure, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = " ".join(str(getattr(failure, "problem", None) or failure).split())
        raise error(f"{path}{line}: not valid YAML: {problem}") from None
    except RecursionError:
        raise error(f"{path}: lists or mappings are nested too deeply, or in themselves; flatten them") from None
    if not isinstance(data, dict):
        raise error(f"{path}:1: a {what} is a mapping of keys to values; see {see}")
    return YamlFile(path, text, data, lines)


class _Loader(yaml.SafeLoader):
    """PyYAML's own, but that a value which is not what it looks like (`2001-99-99`) is a YAML error with a line.

    `1e-5` is a number, as in YAML 1.2; in PyYAML's 1.1 it is text.
    """

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep=deep)
        except (yaml.YAMLError, RecursionError):
            raise
        except Exception:
            problem = f"{shown(node.value)} is no {node.tag.rpartition(':')[2]}; put it in quotes to make it text"
            raise ConstructorError(None, None, problem, node.start_mark) from None


_Loader.add_implicit_resolver(_FLOAT_TAG, _EXPONENT_WITHOUT_POINT, list("-+0123456789"))


def _collect_lines(
    path: Path, node: yaml.Node | None, at: Location, lines: dict[Location, int], error: type[HarnessError]
) -> None:
    """Fill in the line of every key; a key given twice, which YAML loaders pass over in silence, is an error."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise error(f"{path}:{line}: a key is a list or a mapping; use plain text")
            place = (*at, key.value)
            if place in lines:
                raise error(f"{where_in(path, {place: line}, place)}: given twice; keep one")
            lines[place] = line
            _collect_lines(path, key, place, lines, error)
            _collect_lines(path, value, place, lines, error)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[*at, index] = value.start_mark.line + 1
            _collect_lines(path, value, (*at, index), lines, error)
    elif isinstance(node, yaml.ScalarNode) and re.search("[\0\ud800-\udfff]", node.value):
        where = where_in(path, lines, at)
        raise error(f"{where}: {shown(node.value)} holds a character that no file can hold; remove it")


def where_in(path: Path, lines: dict[Location, int], location: Location) -> str:
    """`file:line: key` of a place in a file, to begin an error with."""
    place = location
    while place and place not in lines:
        place = place[:-1]
    line = f":{lines[place]}" if place else ""
    key = ".".join(part if isinstance(part, str) and part.isprintable() else repr(part) for part in location)
    return f"{path}{line}: {key}" if key else f"{path}{line}"


def shown(value: Any) -> str:
    """A value as it stands in an error: on one line, and not the whole file."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:76]} ..."


def one_of(kind: str, name: str, known: tuple[str, ...]) -> str:
    """The name, if it is known; ValueError with the nearest one otherwise, which `explain` puts its place before."""
    if name not in known:
        raise ValueError(f"unknown {kind} {name!r}{nearest(name, known)}")
    return name


def explain(file: YamlFile, findings: Iterable[ErrorDetails], model: type[BaseModel]) -> str:
    """A line for each of pydantic's findings about `model`, the value shown and a remedy added where it has none."""
    said = []
    for finding in findings:
        kind, location = finding["type"], _place(finding["loc"], file.data)
        message = re.sub(r"^Value error, ", "", finding["msg"])
        if kind == "extra_forbidden":
            message = f"unknown key{nearest(str(location[-1]), _keys_at(model, location[:-1]))}"
        elif kind == "missing":
            location = (*location, finding["loc"][-1])
            message = "is missing; add it"
        elif kind == "invalid_key" or finding["loc"][-1] == "[key]":
            location = (*location[:-1], str(location[-1])) if location else ()  # YAML's text of it has the line
            message = f"a key is {shown(finding['input'])}; keys are text, so put it in quotes"
        elif kind in ("model_type", "dict_type"):
            message = f"give a mapping of keys to values, not {shown(finding['input'])}"
        elif kind == "too_short":
            message = "is empty; give at least one"
        elif kind != "value_error":
            message = f"{message[0].lower()}{message[1:]}, not {shown(finding['input'])}"
        said.append(f"{where_in(file.path, file.lines, location)}: {message}")
    return "\n".join(dict.fromkeys(said))


def _place(location: Location, data: Any) -> Location:
    """A finding's place in the file: pydantic also names the tried branches of unions, which the file does not have."""
    place: Location = ()
    for part in location:
        if (isinstance(data, dict) and part in data) or (isinstance(data, list) and part in range(len(data))):
            data, place = data[part], (*place, part)  # type: ignore[index]
    return place


def _keys_at(annotation: Any, location: Location) -> set[str]:
    """Keys that a mapping may have, at a place below one of this type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if not location:
            return set(annotation.model_fields)
        field = annotation.model_fields.get(str(location[0]))
        return _keys_at(field.annotation, location[1:]) if field is not None else set()
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (dict, list, tuple):
        return _keys_at(arguments[1 if origin is dict else 0], location[1:])
    return set().union(*(_keys_at(argument, location) for argument in arguments))  # of a union; else there are none
