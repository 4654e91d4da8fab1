"""Finds methods, families and metrics by the names of their files; there is no list to edit.

Names come from the folder alone, so that asking for them imports nothing heavy; a class is imported when it is used.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import pkgutil
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from harness.errors import HarnessError, nearest

if TYPE_CHECKING:
    from harness.metrics.base import Metric
    from harness.metrics.sets.base import SetMetric
    from methods.base import Method
    from methods.families.base import Family

T = TypeVar("T")

METHODS, FAMILIES, METRICS = "methods", "methods.families", "harness.metrics"
SET_METRICS = "harness.metrics.sets"
RUNGS = "harness.training.rungs"


class UnknownNameError(HarnessError):
    """No file has this name."""


def _folder(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations)))


@cache
def names(package: str) -> tuple[str, ...]:
    """Registry names in a package: its modules, but for `base`; sub-packages are not plug-ins."""
    found = pkgutil.iter_modules([str(_folder(package))])
    return tuple(sorted(module.name for module in found if not module.ispkg and module.name != "base"))


def _only_subclass(module: ModuleType, base: type[T]) -> type[T]:
    """The one class of a plug-in file."""
    classes = [
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, base) and value.__module__ == module.__name__
    ]
    if len(classes) != 1:
        raise HarnessError(f"{module.__name__} defines {len(classes)} {base.__name__} classes; a file is one of them")
    return classes[0]


def load_plugin(package: str, name: str, base: type[T]) -> type[T]:
    """The one class derived from `base` in the module `name` of a package."""
    return _only_subclass(importlib.import_module(f"{package}.{name}"), base)


def _load(package: str, kind: str, name: str, base: type[T]) -> type[T]:
    if name not in names(package):
        raise UnknownNameError(f"unknown {kind} {name!r}{nearest(name, names(package))}")
    return load_plugin(package, name, base)


def load_method(name: str) -> type[Method]:
    """The class of a method.

    Raises:
        UnknownNameError: no such method; the message names the nearest one.
    """
    from methods.base import Method

    return _load(METHODS, "method", name, Method)  # type: ignore[type-abstract]


def load_family(name: str) -> Family:
    """A family.

    Raises:
        UnknownNameError: no such family; the message names the nearest one.
    """
    from methods.families.base import Family

    return _load(FAMILIES, "family", name, Family)()  # type: ignore[type-abstract]


def load_metric(name: str) -> Metric:
    """A metric.

    Raises:
        UnknownNameError: no such metric; the message names the nearest one.
    """
    from harness.metrics.base import Metric

    return _load(METRICS, "metric", name, Metric)()  # type: ignore[type-abstract]


def load_set_metric(name: str) -> type[SetMetric]:
    """The class of a metric of a set of images.

    Raises:
        UnknownNameError: no such metric; the message names the nearest one.
    """
    from harness.metrics.sets.base import SetMetric

    return _load(SET_METRICS, "set metric", name, SetMetric)  # type: ignore[type-abstract]


def discover_methods() -> dict[str, type[Method]]:
    """Every method by name."""
    return {name: load_method(name) for name in names(METHODS)}


def discover_families() -> dict[str, Family]:
    """Every family by name."""
    return {name: load_family(name) for name in names(FAMILIES)}


@cache
def code_hash(method: str, family: str, *beside: str) -> str:
    """Hash of the code that decides what a method computes on a family.

    It covers the syntax trees of the method's file, the family's file, the modules of `methods` named `beside`, and all
    that they import from there, without docstrings: a changed comment changes nothing, a changed constant makes other
    cells. Of the code outside of `methods` only its declared `GENERATION` counts, from the second on.
    """
    from harness.records import GENERATION, canonical_hash  # here, since asking for names is to be quick

    reached: dict[str, str] = {}
    for module in (f"{METHODS}.{method}", f"{FAMILIES}.{family}", *beside):
        _reach(module, reached)
    declared = {} if GENERATION == 1 else {"generation": GENERATION}
    return canonical_hash(reached | declared)


def _reach(module: str, reached: dict[str, str]) -> None:
    """Add the code of a module of `methods` and of what it imports from there, at any depth."""
    base = _folder(METHODS).joinpath(*module.split(".")[1:])
    path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    if module in reached or not path.is_file():
        return  # a name imported from a module is no module
    reached[module], imported = _read_code(path.read_text(encoding="utf-8"))
    for name in imported:
        _reach(name, reached)


def _code_of(path: Path) -> str:
    return _read_code(path.read_text(encoding="utf-8"))[0]


@cache
def _read_code(text: str) -> tuple[str, tuple[str, ...]]:
    """The syntax tree without docstrings, and the names of `methods` that are imported, which may be modules.

    Most methods are made of the same modules, so each text is only read once.
    """
    tree = ast.parse(text)
    imported: dict[str, None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == METHODS:
            imported |= dict.fromkeys((str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)))
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [part for part in node.body if not _is_text(part)] or [ast.Pass()]
    return ast.dump(tree), tuple(imported)


def _is_text(node: ast.stmt) -> bool:
    """A docstring, or the string that documents the attribute above it."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
