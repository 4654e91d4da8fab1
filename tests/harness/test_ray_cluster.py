from __future__ import annotations

import pytest

from harness.driver import FleetError
from harness.ray_cluster import cluster_address, joined_ray, short


def test_what_is_said_goes_before_the_variable(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert cluster_address("other:6379") == "other:6379"
    assert cluster_address(None) == "head:6379"
    monkeypatch.delenv("RAY_ADDRESS")
    assert cluster_address(None) is None


@pytest.mark.parametrize("error", [Exception("The current node timed out during startup."), ValueError("no such port")])
def test_whatever_ray_raises_is_said_in_one_line(monkeypatch, error):
    import ray

    def init(**options):
        raise error

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(FleetError, match="a local Ray cannot be started") as raised, joined_ray(None, 1):
        pass
    assert str(error) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_error_is_told_by_its_kind_and_its_first_and_last_words():
    assert short(RuntimeError("first\nmiddle\nlast\n")) == "RuntimeError: first last"
    assert short(RuntimeError()) == "RuntimeError: "


@pytest.mark.parametrize("address", ["http://head:8265", "127.0.0.1:1"])
def test_where_no_cluster_can_be_it_says_so_at_once(address):
    with pytest.raises(FleetError, match=address.replace(".", r"\.")), joined_ray(address, None):
        pass
