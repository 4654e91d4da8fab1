"""The fingerprint of a number: what it holds, and what changes it."""

from __future__ import annotations

import json
import subprocess

import pytest
import torch

from harness import environment
from harness.environment import PACKAGES, code_commit, describe_environment
from harness.records import canonical_hash


def test_fingerprint_is_the_hash_of_all_other_facts():
    facts = describe_environment("cpu")
    fingerprint = facts.pop("fingerprint")
    assert fingerprint == canonical_hash(facts)
    assert json.loads(json.dumps(facts)) == facts


def test_names_device_threads_and_versions():
    facts = describe_environment("cpu")
    assert facts["device"] == "cpu"
    assert facts["device_name"]
    assert facts["cuda"] is None
    assert facts["threads"] == torch.get_num_threads()
    assert (
        facts["packages"]["torch"] == torch.__version__.split("+")[0] or facts["packages"]["torch"] == torch.__version__
    )
    assert set(facts["packages"]) == set(PACKAGES)


def test_another_thread_count_or_version_is_another_fingerprint(monkeypatch):
    before = describe_environment("cpu")["fingerprint"]
    assert describe_environment("cpu")["fingerprint"] == before
    monkeypatch.setattr(torch, "get_num_threads", lambda: 99)
    assert describe_environment("cpu")["fingerprint"] != before
    monkeypatch.undo()
    monkeypatch.setattr(environment, "package_version", lambda package: "0.0")
    assert describe_environment("cpu")["fingerprint"] != before


def test_an_absent_package_is_left_out(monkeypatch):
    monkeypatch.setattr(environment, "PACKAGES", ("torch", "surely-no-such-package"))
    assert list(describe_environment("cpu")["packages"]) == ["torch"]


class TestCommit:
    @pytest.fixture
    def checkout(self, tmp_path, monkeypatch):
        """A checkout that holds the module; the real one may have no commit yet."""
        file = tmp_path / "environment.py"
        file.write_text("x = 1\n")
        monkeypatch.setattr(environment, "__file__", str(file))
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
        code_commit.cache_clear()
        yield tmp_path
        code_commit.cache_clear()

    def git(self, folder, *arguments):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def test_is_none_outside_of_a_checkout(self, checkout):
        assert code_commit() is None

    def test_says_when_tracked_files_differ(self, checkout):
        self.git(checkout, "init", "-q")
        self.git(checkout, "add", "environment.py")
        self.git(checkout, "commit", "-qm", "first")
        commit = self.git(checkout, "rev-parse", "HEAD")
        (checkout / "untracked").touch()
        assert code_commit() == commit
        (checkout / "environment.py").write_text("x = 2\n")
        code_commit.cache_clear()
        assert code_commit() == f"{commit}-dirty"
