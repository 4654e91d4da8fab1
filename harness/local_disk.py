"""Files on a mounted disk, the machine's own or a file server's: written through, appearing once, listed fast."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

_NO_HARD_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}
"""What file systems without hard links answer."""

_BLOCK_BYTES = 1 << 16
"""Nearly every record fits into one."""

_NETWORK_DISKS = (
    "nfs",
    "lustre",
    "cifs",
    "smb",
    "gpfs",
    "beegfs",
    "ceph",
    "afs",
    "9p",
    "fuse",
    "glusterfs",
    "virtiofs",
)
"""Beginnings of file system types on which SQLite's write-ahead log, shared memory between processes, is unsafe."""


def appear(written: Path, target: Path) -> bool:
    """Give a finished file its final name, unless that is taken; whether it was free.

    Unlike a rename, a hard link refuses to replace a file, and it shows the whole content at once. NFS has them; other
    mounted disks may not, and there `target` is written itself, which a reader may see begun: records carry a checksum.
    """
    try:
        os.link(written, target)
    except FileExistsError:
        # Over NFS the answer to a link that was made may be lost, and its repetition meets it (see open(2), O_EXCL).
        return os.stat(written).st_nlink > 1
    except OSError as error:
        if error.errno not in _NO_HARD_LINKS:
            raise
        return _write_once(written.read_bytes(), target)
    return True


def read_whole(path: str) -> bytes:
    """The content of a file, with no more calls than it takes: a report reads tens of thousands of small ones."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        parts = []
        while part := os.read(descriptor, _BLOCK_BYTES):
            parts.append(part)
    finally:
        os.close(descriptor)
    return b"".join(parts)


def write_synced(path: Path, data: bytes) -> None:
    """Write a file that survives a power cut."""
    with path.open("wb") as sink:
        sink.write(data)
        sink.flush()
        os.fsync(sink.fileno())


def copy_synced(source: Path, target: Path) -> None:
    """Copy a file, so that the copy survives a power cut."""
    with source.open("rb") as reader, target.open("wb") as sink:
        while block := reader.read(1 << 20):
            sink.write(block)
        sink.flush()
        os.fsync(sink.fileno())


def sync_folder(folder: str) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def walk(full: str, path: str) -> Iterator[tuple[str, tuple[int, str]]]:
    """Size in bytes and change stamp of every file below the folder `full`, by `path` and what follows it there."""
    try:
        entries = os.scandir(full)
    except (FileNotFoundError, NotADirectoryError):
        return
    with entries:
        for entry in entries:
            below = f"{path}/{entry.name}"
            if entry.is_dir():
                yield from walk(entry.path, below)
                continue
            try:
                status = entry.stat()
            except FileNotFoundError:
                continue
            # The inode too: two writes within one tick of the clock may be of equal size.
            yield below, (status.st_size, f"{status.st_mtime_ns}-{status.st_size}-{status.st_ino}")


def is_own_disk(path: Path) -> bool:
    """Whether the file's disk is this machine's own; where the system does not tell, it is assumed not to be."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
    except OSError:
        return False
    folder = str(path.resolve().parent)
    inside = [(len(point), kind) for point, kind in mounts if f"{folder}/".startswith(f"{point.rstrip('/')}/")]
    return bool(inside) and not max(inside)[1].startswith(_NETWORK_DISKS)


def _write_once(data: bytes, target: Path) -> bool:
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        return False
    try:
        with os.fdopen(descriptor, "wb") as sink:
            sink.write(data)
            sink.flush()
            os.fsync(sink.fileno())
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return True
