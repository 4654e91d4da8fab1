"""Files below one root on any file system fsspec knows, each appearing whole or not at all."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any, Self

import fsspec
from fsspec.implementations.local import LocalFileSystem

from harness.errors import StoreError

STALE_TEMPORARY_S = 24 * 3600.0
"""A file in tmp/ older than this belongs to a process that died."""

_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}
"""What file systems without hard links answer."""


class Files:
    """A tree of files, addressed by paths relative to its root. Picklable, safe to use from many processes at once."""

    def __init__(self, root: str) -> None:
        """Open the tree at `root`: a folder, or a URL such as `s3://bucket/folder`. Nothing is created yet."""
        try:
            filesystem, path = fsspec.core.url_to_fs(root)
        except (ValueError, ImportError, OSError) as error:
            raise StoreError(f"store {root!r} cannot be opened ({error}); give a folder or an fsspec URL") from error
        self._fs: Any = filesystem
        self._local = isinstance(filesystem, LocalFileSystem)
        self._path: str = str(path).rstrip("/")
        # Actors have another working folder than the driver, so a relative root must not travel.
        self.root: str = self._path if self._local else root

    def __repr__(self) -> str:
        """As one would write it."""
        return f"{type(self).__name__}({self.root!r})"

    def __reduce__(self) -> tuple[type[Self], tuple[str]]:
        """Open file systems do not travel between processes; the root does."""
        return (type(self), (self.root,))

    def read_bytes(self, path: str) -> bytes | None:
        """The whole of a file, None if there is none. StoreError if it is there and cannot be read just now."""
        try:
            return Path(self._full(path)).read_bytes() if self._local else bytes(self._fs.cat_file(self._full(path)))
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise StoreError(f"{path!r} in store {self.root!r} cannot be read ({error})") from error

    @contextmanager
    def open(self, path: str, mode: str = "rb") -> Iterator[IO[Any]]:
        """A file below the root, as a context. A written file appears complete on leaving, or not at all on error."""
        if mode in {"r", "rb"}:
            try:
                source = self._fs.open(self._full(path), mode, encoding=None if "b" in mode else "utf-8")
            except OSError as error:
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
        return bool(self._fs.exists(self._full(path)))

    def put_file(self, local: str | Path, path: str) -> None:
        """Copy a local file into the store, replacing what is there; readers never see half of it."""
        target = self._full(path)
        try:
            if self._local:
                with self._temporary() as temporary:
                    _copy_synced(Path(local), temporary)
                    os.makedirs(os.path.dirname(target), exist_ok=True)
                    os.replace(temporary, target)
            else:
                self._fs.put_file(str(local), target)
        except OSError as error:
            raise self._write_error(path, error) from error

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
                self._fs.get_file(self._full(path), str(local))
            except OSError as error:
                raise StoreError(f"{path!r} in store {self.root!r} cannot be fetched ({error})") from error
            yield local

    def remove(self, path: str) -> None:
        """Remove a file; no error if it is not there."""
        try:
            self._fs.rm_file(self._full(path))
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._write_error(path, error) from error

    def move(self, path: str, target: str) -> None:
        """Rename a file within the tree. StoreError if that cannot be done."""
        try:
            self._fs.makedirs(self._full(target).rpartition("/")[0], exist_ok=True)
            self._fs.mv(self._full(path), self._full(target))
        except OSError as error:
            raise self._write_error(target, error) from error

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
        """Write a file unless it exists; of several writers exactly one gets True."""
        target = self._full(path)
        try:
            if not self._local:
                self._forget_listings()
                self._fs.pipe_file(target, data, mode="create")
                return True
            with self._temporary() as temporary:
                _write_synced(temporary, data)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                # Unlike a rename, a hard link refuses to replace an existing file: the race is decided by the kernel.
                try:
                    os.link(temporary, target)
                except OSError as error:
                    if error.errno not in _NO_HARD_LINKS:
                        raise
                    # Without them the check and the rename are two steps; the store must then have one driver.
                    if os.path.exists(target):
                        return False
                    os.replace(temporary, target)
                _sync_folder(os.path.dirname(target))
        except FileExistsError:
            return False
        except OSError as error:
            raise self._write_error(path, error) from error
        return True

    def replace(self, path: str, data: bytes) -> None:
        """Write a file, or put a new one in its place in one step."""
        target = self._full(path)
        try:
            if not self._local:
                self._fs.pipe_file(target, data)
                return
            with self._temporary() as temporary:
                _write_synced(temporary, data)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                os.replace(temporary, target)
        except OSError as error:
            raise self._write_error(path, error) from error

    def names(self, folder: str) -> list[str]:
        """Names directly below a folder; empty if there is none."""
        full = self._full(folder)
        try:
            if self._local:
                return os.listdir(full)
            self._forget_listings()
            return [str(name).rpartition("/")[2] for name in self._fs.ls(full, detail=False)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise StoreError(f"{folder!r} in store {self.root!r} cannot be listed ({error})") from error

    def sharded(self, kind: str) -> list[str]:
        """Names of all sidecars of a kind, whatever their shard."""
        if self._local:
            shards = self.names(kind)
            return [name for shard in shards for name in self.names(f"{kind}/{shard}") if name.endswith(".json")]
        return list(self.stamped(kind))

    def stamped(self, kind: str) -> dict[str, str]:
        """Name and change stamp of all sidecars of a kind."""
        if self._local:
            stamps = {}
            for shard in self.names(kind):
                with os.scandir(self._full(f"{kind}/{shard}")) as entries:
                    for entry in entries:
                        if entry.name.endswith(".json"):
                            try:
                                status = entry.stat()
                            except FileNotFoundError:
                                continue
                            # The inode too: two writes within one tick of the clock may be of equal size.
                            stamps[entry.name] = f"{status.st_mtime_ns}-{status.st_size}-{status.st_ino}"
            return stamps
        self._forget_listings()
        # One flat listing costs an object store one request per thousand names; shard by shard would cost 256.
        found = self._fs.find(self._full(kind), detail=True)
        return {
            name.rpartition("/")[2]: str(info.get("ETag") or info.get("LastModified") or info.get("created"))
            for name, info in found.items()
            if name.endswith(".json")
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

    def _write_error(self, path: str, error: OSError) -> StoreError:
        return StoreError(
            f"{path!r} in store {self.root!r} cannot be written ({error}); check permissions and free space"
        )

    def _forget_listings(self) -> None:
        """Other processes write too, so fsspec's cache of remote listings is never trusted."""
        if not self._local:
            self._fs.invalidate_cache()

    def _full(self, path: str) -> str:
        if path.startswith("/") or ".." in path.split("/"):
            raise StoreError(f"path {path!r} leaves the store {self.root!r}; give a path relative to its root")
        return f"{self._path}/{path}"


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as sink:
        sink.write(data)
        sink.flush()
        os.fsync(sink.fileno())


def _copy_synced(source: Path, target: Path) -> None:
    with source.open("rb") as reader, target.open("wb") as sink:
        while block := reader.read(1 << 20):
            sink.write(block)
        sink.flush()
        os.fsync(sink.fileno())


def _sync_folder(folder: str) -> None:
    """Make the new name itself survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
