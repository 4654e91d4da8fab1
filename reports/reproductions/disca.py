"""DisCa (arXiv 2602.05449) on the embedded ladder: its six claims and the tables they stand in."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from reports import missing, provenance, tables
from reports.claims import judge
from reports.claims.markdown import section, summary
from reports.claims.notes import explained, read_notes
from reports.formats.markdown import render
from reports.results import Results

SUITE: Final = "shapes_disca"
TABLES: Final = ("disca_table1", "disca_table2", "disca_table3", "disca_table5", "disca_table6")

HEAD: Final = (
    "DisCa (arXiv 2602.05449) accelerates HunyuanVideo, 13 billion parameters, by distillation and a learned cache. "
    "Here every step of its ladder was trained on a small model of the same architecture and a world of moving shapes, "
    "and its claims are tested on what came of it (`suites/shapes_disca.yaml`). Orderings can carry over from one to "
    "the other, numbers cannot. Every rung was trained once: intervals say what other prompts would change, not what "
    "another training would. `harness reproduce disca` wrote this; what explains failing claims is from "
    "`disca_notes.yaml`."
)


def document(results: Results, notes: Path) -> list[str]:
    """See `Reproduction.document`.

    Raises:
        ReportError: the notes are wrong.
    """
    verdicts = explained(judge(results), read_notes(notes), str(notes))
    lines = ["# DisCa on the embedded ladder", "", HEAD, "", *provenance.head(results), ""]
    lines += ["## Claims", "", *summary(verdicts), ""]
    for verdict in verdicts.values():
        lines += [*section(verdict), ""]
    for name in TABLES:
        table = tables.load(name)
        lines += [f"## {table.TITLE}", "", render(table.sheet(results))]
    return [*lines, "## What is missing", "", *missing.section(results)]
