"""What the conformance suite runs over: every method with every family that discovery finds."""

from __future__ import annotations

import pytest

from harness.discovery import discover_families, discover_methods


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test for each method and each family it asks for."""
    for argument, found in (("method_type", discover_methods), ("family", discover_families)):
        if argument in metafunc.fixturenames:
            entries = found()
            metafunc.parametrize(argument, entries.values(), ids=entries.keys())
