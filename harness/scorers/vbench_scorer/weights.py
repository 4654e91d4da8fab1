"""Where VBench's models lie (VBench 0.1.5, vbench/utils.py, `init_submodules` in its local mode)."""

from __future__ import annotations

from pathlib import Path

from vbench.utils import CACHE_DIR


def weights(name: str) -> str:
    """A file or folder below VBench's cache. FileNotFoundError where it is not, since VBench would download it."""
    path = Path(CACHE_DIR) / name
    if not path.exists():
        raise FileNotFoundError(f"{name} is not in VBench's cache; see `harness doctor`")
    return str(path)
