"""Weight files as data: what is known of each stands in `weights.json`, and what is not known is left out there.

Sources: VBench 0.1.5, vbench/utils.py and vbench/aesthetic_quality.py (places and URLs; GRiT's is Vchitect/VBench's
newer one, since the package's is gone), the lpips package, torch-fidelity. A hash is from the file's URL or name, whose
convention is torch.hub's; of CLIP's vocabulary, hash and size are of the file in the openai-clip 1.0.1 package.
"""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from harness.errors import NeedError


class WeightFile(BaseModel):
    """One file. Numbers are None where nobody says them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    needed_by: tuple[str, ...]
    """Metrics, or dimensions of VBench."""
    path: str
    """Where the code that reads it looks, `{torch}`, `{vbench}` and `{inception}` standing for folders and a file."""
    url: str
    sha256: str | None = None
    """The whole of it, or its beginning where no more is published."""
    bytes: int | None = None
    about_bytes: int | None = None
    size_from: str | None = None
    """What `about_bytes` is from."""
    zip_member: str | None = None
    """What to take out of the zip that the URL gives."""

    def place(self, inception: Path | None = None) -> Path | None:
        """Where it lies, or must lie; None where nothing says so.

        `inception` is what a suite says of `{inception}`, which `$INCEPTION_WEIGHTS` says else.
        """
        named = inception or os.environ.get("INCEPTION_WEIGHTS")
        if "{inception}" in self.path and not named:
            return None
        return Path(self.path.format(torch=torch_folder(), vbench=vbench_folder(), inception=named))


@cache
def weight_files() -> tuple[WeightFile, ...]:
    """All that are known."""
    data = json.loads(Path(__file__).with_name("weights.json").read_text(encoding="utf-8"))
    return tuple(WeightFile.model_validate(entry) for entry in data)


def torch_folder() -> Path:
    """`$TORCH_HOME`, else torch's folder in the user's cache (torch.hub's own rule)."""
    cache_home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(os.environ.get("TORCH_HOME") or f"{cache_home}/torch").expanduser()


def vbench_folder() -> Path:
    """`$VBENCH_CACHE_DIR`, else `~/.cache/vbench` (VBench 0.1.5, vbench/utils.py)."""
    return Path(os.environ.get("VBENCH_CACHE_DIR") or "~/.cache/vbench").expanduser()


def check(path: Path, weights: WeightFile) -> bool:
    """Compare a file with what is known of it; whether its hash is among that.

    Raises:
        NeedError: size or hash differ, or it cannot be read.
    """
    try:
        size = path.stat().st_size
        if not size or (weights.bytes is not None and size != weights.bytes):
            raise NeedError(f"{path.name} has {size} bytes, not {weights.bytes or 'more'}")
        if weights.sha256 is None:
            return False
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise NeedError(f"{path.name} cannot be read ({error.strerror})") from None
    if not found.startswith(weights.sha256):
        raise NeedError(f"{path.name} has SHA-256 {found[:8]}..., not {weights.sha256[:8]}...")
    return True
