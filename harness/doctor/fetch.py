"""Downloads that can be broken off: what has come stays in a `.part` file, and the next call goes on behind it.

A file appears under its name only when it is whole and is the one that was meant.
"""

from __future__ import annotations

import http.client
import os
import shutil
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from harness.doctor.weights import WeightFile, check
from harness.errors import NeedError

TIMEOUT_S: Final = 60.0
BLOCK_BYTES: Final = 1 << 20
_WHOLE, _REST, _NOTHING_LEFT = 200, 206, 416

Progress = Callable[[int, int | None], None]
"""Told how many bytes there are so far, and how many there will be if the server says so."""


def fetch(weights: WeightFile, target: Path, on_progress: Progress = lambda done, total: None) -> bool:
    """Download a file to its place, and compare it with what is known of it; whether its hash is among that.

    Raises:
        NeedError: the download fails (what has come is kept), or what came is not the file (it is removed).
    """
    part = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        download(weights.url, part, on_progress)
        if weights.zip_member is not None:
            _take_out(part, weights.zip_member)
        checked = check(part, weights)
        os.replace(part, target)
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise NeedError(f"{weights.url} cannot be got ({error}); get it by hand and put it at {target}") from None
    except NeedError as error:
        part.unlink(missing_ok=True)
        raise NeedError(f"what {weights.url} gives is not {weights.name} ({error}); ask where it moved") from None
    return checked


def download(url: str, part: Path, on_progress: Progress = lambda done, total: None) -> None:
    """Get what a URL gives into `part`, behind what it holds already.

    The server's mark of the content (ETag) is kept beside the part: where that changed, or the server cannot continue,
    everything is got anew.

    Raises:
        OSError: the server cannot be reached, answers with an error, or breaks off before the end.
    """
    mark = part.with_name(f"{part.name}.etag")
    known = mark.read_text(encoding="utf-8") if mark.exists() else None
    have = part.stat().st_size if part.exists() and known else 0
    headers = {"Range": f"bytes={have}-", "If-Range": known} if have and known else {}
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == _NOTHING_LEFT and error.headers.get("Content-Range") == f"bytes */{have}":
            mark.unlink(missing_ok=True)
            return
        raise
    with response:
        have = have if response.status == _REST else 0
        length = response.headers.get("Content-Length")
        total = have + int(length) if length is not None else None
        etag = response.headers.get("ETag")
        if etag is not None and not etag.startswith("W/"):  # a weak one says nothing about bytes
            mark.write_text(etag, encoding="utf-8")
        else:
            mark.unlink(missing_ok=True)
        with part.open("ab" if have else "wb") as sink:
            while block := _read(response):
                sink.write(block)
                have += len(block)
                on_progress(have, total)
    if total is not None and have != total:
        raise OSError(f"the server broke off after {have} of {total} bytes; call again to go on")
    mark.unlink(missing_ok=True)


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read(BLOCK_BYTES)
    except http.client.IncompleteRead as error:
        return error.partial


def _take_out(archive: Path, member: str) -> None:
    """Put one member of a zip in the zip's place."""
    taken = archive.with_name(f"{archive.name}.member")
    with zipfile.ZipFile(archive) as source, source.open(member) as content, taken.open("wb") as sink:
        shutil.copyfileobj(content, sink)
    os.replace(taken, archive)
