"""Names come from files, classes from names, and code hashes from what the code does."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from harness import discovery
from harness.discovery import FAMILIES, METHODS, METRICS, UnknownNameError, names
from harness.errors import HarnessError
from harness.metrics.base import Metric
from methods.base import Method


def test_names_are_the_files_of_the_folder():
    folder = discovery._folder(METHODS)
    files = {path.stem for path in folder.glob("*.py")} - {"base", "__init__"}
    assert set(names(METHODS)) == files
    assert {"original", "fewer_steps", "teacache", "fora", "pab"} <= files
    assert "wan" in names(FAMILIES)
    assert {"psnr", "ssim", "lpips", "shapes"} <= set(names(METRICS))


def test_asking_for_names_imports_nothing_heavy():
    """`harness --help` and the suite's check of names must not wait for torch."""
    code = (
        "import sys; from harness.discovery import *; from harness import discovery as d;"
        "[d.names(p) for p in (d.METHODS, d.FAMILIES, d.METRICS)];"
        "print([m for m in ('torch', 'diffusers', 'ray', 'mlflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_discovered_thing_is_of_its_kind():
    assert all(issubclass(method, Method) for method in discovery.discover_methods().values())
    assert {name: family.name for name, family in discovery.discover_families().items()} == {
        name: name for name in names(FAMILIES)
    }
    assert all(isinstance(discovery.load_metric(name), Metric) for name in names(METRICS))


@pytest.mark.parametrize(
    ("load", "wrong", "right"),
    [
        (discovery.load_method, "teacach", "teacache"),
        (discovery.load_family, "wam", "wan"),
        (discovery.load_metric, "pnsr", "psnr"),
    ],
)
def test_unknown_name_is_one_line_with_the_nearest(load, wrong, right):
    with pytest.raises(UnknownNameError) as caught:
        load(wrong)
    assert repr(wrong) in str(caught.value)
    assert repr(right) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_base_is_no_plug_in():
    with pytest.raises(UnknownNameError):
        discovery.load_method("base")


def test_a_file_with_two_classes_is_refused(tmp_path, monkeypatch):
    package = tmp_path / "plugins_with_two"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "two.py").write_text(
        "from harness.metrics.base import Metric\nclass A(Metric): ...\nclass B(Metric): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(HarnessError, match="defines 2 Metric classes"):
        discovery._load("plugins_with_two", "metric", "two", Metric)


class TestCodeHash:
    @pytest.fixture
    def copied(self, tmp_path, monkeypatch):
        """A copy of the methods, which a test may edit."""
        root = tmp_path / "methods"
        shutil.copytree(discovery._folder(METHODS), root, ignore=shutil.ignore_patterns("__pycache__"))
        monkeypatch.setattr(discovery, "_folder", lambda package: root)

        def code_hash(method="fora", family="wan"):
            discovery.code_hash.cache_clear()
            return discovery.code_hash(method, family)

        yield root, code_hash
        discovery.code_hash.cache_clear()

    @pytest.mark.parametrize("file", ["fora.py", "base.py", "families/wan.py", "families/base.py", "hooks/applied.py"])
    def test_changes_with_any_code_the_method_runs(self, copied, file):
        root, code_hash = copied
        before = code_hash()
        path = root / file
        path.write_text(path.read_text() + "\nADDED = 1\n")
        assert code_hash() != before

    def test_does_not_change_with_comments_docstrings_and_layout(self, copied):
        root, code_hash = copied
        before = code_hash()
        path = root / "fora.py"
        text = path.read_text().replace('"""FORA:', '"""Something else:') + "\n\n# a comment\n"
        path.write_text(text)
        assert code_hash() == before

    def test_does_not_change_with_another_method(self, copied):
        root, code_hash = copied
        before = code_hash()
        path = root / "pab.py"
        path.write_text(path.read_text() + "\nADDED = 1\n")
        assert code_hash() == before
        assert code_hash("pab") != before
