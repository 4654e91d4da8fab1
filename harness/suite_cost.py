"""What a suite says about the cost of its rows: traces of adaptive methods, published numbers, rows to come."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class StrictModel(BaseModel):
    """Frozen, no unknown keys, no silent conversions, no infinities."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class StatedCost(StrictModel):
    """What an adaptive method computes, for `harness plan --cost`, which cannot measure: give one of the two."""

    full_steps: Annotated[float, Field(ge=1)] | None = None
    """Steps that compute everything, spread evenly from the first on; a fraction is priced between its neighbours."""
    levels: dict[str, Annotated[int, Field(ge=1)]] | None = None
    """How many of the other steps are cached at which level (`step`, `cfg`, `block_20`), in turn."""
    trace: Annotated[str, Field(min_length=1)] | None = None
    """JSON file with the decisions of one video or a list of those of several, relative to the suite."""

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.full_steps is None) == (self.trace is None):
            raise ValueError("give either full_steps or trace")
        if self.levels is not None and (self.full_steps is None or self.full_steps % 1):
            raise ValueError("levels needs a whole number of full_steps beside it")
        return self


class Published(StrictModel):
    """A paper's numbers for a row. They stand beside ours and are never mixed with them."""

    flops_tflop: Annotated[float, Field(gt=0)] | None = None
    """Of one video, in 10^12, a multiply-add counting 2."""
    speedup: Annotated[float, Field(gt=0)] | None = None
    """Over the paper's original: of the FLOPs where the table says theoretical, of the latency otherwise."""
    cache_gb: Annotated[float, Field(gt=0)] | None = None
    """What the method holds beyond the model, as printed; a paper's GB may be 2^30 bytes."""
    source: Annotated[str, Field(min_length=1)]
    """Paper and table."""


class PlannedRow(StrictModel):
    """A row of a paper that nothing here can make yet. It is priced from what is stated, shown, and never run."""

    name: Annotated[str, Field(min_length=1)]
    models: Annotated[tuple[str, ...], Field(min_length=1)]
    """Labels of the models it would run on."""
    num_inference_steps: Annotated[int, Field(ge=1)]
    full_steps: Annotated[int, Field(ge=0)]
    """Steps that compute the whole transformer."""
    other_steps_share: Annotated[float, Field(ge=0, le=1)] = 0.0
    """What each of the other steps costs, in units of a full step."""
    reason: Annotated[str, Field(min_length=1)]
    """Why it cannot run."""
    published: Published | None = None

    @field_validator("models", mode="before")
    @classmethod
    def _tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.full_steps > self.num_inference_steps:
            raise ValueError(f"full_steps is {self.full_steps} of {self.num_inference_steps} steps; lower it")
        return self
