"""How a suite uses a calibration: its fields become a method's, and a row it was not made for is refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.calibrate.calibration import Calibration, CalibrationError, read_calibration
from harness.errors import SuiteError
from harness.planning.plain import as_tuples
from harness.records import UNPINNED
from harness.suite import LoadedSuite, MethodEntry
from harness.tiny import SIZES, is_tiny


@dataclass(frozen=True)
class UsedCalibration:
    """A calibration with where in the suite it is named."""

    calibration: Calibration
    path: Path
    where: str

    def fields_beside(self, known: Collection[str], given: Collection[str]) -> dict[str, Any]:
        """Fields of the method, out of `known`, that the suite has not given; with tuples where JSON has lists.

        Raises:
            SuiteError: the method has no such field any more.
        """
        for name in self.calibration.fields:
            if name not in known:
                method = self.calibration.method
                raise SuiteError(f"{self.where}: {self.path.name}: {method} has no field {name!r}; make the file anew")
        return {name: as_tuples(value) for name, value in self.calibration.fields.items() if name not in given}

    def check(
        self, loaded: LoadedSuite, *, label: str, family: str, model: str, fingerprint: str, sampling: Mapping[str, Any]
    ) -> None:
        """Raise a `SuiteError` with the remedy where the calibration was made for something else than a row.

        `model` is the id as it is shown, `sampling` has the fields of `Sampling`.
        """
        method = self.calibration.method
        reason = refusal(self.calibration, family=family, model=model, fingerprint=fingerprint, sampling=sampling)
        if reason is not None:
            of_model = f" --model {label}" if len(loaded.suite.models) > 1 else ""
            remedy = f"run harness calibrate {method} {loaded.path}{of_model} --out FILE and name that file"
            raise SuiteError(f"{self.where}: {self.path.name}: {reason}: {remedy}")


def used_calibration(loaded: LoadedSuite, index: int, entry: MethodEntry) -> UsedCalibration | None:
    """The calibration that the suite's method number `index` names; its path is relative to the suite.

    Raises:
        SuiteError: the file is absent, is no calibration, or is one of another method.
    """
    if entry.calibration_file is None:
        return None
    where, path = loaded.where("methods", index, "calibration_file"), loaded.resolve(entry.calibration_file)
    try:
        used = UsedCalibration(read_calibration(path), path, where)
    except CalibrationError as error:
        raise SuiteError(f"{where}: {error}") from None
    if used.calibration.method != entry.method:
        raise SuiteError(
            f"{where}: {path.name} is a calibration of {used.calibration.method}, not of {entry.method}; "
            f"name one made by harness calibrate {entry.method}"
        )
    return used


def refusal(
    calibration: Calibration, *, family: str, model: str, fingerprint: str, sampling: Mapping[str, Any]
) -> str | None:
    """Why a calibration must not be used for a row, or None. Pure.

    A folder is recognised by its fingerprint alone, since it may have been moved; a hub id is compared too, since
    without a revision its fingerprint says nothing. A tiny stand-in is only held to what it shares with the model it
    stands for.
    """
    if calibration.family != family:
        return f"calibrated for family {calibration.family}, this row has {family}"
    if is_tiny(model):
        return _sampling_refusal(calibration.sampling, sampling, but=SIZES)
    if calibration.model_fingerprint != fingerprint or (fingerprint == UNPINNED and calibration.model != model):
        return (
            f"calibrated for model {calibration.model} ({calibration.model_fingerprint[:12]}), this row has {model} "
            f"({fingerprint[:12]})"
        )
    return _sampling_refusal(calibration.sampling, sampling, but=())


def _sampling_refusal(calibrated: Mapping[str, Any], wanted: Mapping[str, Any], but: Sequence[str]) -> str | None:
    steps = "num_inference_steps"
    if calibrated.get(steps) != wanted.get(steps):
        return f"calibrated for {calibrated.get(steps)} steps, this row samples {wanted.get(steps)}"
    for name in (*wanted, *(name for name in calibrated if name not in wanted)):
        if name not in but and calibrated.get(name) != wanted.get(name):
            return f"calibrated for {name} {calibrated.get(name)!r}, this row samples {wanted.get(name)!r}"
    return None


def default_path(loaded: LoadedSuite, label: str, method: str) -> Path:
    """Where `harness calibrate` writes unless told otherwise: beside the suite, by model and method."""
    return loaded.path.parent / "calibrations" / label / f"{method}.json"
