"""What the conformance suite runs over: every method with every family that discovery finds."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from harness.discovery import discover_families, discover_methods
from tests.conformance.matrix import Pair, render

PAIR = "conformance pair"
_pairs: dict[tuple[str, str], Pair] = defaultdict(Pair)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test for each method and each family it asks for."""
    for argument, found in (("method_type", discover_methods), ("family", discover_families)):
        if argument in metafunc.fixturenames:
            entries = found()
            metafunc.parametrize(argument, entries.values(), ids=entries.keys())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Note on each test which pair it is about, where the process that gathers the reports can read it."""
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {})
        if {"method_type", "family"} <= parameters.keys():
            method = parameters["method_type"].__module__.rpartition(".")[2]
            item.user_properties.append((PAIR, (method, parameters["family"].name)))


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count what each pair's tests gave; an unsupported one still has a test, of its reason."""
    for name, value in report.user_properties:
        if name == PAIR and (report.when == "call" or report.failed):
            pair = _pairs[tuple(value)]
            pair.passed += report.passed
            pair.failed += report.failed


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the matrix where it was asked for."""
    path = session.config.getoption("--matrix")
    if path is not None and not hasattr(session.config, "workerinput"):
        Path(path).write_text(render(discover_methods(), discover_families(), _pairs), encoding="utf-8")
