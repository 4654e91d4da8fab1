"""How a number and a claim are judged."""

from __future__ import annotations

import pytest

from reports.bootstrap import Interval
from reports.claims.verdict import Finding, Outcome, Verdict
from reports.estimates import Contrast


def finding(begin, end, *, decides=True, **claimed):
    return Finding("it", Contrast((begin + end) / 2, Interval(begin, end), 8), decides=decides, **claimed)


HOLDS, FAILS, UNDECIDED = finding(1, 2), finding(-2, -1), finding(-1, 1)
NOT_MEASURED = Finding("it", "nobody looked")


@pytest.mark.parametrize(
    ("made", "outcome"),
    [
        (HOLDS, Outcome.HOLDS),
        (FAILS, Outcome.FAILS),
        (UNDECIDED, Outcome.UNDECIDED),
        (finding(0, 0), Outcome.UNDECIDED),
        (finding(0, 1), Outcome.UNDECIDED),
        (finding(0.95, 1.05, low=0.9, high=1.1), Outcome.HOLDS),
        (finding(1.0, 1.2, low=0.9, high=1.1), Outcome.UNDECIDED),
        (finding(1.2, 1.3, low=0.9, high=1.1), Outcome.FAILS),
        (finding(0.5, 0.8, low=0.9, high=1.1), Outcome.FAILS),
        (Finding("it", Contrast(1.0, None, 1)), Outcome.UNDECIDED),
        (NOT_MEASURED, Outcome.NOT_MEASURED),
    ],
)
def test_a_number_is_judged_by_its_whole_interval(made, outcome):
    assert made.outcome is outcome


@pytest.mark.parametrize(
    ("findings", "outcome"),
    [
        ([HOLDS, HOLDS], Outcome.HOLDS),
        ([HOLDS, UNDECIDED], Outcome.UNDECIDED),
        ([HOLDS, UNDECIDED, NOT_MEASURED], Outcome.NOT_MEASURED),
        ([HOLDS, UNDECIDED, NOT_MEASURED, FAILS], Outcome.FAILS),
        ([HOLDS, finding(-2, -1, decides=False)], Outcome.HOLDS),
        ([finding(1, 2, decides=False)], Outcome.NOT_MEASURED),
        ([], Outcome.NOT_MEASURED),
    ],
)
def test_a_claim_holds_only_if_all_that_decides_does(findings, outcome):
    assert Verdict("x", "It is so.", "a paper", "", tuple(findings)).outcome is outcome
