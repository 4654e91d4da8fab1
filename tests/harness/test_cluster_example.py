"""The example for Ray's cluster launcher passes Ray's own check, and names what is in this repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "suites" / "cluster.example.yaml"


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """As the launcher reads it: with Ray's defaults filled in."""
    util = pytest.importorskip("ray.autoscaler._private.util", reason="Ray's own check of a cluster's file")
    return util.prepare_config(yaml.safe_load(EXAMPLE.read_text(encoding="utf-8")))


def test_rays_own_check_takes_it(prepared: dict[str, Any]) -> None:
    from jsonschema import ValidationError
    from ray.autoscaler._private.util import validate_config

    validate_config(prepared)
    with pytest.raises(ValidationError, match="models"):
        validate_config(prepared | {"models": {}})


def test_the_launcher_sees_the_nodes_and_commands(prepared: dict[str, Any]) -> None:
    assert prepared["provider"]["worker_ips"] == ["WORKER1.EXAMPLE", "WORKER2.EXAMPLE"]
    for commands in (prepared["head_start_ray_commands"], prepared["worker_start_ray_commands"]):
        assert "RAY_AUTH_MODE=token ray start" in commands[-1]


def test_the_commands_in_its_comments_are_of_files_that_exist() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    for path in re.findall(r"(?:harness|suites)/[\w.]+\.(?:py|yaml)", text):
        assert (ROOT / path).is_file(), path
