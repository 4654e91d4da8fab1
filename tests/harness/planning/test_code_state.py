"""Whatever an answer could rest on makes another state; what cannot matter makes none."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.planning import code_state as module
from harness.planning.code_state import code_state


@pytest.fixture
def methods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of methods beside one of the harness, both of a few files."""
    for name in ("methods", "harness"):
        folder = tmp_path / name
        (folder / "families").mkdir(parents=True)
        (folder / "fora.py").write_text("A = 1\n")
        (folder / "families" / "wan.json").write_text("{}")
        monkeypatch.setattr(module, name, SimpleNamespace(__path__=[str(folder)]))
    return tmp_path / "methods"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("fora.py", "A = 2\n"),
        ("fora.py", "A = 1  # one\n"),
        ("families/wan.json", "[]"),
        ("new.py", ""),
        ("../harness/fora.py", "A = 2\n"),
    ],
)
def test_changes_with_every_file(methods: Path, path: str, text: str) -> None:
    before = code_state()
    (methods / path).write_text(text)
    assert code_state() != before


def test_changes_with_a_files_name_and_place(methods: Path) -> None:
    before = code_state()
    (methods / "fora.py").rename(methods / "pab.py")
    renamed = code_state()
    (methods / "pab.py").rename(methods / "families" / "pab.py")
    assert len({before, renamed, code_state()}) == 3


@pytest.mark.usefixtures("methods")
@pytest.mark.parametrize("name", ["torch", "diffusers", "pydantic", "cache-dit"])
def test_changes_with_the_version_of_a_package(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, real = code_state(), module.package_version
    monkeypatch.setattr(module, "package_version", lambda package: "0.0" if package == name else real(package))
    assert code_state() != before


@pytest.mark.usefixtures("methods")
def test_changes_with_pythons_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = code_state()
    monkeypatch.setattr(module.platform, "python_version", lambda: "3.99")
    assert code_state() != before


def test_does_not_change_with_what_python_leaves_behind(methods: Path) -> None:
    before = code_state()
    (methods / "__pycache__").mkdir()
    (methods / "__pycache__" / "fora.cpython-311.pyc").touch()
    assert code_state() == before


def test_of_the_real_code_is_the_same_twice() -> None:
    assert code_state() == code_state()
