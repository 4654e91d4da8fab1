"""How far raters agree: by plain share, and beyond chance by Krippendorff's alpha for unordered answers.

Alpha is 1 for perfect agreement, 0 for what chance would give, and below 0 for worse. Unlike Fleiss' kappa it does not
ask for equally many raters everywhere. Where nearly all answers are the same it is low however much raters agree, which
is why the plain share stands beside it.

Source: K. Krippendorff, Computing Krippendorff's Alpha-Reliability, University of Pennsylvania (2011).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Agreement:
    """`units` are the things that at least two raters judged; None where there are none, or nothing to disagree on."""

    units: int
    agreeing: float | None
    """Share of pairs of raters of one unit that gave the same answer, units weighing alike; 0..1."""
    alpha: float | None


def agreement(units: Iterable[Sequence[Hashable]]) -> Agreement:
    """From the answers given to each unit, one a rater."""
    judged = [Counter(answers) for answers in units if len(answers) > 1]
    # Krippendorff's matrix of coincidences: each unit adds as many as it has answers.
    coincidences: defaultdict[tuple[Hashable, Hashable], float] = defaultdict(float)
    shares = []
    for counts in judged:
        answers = counts.total()
        for one in counts:
            for other in counts:
                coincidences[one, other] += counts[one] * (counts[other] - (one == other)) / (answers - 1)
        shares.append(sum(count * (count - 1) for count in counts.values()) / (answers * (answers - 1)))
    return Agreement(len(judged), sum(shares) / len(shares) if shares else None, _alpha(coincidences))


def _alpha(coincidences: dict[tuple[Hashable, Hashable], float]) -> float | None:
    """1 - observed disagreement over that expected of the same answers in any order."""
    totals: defaultdict[Hashable, float] = defaultdict(float)
    for (one, _), weight in coincidences.items():
        totals[one] += weight
    if len(totals) < 2:
        return None
    answers = sum(totals.values())
    expected = (answers**2 - sum(total**2 for total in totals.values())) / (answers - 1)
    return 1.0 - sum(weight for (one, other), weight in coincidences.items() if one != other) / expected
