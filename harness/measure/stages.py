"""Where a pipeline's time and arithmetic go: text encoding, denoising, decoding.

A diffusers pipeline is one call. Four of the methods it calls mark the borders: `encode_prompt`, `prepare_latents`, the
scheduler's `step` and the autoencoder's `decode`; each is wrapped on this instance and put back afterwards. (Not every
pipeline has a callback for the end of a step.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch

from harness.measure.clock import Clock
from harness.measure.flops import measure_call
from harness.records import Latency

Around = Callable[[Callable[..., Any]], Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class StageFlops:
    """Floating-point operations outside the denoiser, and operators the counter has no formula for."""

    text_encode: int
    decode: int
    unseen_ops: tuple[str, ...]


@dataclass
class Stages:
    """What was seen of one generation."""

    clock: Clock
    noise_sha256: str | None = None
    _spans: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    _steps: list[int] = field(default_factory=list)

    def latency(self, start: int, end: int) -> Latency:
        """The latency between two marks, split at the borders seen. Denoising lasts from the noise to the last step."""

        def total(stage: str) -> float:
            return sum(self.clock.seconds(*span) for span in self._spans.get(stage, ()))

        noise = self._spans.get("noise")
        begin = noise[-1][1] if noise else start
        borders = [begin, *self._steps]
        steps = tuple(self.clock.seconds(a, b) for a, b in pairwise(borders))
        return Latency(
            total_s=self.clock.seconds(start, end),
            text_encode_s=total("text_encode"),
            denoise_s=sum(steps),
            decode_s=total("decode"),
            step_s=steps,
        )


@contextmanager
def watch_stages(pipeline: Any, clock: Clock) -> Iterator[Stages]:
    """Time the stages of the generations made inside, and hash the initial noise of the last."""
    stages = Stages(clock)

    def timed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            start = clock.mark()
            result = call(*args, **kwargs)
            stages._spans.setdefault(name, []).append((start, clock.mark()))
            return result

        return wrapped

    def prepare(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            result = call(*args, **kwargs)
            latents = result[0] if isinstance(result, tuple) else result
            stages.noise_sha256 = tensor_sha256(latents)
            return result

        return timed("noise", wrapped)

    def step(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            result = call(*args, **kwargs)
            stages._steps.append(clock.mark())
            return result

        return wrapped

    around: dict[str, Around] = {
        "encode_prompt": lambda call: timed("text_encode", call),
        "prepare_latents": prepare,
        "step": step,
        "decode": lambda call: timed("decode", call),
    }
    with _replaced(pipeline, around):
        yield stages


class _EnoughError(Exception):
    """As many steps as wanted were made."""


def first_steps(pipeline: Any, steps: int, call: Callable[[], Any]) -> None:
    """Make a generation by `call`, but break it off after so many steps; what it would return is not made.

    Unlike a generation with fewer steps it runs the beginning of the very schedule that `call` asks for.
    """
    left = steps

    def step(original: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            nonlocal left
            result = original(*args, **kwargs)
            left -= 1
            if not left:
                raise _EnoughError
            return result

        return wrapped

    with suppress(_EnoughError), _replaced(pipeline, {"step": step}):
        call()


@contextmanager
def count_stages(pipeline: Any) -> Iterator[list[StageFlops]]:
    """Count the arithmetic of text encoding and decoding of the generation made inside; the list gets one entry."""
    flops = {"text_encode": 0, "decode": 0}
    unseen: set[str] = set()
    found: list[StageFlops] = []

    def counted(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def around(call: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(*args: Any, **kwargs: Any) -> Any:
                result, count, ops = measure_call(lambda: call(*args, **kwargs))
                flops[name] += count
                unseen.update(ops)
                return result

            return wrapped

        return around

    with _replaced(pipeline, {"encode_prompt": counted("text_encode"), "decode": counted("decode")}):
        yield found
    found.append(StageFlops(flops["text_encode"], flops["decode"], tuple(sorted(unseen))))


@contextmanager
def _replaced(pipeline: Any, around_by_name: Mapping[str, Around]) -> Iterator[None]:
    """Put wrappers on this pipeline's instances, and take them off again. A pipeline without a stage has none."""
    owners = {"decode": getattr(pipeline, "vae", None), "step": getattr(pipeline, "scheduler", None)}
    done: list[tuple[Any, str, bool, Any]] = []
    try:
        for name, around in around_by_name.items():
            owner = owners.get(name, pipeline)
            if hasattr(owner, name):
                own = name in vars(owner)
                done.append((owner, name, own, getattr(owner, name)))
                # Around diffusers' configuration mixin and torch's own attribute handling.
                object.__setattr__(owner, name, around(getattr(owner, name)))
        yield
    finally:
        for owner, name, own, before in reversed(done):
            if own:
                object.__setattr__(owner, name, before)
            else:
                object.__delattr__(owner, name)


def tensor_sha256(tensor: torch.Tensor) -> str:
    """SHA-256 over a tensor's values as float32, so that it does not depend on the device."""
    return hashlib.sha256(tensor.detach().float().cpu().contiguous().numpy().tobytes()).hexdigest()
