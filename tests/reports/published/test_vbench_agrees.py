"""The papers' semantic scores and VBench's own arithmetic: the same constants, told once."""

from __future__ import annotations

import pytest

from harness.dimensions import SEMANTIC
from harness.vbench.scores import Withheld, vbench_scores
from reports.published.contradictions import CONTRADICTIONS
from reports.published.disca import TABLE_6


def semantic_percent(row: str) -> float:
    values = {name: TABLE_6.value(row, name) for name in SEMANTIC}
    raw = {name: value.value / 100 for name, value in values.items() if value is not None}
    scores = vbench_scores(raw)
    assert isinstance(scores.semantic, float)
    assert isinstance(scores.total, Withheld)  # the table has no quality dimension
    return 100 * scores.semantic


def test_the_originals_score_follows_from_its_columns() -> None:
    assert semantic_percent("Original: 50 steps") == pytest.approx(73.545, abs=0.0005)


def test_discas_does_not_and_is_listed_so() -> None:
    found = semantic_percent("DisCa (R=0.2, N=4)")
    assert found == pytest.approx(69.579, abs=0.0005)
    (listed,) = (one for one in CONTRADICTIONS if one.table == "Table 6")
    assert (listed.says, f"{found:.2f}" in listed.against) == ("69.3", True)
