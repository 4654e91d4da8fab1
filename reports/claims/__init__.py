"""DisCa's claims, judged by our numbers. Each module here is one, found by its file name; it offers `LETTER`,
`STATEMENT`, `SOURCE` and `findings`.

What a claim is held to was stated in its module's docstring before anything was measured: which rows, which measure,
and in which range the paper puts it. Documents quote it from there: all but the docstring's first line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from reports.claims.verdict import Finding, Verdict
from reports.discovery import modules
from reports.results import Results


class Claim(Protocol):
    """What a module of this package offers."""

    LETTER: str
    """Names the claim in documents, which have them in this order."""
    STATEMENT: str
    """What the paper claims, in one sentence."""
    SOURCE: str
    """Where it does."""

    def findings(self, results: Results) -> Sequence[Finding]:
        """The numbers that the claim speaks about."""
        ...


def discover() -> dict[str, Claim]:
    """Every claim by its letter, in order."""
    found: dict[str, Claim] = modules(__name__, __path__, "findings")
    return {claim.LETTER: claim for claim in sorted(found.values(), key=lambda claim: claim.LETTER)}


def judge(results: Results) -> dict[str, Verdict]:
    """What became of every claim, by its letter."""
    return {
        letter: Verdict(letter, claim.STATEMENT, claim.SOURCE, _held_to(claim), tuple(claim.findings(results)))
        for letter, claim in discover().items()
    }


def _held_to(claim: Claim) -> str:
    return " ".join((claim.__doc__ or "").partition("\n\n")[2].split())
