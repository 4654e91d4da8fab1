"""The method x family matrix, as the conformance run found it: `pytest tests/conformance --matrix docs/methods.md`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from methods.base import Method
from methods.families.base import Family

WORKS = "works"
INTRODUCTION = """\
Written by the conformance run (`pytest tests/conformance --matrix docs/methods.md`): each method on a tiny, randomly
initialised pipeline of each architecture's own diffusers classes. *works* means: its identity setting makes the very
video the original makes, bit for bit; an active one computes less and changes the video; decisions and counted work are
those that happened; failing midway rolls back; leaving restores everything; and a second video equals a fresh one. A
distilled method, which has no identity, runs with random weights. It says nothing about quality at real size: the big
models were not run here."""


@dataclass
class Pair:
    """Outcomes of the tests of one method on one family."""

    passed: int = 0
    failed: int = 0


def tried(method_type: type[Method], family: Family) -> Method:
    """The setting the conformance suite runs: one that does something, or the original's only one."""
    sampling = family.tiny_sampling()
    method = method_type.conformance_active(sampling) or method_type.conformance_identity(sampling)
    assert method is not None, "a method has an identity or an active setting"
    return method


def render(
    methods: Mapping[str, type[Method]], families: Mapping[str, Family], pairs: Mapping[tuple[str, str], Pair]
) -> str:
    """The page. A pair that no test ran for is an error, not an empty cell."""
    reasons: list[str] = []
    lines = [
        "# Methods and the architectures they run on",
        "",
        INTRODUCTION,
        "",
        "| Method | " + " | ".join(f"`{family}`" for family in families) + " |",
        "| --- |" + " --- |" * len(families),
    ]
    for name, method_type in methods.items():
        cells = [
            _cell(name, method_type, family, pairs.get((name, family.name)), reasons) for family in families.values()
        ]
        lines.append(f"| `{name}` | " + " | ".join(cells) + " |")
    lines += ["", *(f"{number}. {reason}" for number, reason in enumerate(reasons, 1)), ""]
    lines += ["## What each does", "", "| Method | Idea | Decides by | Source |", "| --- | --- | --- | --- |"]
    for name, method_type in methods.items():
        rule = "what it sees" if method_type.adaptive else "a fixed schedule"
        lines.append(f"| `{name}` | {method_type.summary} | {rule} | {method_type.source} |")
    return "\n".join(lines) + "\n"


def _cell(name: str, method_type: type[Method], family: Family, pair: Pair | None, reasons: list[str]) -> str:
    if pair is None or not pair.passed + pair.failed:
        raise ValueError(f"no conformance test ran for {name} on {family.name}")
    if pair.failed:
        return f"**fails** {pair.failed} of {pair.passed + pair.failed}"
    reason = tried(method_type, family).unsupported(family)
    if reason is None:
        return WORKS
    if reason not in reasons:
        reasons.append(reason)
    return f"no ({reasons.index(reason) + 1})"
