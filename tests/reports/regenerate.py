"""Write the golden reports anew: `python -m tests.reports.regenerate`. Read the difference before committing it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from reports.report import write_report
from tests.reports.synthetic import MemorySource, synthetic, troubled

GOLDEN = Path(__file__).parent / "golden"
CASES: dict[str, Callable[..., MemorySource]] = {"complete.md": synthetic, "troubled.md": troubled}


def main() -> None:
    """One file per case."""
    GOLDEN.mkdir(exist_ok=True)
    for name, make in CASES.items():
        source = make(videos=True)
        with tempfile.TemporaryDirectory() as folder:
            report = write_report(source, source.suite, folder)
        (GOLDEN / name).write_text(report.markdown, encoding="utf-8")


if __name__ == "__main__":
    main()
