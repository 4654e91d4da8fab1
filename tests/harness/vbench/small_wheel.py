"""A wheel of VBench with a list of five entries in place of its 946."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

from harness.vbench import package

ENTRIES = [
    {"prompt_en": "a red car", "dimension": ["color"], "auxiliary_info": {"color": {"color": "red"}}},
    {"prompt_en": "a still life", "dimension": ["temporal_flickering"]},
    {"prompt_en": "the bund, oil painting", "dimension": ["appearance_style"]},
    {"prompt_en": "A Red Car", "dimension": ["overall_consistency", "aesthetic_quality"]},
    {"prompt_en": "the bund, oil painting", "dimension": ["overall_consistency", "aesthetic_quality"]},
]


def write_wheel(path: Path) -> str:
    """A wheel with `ENTRIES` at this place; its hash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(package.FULL_INFO, json.dumps(ENTRIES))
    return hashlib.sha256(path.read_bytes()).hexdigest()
