"""Verdicts as Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from reports.claims.verdict import Finding, Outcome, Verdict
from reports.markdown import bold, escape, table
from reports.sheet import ABSENT

HOW: Final = (
    "What a claim is held to was stated before anything was measured. A number counts for a claim if its whole 95 % "
    "interval (paired bootstrap over prompts) lies where the claim puts it, and against it if none of it does; else it "
    "cannot be told. A claim holds if all numbers that decide count for it, and fails if one counts against it."
)
UNEXPLAINED: Final = "Not explained yet."


def summary(verdicts: Mapping[str, Verdict]) -> list[str]:
    """One line a claim."""
    lines = [
        [f"({letter})", escape(verdict.statement), verdict.source, bold(verdict.outcome)]
        for letter, verdict in verdicts.items()
    ]
    return [*table(["", "Claim", "Where", "Verdict here"], lines, numbers=False), "", HOW]


def section(verdict: Verdict) -> list[str]:
    """One claim with its numbers, and why it does not hold."""
    lines = [f"### ({verdict.letter}) {verdict.statement}", ""]
    lines += [f"{verdict.source}. Verdict here: {bold(verdict.outcome)}.", "", verdict.held_to, ""]
    rows = [_row(finding) for finding in verdict.findings]
    lines += table(["Number", "Ours", "95 % interval", "Claimed", "Decides", "Outcome"], rows, numbers=False)
    missing = dict.fromkeys(finding.found for finding in verdict.findings if isinstance(finding.found, str))
    lines += ["", *(f"- {ABSENT}: {escape(reason)}" for reason in missing)] if missing else []
    explanation = verdict.explanation or (UNEXPLAINED if verdict.outcome is Outcome.FAILS else None)
    if explanation is not None:
        lines += ["", " ".join(explanation.split())]
    if verdict.attempt is not None:
        lines += ["", f"To remove this: {' '.join(verdict.attempt.split())}"]
    return lines


def _row(finding: Finding) -> list[str]:
    decides = "yes" if finding.decides else "no"
    if isinstance(finding.found, str):
        return [escape(finding.said), ABSENT, "", _claimed(finding), decides, finding.outcome]
    interval = finding.found.interval
    ends = "" if interval is None else f"[{_number(finding, interval.low)}, {_number(finding, interval.high)}]"
    value = f"{_number(finding, finding.found.value)} {finding.unit}".rstrip()
    claimed = _claimed(finding)
    return [escape(finding.said), value, ends, claimed, decides, finding.outcome if claimed else ""]


def _number(finding: Finding, value: float) -> str:
    return f"{value:.{finding.decimals}f}"


def _claimed(finding: Finding) -> str:
    """`above 0`, `below 0.9` or `0.9 to 1.1`; nothing where the claim says nothing of the number."""
    if math.isinf(finding.high) and math.isinf(finding.low):
        return ""
    if math.isinf(finding.high):
        return f"above {finding.low:g}"
    return f"below {finding.high:g}" if math.isinf(finding.low) else f"{finding.low:g} to {finding.high:g}"
