"""What a method is: a frozen configuration that can be applied to a pipeline and says what it did.

This file holds the words every method and every consumer of methods shares; nothing here samples, seeds,
times or logs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

if TYPE_CHECKING:
    from methods.families.base import Family

Branch = Literal["cond", "uncond", "both"]
"""Which call of classifier-free guidance; `both` where a family batches them or has only one."""

Action = Literal["compute", "reuse", "predict", "partial"]
"""`compute`: everything ran. `reuse`: the whole block stack was replaced by something cached. `predict`: it was
replaced by something extrapolated or learned. `partial`: some modules ran and some were replaced."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a method did in one call of the transformer.

    `distance` is the quantity an adaptive rule compared with its threshold, None for fixed schedules. `level` says
    what was replaced where a method knows more than one way (`step`, `cfg`, `block_10`).
    """

    step_index: int
    branch: Branch
    action: Action
    distance: float | None = None
    level: str | None = None


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one video is sampled. None leaves the pipeline's own default in place.

    `height` and `width` are pixels, `num_frames` counts decoded frames, `flow_shift` is the scheduler's shift of
    the noise schedule, `max_sequence_length` is in text tokens. `true_cfg_scale` is for families that take
    `guidance_scale` as an embedding: above 1 it runs a second, unconditional call each step beside that. `sigmas` are
    the noise levels, in (0, 1] and descending, at which the steps of a plain Euler solver begin, in place of all that
    the model's scheduler would do; the last step ends at 0 and `flow_shift` is not applied to them.
    """

    num_inference_steps: int
    guidance_scale: float
    height: int
    width: int
    num_frames: int
    flow_shift: float | None = None
    max_sequence_length: int | None = None
    negative_prompt: str = ""
    true_cfg_scale: float | None = None
    sigmas: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        """Make a tuple of what JSON reads as a list."""
        if self.sigmas is not None:
            object.__setattr__(self, "sigmas", tuple(self.sigmas))

    def as_plain(self) -> dict[str, Any]:
        """By name; without `sigmas` where there are none, as all samplings were written down before some had any."""
        plain = asdict(self)
        if self.sigmas is None:
            del plain["sigmas"]
        return plain


class Applied(AbstractContextManager["Applied"], ABC):
    """A method in force on one pipeline. Leaving the context restores the pipeline exactly."""

    @abstractmethod
    def reset(self) -> None:
        """Forget everything about the last video. Called before each one."""

    @abstractmethod
    def decisions(self) -> tuple[Decision, ...]:
        """One per transformer call since `reset`, in the order they were made."""

    @abstractmethod
    def follow(self, trace: Sequence[Decision]) -> None:
        """Take the decisions of an adaptive rule from `trace` instead of measuring, until told otherwise.

        This is how a video is replayed, and how it is priced on the meta device, where nothing can be measured. A call
        the trace says nothing about is computed. Fixed schedules ignore it.
        """

    @abstractmethod
    def cache_bytes(self) -> int:
        """What the method holds now, in bytes.

        Caches stay until `reset` and are dropped before they are replaced, so that after a video this is also the
        most that was held during it.
        """


@dataclass(frozen=True)
class Method(ABC):
    """A way to sample faster. Subclasses are frozen dataclasses whose fields are the hyper-parameters.

    A subclass lives in the file named like it is in a suite, one a file, and is found there by discovery.
    """

    summary: ClassVar[str]
    """One line: what is skipped and why that works."""
    source: ClassVar[str]
    """Paper, section, upstream repository@commit."""
    rung_fields: ClassVar[tuple[str, ...]] = ()
    """Fields that hold the folder of trained weights (`methods.students.rung`). A suite gives them relative to itself,
    and a video is filed under what lies in the folder, not under its name."""
    one_device: ClassVar[str | None] = None
    """Why a video's tokens cannot be spread over several devices under this method; None where they can."""
    adaptive: ClassVar[bool] = False
    """Whether what is computed depends on the video; such a method can be told what to do by `Applied.follow`."""

    def unsupported(self, family: Family) -> str | None:
        """Why this configuration cannot run on a family, or None. Pure; asked while planning."""
        return None

    def sampling(self, default: Sampling) -> Sampling:
        """The sampling really used; a step-distilled method changes it visibly."""
        return default

    @abstractmethod
    def apply(self, pipeline: Any, family: Family) -> Applied:
        """Install on a pipeline, all or nothing.

        Raises:
            AlreadyAppliedError: a method is in force on this pipeline.
            NothingHookedError: no module matched, so the method would silently do nothing.
        """

    @classmethod
    @abstractmethod
    def conformance_identity(cls, default: Sampling) -> Self | None:
        """A setting that makes the very video the original makes under `default`, bit for bit.

        None where there is none (a method with weights of its own). The conformance suite runs it on tiny models.
        """

    @classmethod
    @abstractmethod
    def conformance_active(cls, default: Sampling) -> Self | None:
        """A setting that skips work on a tiny model under `default`; None for the original alone."""

    @classmethod
    def conformance_weights(cls, family: Family, pipeline: Any, folder: Path) -> Self | None:
        """`conformance_active` with random weights of its own, written into `folder` for this tiny pipeline.

        None for a method that has none. One that has is run by the conformance suite with these alone; whatever file
        its `conformance_active` names is then never read.
        """
        return None

    def config(self) -> dict[str, Any]:
        """The hyper-parameters by name, as plain values."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


class MethodError(RuntimeError):
    """A method could not be applied."""


class AlreadyAppliedError(MethodError):
    """A second method was applied to a pipeline that has one in force."""


class NothingHookedError(MethodError):
    """A method matched no module of the transformer."""


class StaleStateError(MethodError):
    """A video was begun without `reset`, so that it would have been made from another one's cache."""
