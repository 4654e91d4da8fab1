"""What planning must know of methods and families, as plain values: asked of their code, or remembered.

Their modules import torch and diffusers, which takes several times as long as everything else about a plan.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.calibrate.use import UsedCalibration
from harness.discovery import load_family, load_method
from harness.planning.configured import ConfiguredMethod
from harness.planning.plain import as_tuples
from harness.planning.remembered import Remembered
from harness.planning.variants import variants
from harness.suite import LoadedSuite, MethodEntry
from harness.tiny import tiny_fingerprint, tiny_sizes
from methods.base import Sampling


@dataclass(frozen=True)
class FamilyFacts:
    """See the fields of the same names in `Family`."""

    name: str
    default_sampling: Sampling
    needs_image: bool
    takes_conditions: bool
    context_parallel: bool


@dataclass(frozen=True)
class StandInFacts:
    """Of a tiny stand-in: what its results are filed under, and its own sizes by field of `Sampling`."""

    fingerprint: str
    sizes: dict[str, int | None]


@dataclass(frozen=True)
class Pairing:
    """What comes of a configured method on a family."""

    sampling: Sampling
    """The sampling really used."""
    unsupported: str | None
    """Why it cannot run, or None."""


class Facts:
    """Asks the modules of methods and families, which are imported only for what is not remembered."""

    def __init__(self, remembered: Remembered | None = None) -> None:
        """Without `remembered` everything is asked."""
        self._ask: Callable[[object, Callable[[], Any]], Any] = _ask_code if remembered is None else remembered.ask

    def family(self, name: str) -> FamilyFacts:
        """Of the family of this name."""

        def answer() -> Any:
            family = load_family(name)
            return {
                "default_sampling": family.default_sampling.as_plain(),
                "needs_image": family.needs_image,
                "takes_conditions": family.takes_conditions,
                "context_parallel": family.context_parallel,
            }

        found = self._ask(("family", name), answer)
        return FamilyFacts(name, **{**found, "default_sampling": Sampling(**found["default_sampling"])})

    def stand_in(self, family: str, model: str) -> StandInFacts:
        """Of the tiny stand-in that the id `model` names."""

        def answer() -> Any:
            loaded = load_family(family)
            return {"fingerprint": tiny_fingerprint(loaded, model), "sizes": tiny_sizes(loaded)}

        found = self._ask(("stand-in", family, model), answer)
        return StandInFacts(found["fingerprint"], found["sizes"])

    def configured(
        self, loaded: LoadedSuite, index: int, entry: MethodEntry, calibration: UsedCalibration | None
    ) -> list[tuple[dict[str, Any], ConfiguredMethod]]:
        """Each configuration of an entry with the values that the suite gives for it.

        Raises:
            SuiteError: see `variants`; what is wrong is never remembered.
        """

        def answer() -> Any:
            method = load_method(entry.method)
            made = [(given, one.config()) for given, one in variants(loaded, index, entry, calibration)]
            said = {"rung_fields": method.rung_fields, "adaptive": method.adaptive, "one_device": method.one_device}
            return {**said, "variants": made}

        calibrated = calibration.calibration.fields if calibration is not None else None
        found = as_tuples(self._ask(("variants", entry.method, entry.config, calibrated), answer))
        return [
            (
                given,
                ConfiguredMethod(entry.method, settings, found["rung_fields"], found["adaptive"], found["one_device"]),
            )
            for given, settings in found["variants"]
        ]

    def pairing(self, method: ConfiguredMethod, config: dict[str, Any], family: str, default: Sampling) -> Pairing:
        """Of a method on a family; `config` are its settings with hashes for folders, which may change below a name."""

        def answer() -> Any:
            made = method.made()
            unsupported = made.unsupported(load_family(family))
            return {"sampling": made.sampling(default).as_plain(), "unsupported": unsupported}

        found = self._ask(("pairing", method.name, config, family, default), answer)
        return Pairing(Sampling(**found["sampling"]), found["unsupported"])


def _ask_code(question: object, answer: Callable[[], Any]) -> Any:
    return answer()
