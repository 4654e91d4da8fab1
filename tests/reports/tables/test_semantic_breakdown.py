"""DisCa's Table 6."""

from __future__ import annotations

from reports.dimensions import SEMANTIC, title
from reports.formats.markdown import render
from reports.results import collect
from reports.tables import semantic_breakdown
from tests.reports.synthetic import synthetic


def test_layout() -> None:
    """Score, nine dimensions, relative change in brackets, counts last."""
    source = synthetic()
    results = collect(source, source.suite)
    lines = [line for line in render(semantic_breakdown.sheet(results)).splitlines() if line.startswith("| ")]
    header = [cell.strip() for cell in lines[0].strip("|").split(" | ")]
    assert header == ["Method", "Semantic Score", *(title(name) for name in SEMANTIC)]
    assert "(" not in lines[2]
    base = results.estimate("original", "semantic_score").value or 1
    own = results.estimate("fewer_steps-10", "semantic_score").value or 0
    row = next(line for line in lines if line.startswith("| fewer_steps-10"))
    assert f"| {own:.1f} ({100 * (own / base - 1):+.1f}%) |" in row
    assert lines[-1].startswith("| Cells | 12 | 12 | 6 |")


def test_undecided_is_marked() -> None:
    """TeaCache at 0.1 does next to nothing in this suite."""
    source = synthetic()
    text = render(semantic_breakdown.sheet(collect(source, source.suite)))
    row = next(line for line in text.splitlines() if line.startswith("| teacache-0.1"))
    assert "≈" in row
