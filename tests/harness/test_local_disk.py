"""Files read whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.local_disk import _BLOCK_BYTES, read_whole


@pytest.mark.parametrize("size", [0, 1, _BLOCK_BYTES, _BLOCK_BYTES + 1, 3 * _BLOCK_BYTES])
def test_files_of_any_size_are_read_to_their_end(tmp_path: Path, size: int) -> None:
    content = bytes(number % 251 for number in range(size))
    (tmp_path / "file").write_bytes(content)
    assert read_whole(str(tmp_path / "file")) == content


def test_what_is_no_file_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_whole(str(tmp_path / "nowhere"))
    with pytest.raises(IsADirectoryError):
        read_whole(str(tmp_path))
