"""The committed matrix says what the conformance suite runs, and shows what fails."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from harness.discovery import discover_families, discover_methods
from tests.conformance.matrix import Pair, render

COMMITTED = Path(__file__).parents[2] / "docs" / "methods.md"


def test_the_committed_matrix_is_the_one_of_these_methods_and_families():
    # A pair that does not work fails its own conformance tests; here only the page is compared.
    passing = defaultdict(lambda: Pair(passed=1))
    for name in discover_methods():
        for family in discover_families():
            passing[name, family].passed += 1
    expected = render(discover_methods(), discover_families(), passing)
    assert COMMITTED.read_text(encoding="utf-8") == expected, "run: pytest tests/conformance --matrix docs/methods.md"


def test_a_failure_is_shown():
    methods = {"original": discover_methods()["original"]}
    families = {"wan": discover_families()["wan"]}
    assert "**fails** 1 of 4" in render(methods, families, {("original", "wan"): Pair(passed=3, failed=1)})


def test_an_untested_pair_is_refused():
    methods = {"original": discover_methods()["original"]}
    with pytest.raises(ValueError, match="no conformance test ran for original on wan"):
        render(methods, {"wan": discover_families()["wan"]}, {})
