"""Downloads from a server on this machine: broken off, continued, changed meanwhile, and wrong."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.doctor.fetch import fetch
from harness.doctor.weights import WeightFile
from harness.errors import NeedError
from tests.harness.doctor.server import Served, serving

CONTENT = bytes(range(256)) * 16


@pytest.fixture
def served() -> Iterator[Served]:
    with serving(Served(CONTENT)) as server:
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "weights" / "a.pth"


def weights(served: Served, content: bytes | None = CONTENT, **known: object) -> WeightFile:
    sha256 = hashlib.sha256(content).hexdigest() if content is not None else None
    return WeightFile(name="A", needed_by=("lpips",), path="", url=served.url, sha256=sha256, **known)


def left(target: Path) -> set[str]:
    return {path.name for path in target.parent.iterdir()}


def test_a_file_appears_whole_and_checked_with_nothing_beside_it(served: Served, target: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    assert fetch(weights(served), target, lambda done, total: seen.append((done, total)))
    assert target.read_bytes() == CONTENT
    assert left(target) == {"a.pth"}
    assert seen[-1] == (len(CONTENT), len(CONTENT))


def test_without_a_published_hash_that_is_said(served: Served, target: Path) -> None:
    assert not fetch(weights(served, None), target)
    assert target.read_bytes() == CONTENT


def test_a_broken_download_is_kept_and_continued(served: Served, target: Path) -> None:
    served.break_off_after = 1000
    with pytest.raises(NeedError, match="broke off after 1000 of 4096 bytes; call again"):
        fetch(weights(served), target)
    assert not target.exists()
    assert target.with_name("a.pth.part").read_bytes() == CONTENT[:1000]

    served.break_off_after = None
    assert fetch(weights(served), target)
    assert served.ranges == [None, "bytes=1000-"]
    assert target.read_bytes() == CONTENT
    assert left(target) == {"a.pth"}


def test_what_changed_on_the_server_is_got_anew(served: Served, target: Path) -> None:
    served.break_off_after = 1000
    with pytest.raises(NeedError):
        fetch(weights(served), target)
    served.content, served.etag, served.break_off_after = CONTENT[::-1], '"two"', None
    assert fetch(weights(served, CONTENT[::-1]), target)
    assert target.read_bytes() == CONTENT[::-1]


@pytest.mark.parametrize("why", ["no mark", "weak mark", "no ranges"])
def test_where_a_server_cannot_continue_it_starts_again(served: Served, target: Path, why: str) -> None:
    if why == "no ranges":
        served.continues = False
    else:
        served.etag = None if why == "no mark" else 'W/"one"'
    served.break_off_after = 1000
    with pytest.raises(NeedError):
        fetch(weights(served), target)
    served.break_off_after = None
    assert fetch(weights(served), target)
    assert target.read_bytes() == CONTENT
    # Nothing tells whether the part is of the same content, so the rest alone is not even asked for.
    assert (served.ranges[-1] is None) == (why != "no ranges")


def test_a_part_that_was_whole_already_is_taken(served: Served, target: Path) -> None:
    """As when the process died between the last byte and the renaming."""
    target.parent.mkdir()
    target.with_name("a.pth.part").write_bytes(CONTENT)
    target.with_name("a.pth.part.etag").write_text('"one"')
    assert fetch(weights(served), target)
    assert served.ranges == ["bytes=4096-"]
    assert left(target) == {"a.pth"}


def test_another_file_than_was_meant_is_not_kept(served: Served, target: Path) -> None:
    with pytest.raises(NeedError, match=r"is not A \(.* has SHA-256 .*; ask where it moved"):
        fetch(weights(served, b"what was meant"), target)
    assert left(target) == set()


def test_a_damaged_file_stays_until_a_whole_one_is_there(served: Served, target: Path) -> None:
    target.parent.mkdir()
    target.write_bytes(b"damaged")
    served.status = 404
    with pytest.raises(NeedError, match=f"404.*put it at {target}"):
        fetch(weights(served), target)
    assert target.read_bytes() == b"damaged"
    served.status = 200
    assert fetch(weights(served), target)
    assert target.read_bytes() == CONTENT


def test_nobody_there_is_one_line(target: Path) -> None:
    with serving(Served(CONTENT)) as gone:
        pass
    with pytest.raises(NeedError, match="cannot be got") as caught:
        fetch(weights(gone), target)
    assert "\n" not in str(caught.value)


def test_one_file_is_taken_out_of_a_zip(served: Served, target: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("models/a.pth", CONTENT)
        archive.writestr("models/b.pth", b"another")
    served.content = packed.getvalue()
    assert fetch(weights(served, zip_member="models/a.pth"), target)
    assert target.read_bytes() == CONTENT
    assert left(target) == {"a.pth"}
    with pytest.raises(NeedError, match="cannot be got"):
        fetch(weights(served, zip_member="models/c.pth"), target)
