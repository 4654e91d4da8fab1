"""Write the golden reports anew: `python -m tests.reports.regenerate`. Read the difference before committing it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from reports.export import table_text
from reports.report import write_report
from reports.reproductions import write_reproduction
from reports.results import collect
from tests.reports.claims.records import like, records
from tests.reports.paper_suite import paper_suite
from tests.reports.synthetic import MemorySource, synthetic, troubled

GOLDEN = Path(__file__).parent / "golden"
CASES: dict[str, Callable[..., MemorySource]] = {"complete.md": synthetic, "troubled.md": troubled}

PAPER_TABLE = "disca_table7"
FORMATS = {"markdown": ".md", "latex": ".tex", "csv": ".csv"}

REPRODUCTION = "disca_reproduction.md"
REPRODUCTION_NOTES = """\
claims:
  b:
    explanation: Twelve blocks forget little between steps.
    attempt: A longer training changed nothing.
"""


def reproduced() -> MemorySource:
    """Records in which one claim fails, one was not measured, and the others hold."""
    return records(**like("FORA (N=6)", loss=0.0), **{"DisCa without GAN": None})


def main() -> None:
    """One file per case, and one per format of a paper's table."""
    GOLDEN.mkdir(exist_ok=True)
    for name, make in CASES.items():
        source = make(videos=True)
        with tempfile.TemporaryDirectory() as folder:
            report = write_report(source, source.suite, folder)
        (GOLDEN / name).write_text(report.markdown, encoding="utf-8")
    source = paper_suite()
    results = collect(source, source.suite)
    for form, suffix in FORMATS.items():
        (GOLDEN / f"{PAPER_TABLE}{suffix}").write_text(table_text(results, PAPER_TABLE, form), encoding="utf-8")
    source = reproduced()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "disca_notes.yaml").write_text(REPRODUCTION_NOTES, encoding="utf-8")
        write_reproduction("disca", collect(source, source.suite), Path(folder))
        (GOLDEN / REPRODUCTION).write_text((Path(folder) / "disca.md").read_text(encoding="utf-8"), encoding="utf-8")


if __name__ == "__main__":
    main()
