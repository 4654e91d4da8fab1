"""Note the present state of the code that decides numbers: `python -m tests.harness.code_versions`.

Do so after a change that leaves every number as it is. One that does not raises `harness.records.GENERATION` (what a
cell holds) or gives the metric another name (its scores), and is then noted too.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from harness.discovery import _code_of

ROOT = Path(__file__).parents[2]
NOTED = Path(__file__).with_suffix(".json")
DECIDE = ("harness/resident.py", "harness/loaded_model.py", "harness/images.py", "harness/measure", "harness/metrics")


def present() -> dict[str, str]:
    """Hash of the syntax tree of each file, docstrings and comments left out."""
    files = [
        path for place in DECIDE for path in ([ROOT / place] if place.endswith(".py") else (ROOT / place).glob("*.py"))
    ]
    return {str(path.relative_to(ROOT)): hashlib.sha256(_code_of(path).encode()).hexdigest()[:16] for path in files}


def main() -> None:
    """Write the file that the test compares with."""
    NOTED.write_text(json.dumps(present(), indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
