"""A method with its hyper-parameters, as planning passes it about: without its class, whose module imports torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.discovery import load_method

if TYPE_CHECKING:
    from methods.base import Method


@dataclass(frozen=True)
class ConfiguredMethod:
    """A method's name and valid values for all of its fields."""

    name: str
    settings: dict[str, Any]
    """By field. Folders of weights are written as in the suite until `rungs.with_rungs` has found them."""
    rung_fields: tuple[str, ...]
    """See `Method.rung_fields`."""
    adaptive: bool
    """See `Method.adaptive`."""
    one_device: str | None
    """See `Method.one_device`."""

    def made(self) -> Method:
        """The method itself."""
        return load_method(self.name)(**self.settings)
