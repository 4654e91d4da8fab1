"""A suite's records in one file that can be kept with documents made of them.

What belongs to a suite in a store (plan, records of cells and scores, votes) and the few videos that its pictures show,
packed as they lie there. Equal contents give equal bytes.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from harness.errors import StoreError
from harness.records import SuiteManifest, set_id_of
from harness.store import Store

SUFFIX: Final = ".tar.xz"


def write_archive(store: Store, manifest: SuiteManifest, videos: Iterable[str], folder: Path) -> Path:
    """Pack a suite of a local store, with these videos of it, into `folder/SUITE.tar.xz`, replacing what is there.

    Raises:
        StoreError: the store is not on this machine, or a file cannot be read or written.
    """
    root, path = Path(store.root), folder / f"{manifest.suite}{SUFFIX}"
    if not root.is_dir():
        raise StoreError(f"store {store.root!r} is not a folder of this machine; copy it here first")
    ids = {cell_id for row in manifest.rows for cell_id in row.cell_ids}
    ids |= {set_id_of(row.cell_ids) for row in manifest.rows if row.cell_ids}
    records = [
        found
        for found in root.rglob("*.json")
        if found.name.partition(".")[0] in ids or found.name == f"{manifest.suite}.json"
    ]
    try:
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:xz") as archive:
            for file in sorted({*records, *(root / video for video in videos)}):
                content = file.read_bytes()
                entry = tarfile.TarInfo(file.relative_to(root).as_posix())
                entry.size = len(content)
                archive.addfile(entry, io.BytesIO(content))
        folder.mkdir(parents=True, exist_ok=True)
        path.write_bytes(packed.getvalue())
    except OSError as error:
        raise StoreError(f"archive {str(path)!r} cannot be made ({error}); see to that file and repeat") from error
    return path


@contextmanager
def opened(path: Path) -> Iterator[tuple[Store, SuiteManifest]]:
    """What was packed, for the length of a `with`.

    Raises:
        StoreError: the file is no archive, or was cut short.
    """
    with TemporaryDirectory() as folder:
        try:
            with tarfile.open(path, mode="r:xz") as archive:
                archive.extractall(folder, _plain_files(archive))
        except (OSError, EOFError, tarfile.TarError) as error:
            raise StoreError(f"{path}: is no archive of records ({error}); run `harness archive` again") from None
        store = Store(folder)
        yield store, store.manifest(path.name.removesuffix(SUFFIX))


def _plain_files(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """What may be written: files below the folder. `filter="data"` is the same from Python 3.11.4 on."""
    for member in archive:
        if not member.isfile() or member.name.startswith("/") or ".." in Path(member.name).parts:
            raise tarfile.TarError(f"{member.name} in it is no file below a folder")
        yield member
