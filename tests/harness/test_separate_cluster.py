"""A head started by itself, with and without a token: who may join it and send jobs, and what the others are told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.harness.separate_cluster import separate_cluster, with_token

JOIN = """
import sys
from harness.ray_cluster import joined_ray
with joined_ray(sys.argv[1], None) as ray:
    print(int(ray.cluster_resources()["CPU"]))
"""


@pytest.mark.parametrize("mode", ["token", "disabled"])
def test_commands_find_their_way_in_either_mode(mode: str, tmp_path: Path) -> None:
    authentication = with_token() if mode == "token" else {"RAY_AUTH_MODE": "disabled"}
    with separate_cluster(authentication) as cluster:

        def python(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
            given = {name: value for name, value in (cluster.environment | changes).items() if value}
            return subprocess.run([sys.executable, *arguments], env=given, capture_output=True, text=True, timeout=300)

        status = ("-m", "harness", "status", "--address", cluster.jobs_address)
        # Nothing but the token, or nothing at all: the mode follows from it.
        assert python(*status, RAY_AUTH_MODE="").returncode == 0
        joined = python("-c", JOIN, cluster.address, RAY_AUTH_MODE="")
        assert joined.stdout.strip() == "1", joined.stderr
        unknown = python("-m", "harness", "stop", "nothing", "--address", cluster.jobs_address)
        assert unknown.stderr == f"error: no job 'nothing' at {cluster.jobs_address}; none was submitted there\n"
        if mode == "token":
            lacking = python(*status, RAY_AUTH_MODE="", RAY_AUTH_TOKEN="")
            assert lacking.stderr.startswith(
                f"error: the Ray head at {cluster.jobs_address} asks for a token; set RAY_"
            )
            wrong = python(*status, RAY_AUTH_TOKEN="0" * 32)
            assert wrong.stderr.startswith(f"error: the Ray head at {cluster.jobs_address} refuses the token; set RAY_")
            assert [ran.returncode for ran in (lacking, wrong)] == [1, 1]
