"""What is not recorded is unknown, never guessed."""

from __future__ import annotations

from reports.environments import device, different, distinct, timing_class, versions
from tests.reports.synthetic import ENVIRONMENT


def test_device_and_timing_class() -> None:
    """Code that changed between cells does not split a suite; torch or the thread count does."""
    assert device(ENVIRONMENT) == "Test CPU"
    assert device(None) == "unknown"
    gpu = {"device": "cuda", "device_name": "NVIDIA H100", "threads": 8, "packages": {"torch": "2.9.0"}}
    assert timing_class(gpu) == "NVIDIA H100, torch 2.9.0"
    assert timing_class(ENVIRONMENT) == "Test CPU, torch 2.9.0, 1 thread"
    assert timing_class({**ENVIRONMENT, "commit": "other"}) == timing_class(ENVIRONMENT)


def test_versions() -> None:
    """Packages and what stands beside them."""
    assert versions(ENVIRONMENT) == {"commit": "0123abc", "python": "3.12.0", "torch": "2.9.0", "diffusers": "0.36.0"}


def test_equal_environments_are_one() -> None:
    """Also where a record has none, and in the order in which they come."""
    other = {**ENVIRONMENT, "commit": "4567def"}
    environments, places = different([other, None, dict(ENVIRONMENT), dict(other), ENVIRONMENT])
    assert environments == [other, None, ENVIRONMENT]
    assert places == [0, 1, 2, 0, 2]
    assert distinct(environments, "commit") == ["0123abc", "4567def"]
    assert distinct(environments, "device") == ["Test CPU", "unknown"]
    assert distinct(environments, "transformers") == []
