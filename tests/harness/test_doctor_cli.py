"""`harness doctor` as people and scripts use it, with a server on this machine for what is missing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from harness.cli import app
from harness.doctor import needs
from harness.doctor.weights import WeightFile
from harness.errors import NeedError, SuiteError
from tests.harness.doctor.server import Served, serving

runner = CliRunner()
SUITE = """\
models: {tiny: {family: wan, model: "tiny:some/hub"}}
prompts: [a red circle]
methods: [{method: original}]
metrics: [psnr, lpips]
"""
CONTENT = b"weights of a backbone"


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    path = tmp_path / "small.yaml"
    path.write_text(SUITE)
    return path


def test_json_is_one_object_and_the_exit_code_says_whether_all_is_there(suite: Path) -> None:
    ran = runner.invoke(app, ["doctor", str(suite), "--json"])
    said = json.loads(ran.stdout)
    assert (ran.exit_code, said["complete"]) == (1, False)
    assert {one["name"] for one in said["requirements"] if one["state"] == "missing"} == {"AlexNet, backbone of LPIPS"}

    suite.write_text(SUITE.replace(", lpips", ""))
    ran = runner.invoke(app, ["doctor", str(suite), "--json"])
    assert (ran.exit_code, json.loads(ran.stdout)["complete"]) == (0, True)


def test_the_table_ends_in_numbered_steps(suite: Path) -> None:
    ran = runner.invoke(app, ["doctor", str(suite)])
    assert "AlexNet" in ran.stdout
    assert ran.stdout.splitlines()[-1].startswith("1. AlexNet, backbone of LPIPS: get https://")


def test_fetching_gets_what_is_missing_and_says_what_stays_so(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Served(CONTENT)) as served:
        there = WeightFile(
            name="A",
            needed_by=("lpips",),
            path="{torch}/a.pth",
            url=served.url,
            sha256=hashlib.sha256(CONTENT).hexdigest(),
        )
        gone = WeightFile(name="B", needed_by=("psnr",), path="{torch}/b.pth", url=served.url, sha256="0" * 8)
        monkeypatch.setattr(needs, "weight_files", lambda: (there, gone))

        ran = runner.invoke(app, ["doctor", str(suite), "--fetch", "--json"])

    states = {one["name"]: one["state"] for one in json.loads(ran.stdout)["requirements"]}
    assert (states["A"], states["B"], ran.exit_code) == ("ready", "missing", 1)
    assert (tmp_path / "torch" / "a.pth").read_bytes() == CONTENT
    assert "warning: what" in ran.stderr


def test_without_a_suite_there_must_be_something_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert isinstance(runner.invoke(app, ["doctor"]).exception, SuiteError)
    monkeypatch.setattr("harness.vbench.package.install_wheel", lambda: tmp_path / "vbench.whl")
    ran = runner.invoke(app, ["doctor", "--install", "vbench-prompts"])
    assert ran.exit_code == 0
    assert "vbench.whl" in ran.stderr


def test_a_run_is_refused_before_anything_starts(suite: Path, tmp_path: Path) -> None:
    """Not for stand-ins by --tiny, about which nobody wants to know; here the suite itself names one."""
    from harness.run import run_suite

    with pytest.raises(NeedError, match="AlexNet"):
        run_suite(suite, store_root=str(tmp_path / "store"), address=None, workers=1)
    assert not (tmp_path / "store").exists()
