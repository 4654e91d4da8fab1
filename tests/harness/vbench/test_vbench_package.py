"""The package as a file: read only if it is the very one, and got only from where pip gets packages."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.errors import VBenchError
from harness.vbench import package
from harness.vbench.package import INSTALL, WHEEL, full_info, install_wheel, wheel_path
from tests.harness.vbench.small_wheel import ENTRIES, write_wheel

Ran = subprocess.CompletedProcess[str]


def pip_that(monkeypatch: pytest.MonkeyPatch, *, writes: bool, code: int = 0, says: str = "") -> list[list[str]]:
    """Stand in for pip; the commands it was given."""
    given: list[list[str]] = []

    def run(command: list[str], **options: object) -> Ran:
        given.append(command)
        if writes:
            write_wheel(Path(command[command.index("--dest") + 1]) / WHEEL)
        return Ran(command, code, "", says)

    monkeypatch.setattr(package.subprocess, "run", run)
    return given


def test_it_lies_in_the_harness_own_folder_of_the_users_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert wheel_path() == cache / "video-acceleration-harness" / "vbench" / WHEEL
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert wheel_path().is_relative_to("/home/somebody/.cache")


def test_without_it_one_line_says_what_to_run(cache: Path) -> None:
    with pytest.raises(VBenchError, match=INSTALL) as caught:
        full_info()
    assert "\n" not in str(caught.value)


def test_another_file_is_not_read(cache: Path) -> None:
    write_wheel(wheel_path())
    with pytest.raises(VBenchError, match="has SHA-256"):
        full_info()


def test_the_list_is_read_from_the_wheel_as_it_is(wheel: Path) -> None:
    assert full_info() == ENTRIES


def test_pip_gets_the_one_version_without_its_dependencies(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel.unlink()
    given = pip_that(monkeypatch, writes=True)
    assert install_wheel() == wheel
    assert {"download", "--no-deps", "vbench==0.1.5"} <= set(given[0])
    assert full_info() == ENTRIES


def test_what_pip_got_is_checked_before_it_is_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip_that(monkeypatch, writes=True)
    with pytest.raises(VBenchError, match="ask why"):
        install_wheel()
    assert list(wheel_path().parent.iterdir()) == []


def test_where_pip_cannot_its_last_word_and_the_way_by_hand_are_said(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pip_that(monkeypatch, writes=False, code=1, says="WARNING: retrying\nERROR: no matching distribution\n")
    with pytest.raises(VBenchError, match=rf"no matching distribution\); put {WHEEL} from PyPI in "):
        install_wheel()
