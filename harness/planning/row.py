"""A row of the plan: model x method configuration."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.images import FirstFrame
from harness.planning.configured import ConfiguredMethod
from harness.suite_cost import Published, StatedCost
from harness.task import ModelSpec

if TYPE_CHECKING:
    from methods.base import Method, Sampling


@dataclass(frozen=True)
class Row:
    """Model x method configuration: one line of a table, one MLflow run."""

    name: str
    row_key: str
    index: int
    model: ModelSpec
    fingerprint: str
    configured: ConfiguredMethod
    config: dict[str, Any]
    """The method's, as cells are filed under it: hashes stand for folders of weights."""
    sampling: Sampling
    """The sampling really used."""
    code: str
    baseline: str | None
    """Name of the row it is compared with; None for a model's own original and where the suite has no original."""
    skip_reason: str | None
    """Why there are no cells of it: method and family do not go together, or weights or first frames are missing."""
    supported: bool
    """Whether method and family go together: such a row has a price, whatever is missing."""
    expected_cost: float
    first_frames: tuple[FirstFrame, ...] = ()
    """One for each prompt, where the family needs images."""
    cost: StatedCost | None = None
    published: Published | None = None

    @property
    def method_name(self) -> str:
        """Of the method's file."""
        return self.configured.name

    @cached_property
    def method(self) -> Method:
        """The method itself; asking for it imports torch."""
        return self.configured.made()

    @cached_property
    def key_model(self) -> str:
        """The model as keys of cells name it: a hub id, or a folder's name wherever it lies."""
        folder = Path(self.model.model)
        return folder.name if folder.is_absolute() else self.model.model

    @cached_property
    def plain_sampling(self) -> dict[str, Any]:
        """`sampling` by name, as keys of cells have it; made once for the thousands of them."""
        return self.sampling.as_plain()
