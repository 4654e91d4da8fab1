"""TeaCache's polynomial: what a change of the modulated input says of the change of the model's output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from torch import Tensor

from harness.calibrate.base import Calibrator, Curves, Found, Recorder, Subject
from harness.calibrate.calibration import CalibrationError
from methods.hooks.guidance import sample_of
from methods.teacache import TeaCache, relative_change

Target = Literal["output", "residual"]

MODULATED_CHANGE = "modulated_change"
OUTPUT_CHANGE = "output_change"
RESIDUAL_CHANGE = "residual_change"


@dataclass(frozen=True)
class TeaCacheCalibration(Calibrator):
    """Least squares of the relative L1 change of the output over that of the modulated input, both step to step.

    Source: arXiv 2411.19108 section 3.3; ali-vilab/TeaCache, the author's answer in issue #2: 70 prompts, all steps,
    `numpy.polyfit` of degree 4. `target` is what the change is of: the model's `output`, as there, or the block
    stack's `residual`, which is what is cached and which issue #18 found to fit better. `use_ret_steps` takes the
    signal of that mode. Points of all branches and prompts are fitted together.
    """

    target: Target = "output"
    degree: int = 4
    use_ret_steps: bool = False

    default_prompts: ClassVar[int] = 70

    def __post_init__(self) -> None:
        """Refuse impossible values."""
        if self.target not in get_args(Target):
            raise ValueError(f"target is {self.target!r}; give one of {', '.join(get_args(Target))}")
        if self.degree < 1:
            raise ValueError(f"degree is {self.degree}; give at least 1")

    def calibrate(self, subject: Subject) -> Found:
        """See `Calibrator.calibrate`."""
        method = TeaCache(rel_l1_thresh=0.0, use_ret_steps=self.use_ret_steps)
        curves = subject.curves()
        subject.record(_TeaCacheRecorder(subject, curves, method))
        coefficients = fit(*points(curves, OUTPUT_CHANGE if self.target == "output" else RESIDUAL_CHANGE), self.degree)
        return Found({"coefficients": list(coefficients), "use_ret_steps": self.use_ret_steps}, curves.finish())


def points(curves: Curves, target: str) -> tuple[list[float], list[float]]:
    """Changes of the modulated input and of the target at the same prompt, branch and step; steps without both out."""
    x, y = [], []
    for branch in curves.branches(MODULATED_CHANGE):
        for inputs, targets in zip(curves.of(MODULATED_CHANGE, branch), curves.of(target, branch), strict=True):
            for given, wanted in zip(inputs, targets, strict=True):
                if given is not None and wanted is not None:
                    x.append(given)
                    y.append(wanted)
    return x, y


def fit(x: Sequence[float], y: Sequence[float], degree: int) -> tuple[float, ...]:
    """Coefficients of the polynomial nearest to the points in least squares, highest power first.

    Raises:
        CalibrationError: there are too few different x for the degree, so that many polynomials go through them.
    """
    distinct = len(set(x))
    if distinct <= degree:
        raise CalibrationError(
            f"degree is {degree}, the modulated input has {distinct} different changes; "
            "sample more steps or lower the degree with --set degree=N"
        )
    return tuple(float(value) for value in np.polyfit(x, y, degree))


class _TeaCacheRecorder(Recorder):
    """Reads the modulated input, the stack's residual and the output of each call, as `methods.teacache` would."""

    def __init__(self, subject: Subject, curves: Curves, method: TeaCache) -> None:
        super().__init__(subject, curves)
        self._method = method

    def attach_hooks(self) -> None:
        self.watch_residual(lambda residual: self._change(RESIDUAL_CHANGE, residual.float()))
        signal = self.family.modulated_input(self.transformer, self._method.signal(self.family))
        self.attach_signal(signal, lambda modulated: self._change(MODULATED_CHANGE, modulated))

    def run_call(self, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        returned = forward(*args, **kwargs)
        self._change(OUTPUT_CHANGE, sample_of(returned).float())
        return returned

    def _change(self, name: str, value: Tensor) -> None:
        key = (name, self.controller.call.branch)
        if key in self.store:
            self.note(name, relative_change(value, self.store.get(key)).item())
        self.store.put(key, value)
