"""Finding tables and figures: the file's name is the registry name, and there is no other list."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from typing import Any


def modules(package: str, path: Iterable[str], offers: str) -> dict[str, Any]:
    """The package's modules that offer a function of that name, by file name. Helpers without it are passed over."""
    names = sorted(found.name for found in pkgutil.iter_modules(list(path)))
    loaded = {name: importlib.import_module(f"{package}.{name}") for name in names}
    return {name: module for name, module in loaded.items() if hasattr(module, offers)}
