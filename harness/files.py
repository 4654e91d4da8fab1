"""Files below one root on any file system fsspec knows, each appearing whole or not at all."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, Self, TypeVar

import fsspec
from fsspec.implementations.local import LocalFileSystem

from harness.errors import StoreError
from harness.local_disk import appear, copy_synced, read_whole, sync_folder, walk, write_synced
from harness.storage_faults import ask

STALE_TEMPORARY_S = 24 * 3600.0
"""A file in tmp/ older than this belongs to a process that died."""

_T = TypeVar("_T")


class Files:
    """A tree of files, addressed by paths relative to its root. Picklable, safe to use from many processes at once."""

    def __init__(self, root: str, patience_s: float = 0.0) -> None:
        """Open the tree at `root`: a folder, or a URL such as `s3://bucket/folder`. Nothing is created yet.

        Faults of the storage that may pass are waited for, up to `patience_s` seconds each.
        """
        try:
            filesystem, path = fsspec.core.url_to_fs(root)
        except (ValueError, ImportError, OSError) as error:
            raise StoreError(f"store {root!r} cannot be opened ({error}); give a folder or an fsspec URL") from error
        self._fs: Any = filesystem
        self._local = isinstance(filesystem, LocalFileSystem)
        self._path: str = str(path).rstrip("/")
        self._patience_s = patience_s
        # Actors have another working folder than the driver, so a relative root must not travel.
        self.root: str = self._path if self._local else root

    def __repr__(self) -> str:
        """As one would write it."""
        return f"{type(self).__name__}({self.root!r})"

    def __reduce__(self) -> tuple[type[Self], tuple[str, float]]:
        """Open file systems do not travel between processes; the root does."""
        return (type(self), (self.root, self._patience_s))

    def read_bytes(self, path: str) -> bytes | None:
        """The whole of a file, None if there is none. StoreError if it is there and cannot be read just now."""
        full = self._full(path)
        try:
            return self._ask(path, "read", lambda: read_whole(full) if self._local else self._fs.cat_file(full))
        except (FileNotFoundError, NotADirectoryError):
            return None

    @contextmanager
    def open(self, path: str, mode: str = "rb") -> Iterator[IO[Any]]:
        """A file below the root, as a context. A written file appears complete on leaving, or not at all on error."""
        if mode in {"r", "rb"}:
            encoding = None if "b" in mode else "utf-8"
            try:
                source = self._ask(path, "read", lambda: self._fs.open(self._full(path), mode, encoding=encoding))
            except (FileNotFoundError, NotADirectoryError) as error:
                raise StoreError(f"{path!r} in store {self.root!r} cannot be read ({error})") from error
            with source:
                yield source
        elif mode in {"w", "wb"}:
            with TemporaryDirectory() as folder:
                local = Path(folder) / "content"
                with local.open(mode, encoding=None if "b" in mode else "utf-8") as sink:
                    yield sink
                self.put_file(local, path)
        else:
            raise StoreError(f"mode {mode!r} for {path!r}: use r, rb, w or wb")

    def exists(self, path: str) -> bool:
        """Whether there is a file or folder at `path`, asked anew each time."""
        self._forget_listings()
        full = self._full(path)
        there = os.path.exists if self._local else self._fs.exists
        return bool(self._ask(path, "read", lambda: there(full)))

    def put_file(self, local: str | Path, path: str) -> None:
        """Copy a local file into the store, replacing what is there; readers never see half of it."""
        target = self._full(path)

        def put() -> None:
            if not self._local:
                self._fs.put_file(str(local), target)
                return
            with self._temporary() as temporary:
                copy_synced(Path(local), temporary)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                os.replace(temporary, target)

        self._write(path, put)

    @contextmanager
    def local_path(self, path: str) -> Iterator[Path]:
        """A readable local file with the content of `path`, valid inside the context; do not change it."""
        if not self.exists(path):
            raise StoreError(f"{path!r} is not in store {self.root!r}; run its cell again")
        if self._local:
            yield Path(self._full(path))
            return
        with TemporaryDirectory() as folder:
            local = Path(folder) / path.rpartition("/")[2]
            try:
                self._ask(path, "read", lambda: self._fs.get_file(self._full(path), str(local)))
            except FileNotFoundError as error:
                raise StoreError(f"{path!r} has just left store {self.root!r}; run its cell again") from error
            yield local

    def remove(self, path: str) -> None:
        """Remove a file; no error if it is not there."""
        try:
            self._ask(path, "written", lambda: self._fs.rm_file(self._full(path)))
        except (FileNotFoundError, NotADirectoryError):
            return

    def move(self, path: str, target: str) -> None:
        """Rename a file within the tree. StoreError if that cannot be done."""

        def rename() -> None:
            self._fs.makedirs(self._full(target).rpartition("/")[0], exist_ok=True)
            self._fs.mv(self._full(path), self._full(target))

        self._write(target, rename)

    def sweep_temporary(self, now: float | None = None) -> None:
        """Remove what writers that died more than a day ago left in tmp/ (`now` in Unix seconds)."""
        now = time.time() if now is None else now
        for name in self.names("tmp") if self._local else ():
            leftover = Path(self._full(f"tmp/{name}"))
            try:
                if now - leftover.stat().st_mtime > STALE_TEMPORARY_S:
                    leftover.unlink()
            except FileNotFoundError:
                continue

    def create(self, path: str, data: bytes) -> bool:
        """Write a file unless it exists; of several writers exactly one gets True.

        An object store decides by a conditional put, a mounted disk by `harness.local_disk`.
        """
        target = self._full(path)

        def put() -> bool:
            if not self._local:
                self._forget_listings()
                self._fs.pipe_file(target, data, mode="create")
                return True
            with self._temporary() as temporary:
                write_synced(temporary, data)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                won = appear(temporary, Path(target))
                sync_folder(os.path.dirname(target))
            return won

        try:
            return self._ask(path, "written", put)
        except FileExistsError:
            # Also after a fault: a first try may have been carried out though its answer never came.
            return self._patience_s > 0 and self.read_bytes(path) == data
        except (FileNotFoundError, NotADirectoryError) as error:
            # A bucket that is not there, or a file where a folder should be.
            raise StoreError(self._said(path, "written", str(error))) from error

    def replace(self, path: str, data: bytes) -> None:
        """Write a file, or put a new one in its place in one step."""
        target = self._full(path)

        def put() -> None:
            if not self._local:
                self._fs.pipe_file(target, data)
                return
            with self._temporary() as temporary:
                write_synced(temporary, data)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                os.replace(temporary, target)

        self._write(path, put)

    def names(self, folder: str) -> list[str]:
        """Names directly below a folder; empty if there is none."""
        full = self._full(folder)
        self._forget_listings()
        try:
            found = self._ask(
                folder, "listed", lambda: os.listdir(full) if self._local else self._fs.ls(full, detail=False)
            )
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [str(name).rpartition("/")[2] for name in found]

    def sharded(self, kind: str) -> list[str]:
        """Names of all sidecars of a kind, whatever their shard."""
        if self._local:
            shards = self.names(kind)
            return [name for shard in shards for name in self.names(f"{kind}/{shard}") if name.endswith(".json")]
        return list(self.stamped(kind))

    def stamped(self, kind: str) -> dict[str, str]:
        """Name and change stamp of all sidecars of a kind."""
        return {
            path.rpartition("/")[2]: stamp for path, (_, stamp) in self.listing(kind).items() if path.endswith(".json")
        }

    def listing(self, folder: str) -> dict[str, tuple[int, str]]:
        """Size in bytes and change stamp of every file at any depth of a folder, by its path below the root.

        Nothing is opened: one flat listing, which costs an object store a request per thousand names.
        """
        self._forget_listings()
        if self._local:
            return dict(self._ask(folder, "listed", lambda: list(walk(self._full(folder), folder))))
        found = self._ask(folder, "listed", lambda: self._fs.find(self._full(folder), detail=True))
        start = len(self._full(""))
        return {
            name[start:]: (int(info["size"]), str(info.get("ETag") or info.get("LastModified") or info.get("created")))
            for name, info in found.items()
        }

    @contextmanager
    def _temporary(self) -> Iterator[Path]:
        """A fresh name on the root's file system; whatever is still there on leaving is removed."""
        folder = Path(self._full("tmp"))
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{os.getpid()}-{os.urandom(8).hex()}"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _write(self, path: str, action: Callable[[], None]) -> None:
        """An action that changes `path`; whatever keeps it from that is a StoreError."""
        try:
            self._ask(path, "written", action)
        except OSError as error:
            raise StoreError(self._said(path, "written", str(error))) from error

    def _ask(self, path: str, verb: str, action: Callable[[], _T]) -> _T:
        return ask(action, lambda trouble: self._said(path, verb, trouble), self._patience_s)

    def _said(self, path: str, verb: str, trouble: str) -> str:
        remedy = "check permissions and free space" if verb == "written" else "check permissions and the connection"
        return f"{path!r} in store {self.root!r} cannot be {verb} ({trouble}); {remedy}"

    def _forget_listings(self) -> None:
        """Other processes write too, so fsspec's cache of remote listings is never trusted."""
        if not self._local:
            self._fs.invalidate_cache()

    def _full(self, path: str) -> str:
        if path.startswith("/") or ".." in path.split("/"):
            raise StoreError(f"path {path!r} leaves the store {self.root!r}; give a path relative to its root")
        return f"{self._path}/{path}"
