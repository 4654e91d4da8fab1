"""Metrics of each row's images as a set: the quality columns of AdaCache's table for DiT.

Only in reports of suites that ask for them."""

from __future__ import annotations

from collections.abc import Mapping

from harness.records import RowManifest, SetScoreRecord
from reports.markdown import ABSENT, Footnotes, bold, escape, table
from reports.results import Results
from reports.rows import is_original

TITLE = "Image sets"
POSITION = 3

# Metric that gives it, value, heading, whether higher is better, digits.
COLUMNS = (
    ("fid", "fid", "FID", False, 2),
    ("sfid", "sfid", "sFID", False, 2),
    ("inception_score", "inception_score", "IS", True, 2),
    ("precision_recall", "precision", "Precision", True, 3),
    ("precision_recall", "recall", "Recall", True, 3),
)


def render(results: Results) -> list[str]:
    """One table per model, of the metrics that the suite asks for; nothing where it asks for none."""
    if not results.manifest.set_metrics:
        return []
    lines: list[str] = []
    for model, rows in results.models().items():
        lines += [f"**{escape(model)}**", "", *_model_table(results, rows), ""]
    return [
        *lines,
        "Each number is of all images of a row together, so it has no interval and no cell of its own. Bold is the "
        "best value of a column; originals do not compete. FID and sFID fall with the number of images: compare equal "
        "numbers only.",
    ]


def _model_table(results: Results, rows: list[RowManifest]) -> list[str]:
    notes = Footnotes()
    columns = [column for column in COLUMNS if column[0] in results.manifest.set_metrics]
    best = {column[1]: _best(results, rows, *column[:2], higher=column[3]) for column in columns}
    lines = []
    for row in rows:
        scores = results.set_scores.get(row.row, {})
        cells = []
        for metric, value, _, _, digits in columns:
            text = _cell(row, scores, metric, value, digits, notes)
            cells.append(bold(text) if row.row == best[value] else text)
        lines.append([escape(row.row), *cells, str(len(row.cell_ids))])
    headings = [f"{heading} {'↑' if higher else '↓'}" for _, _, heading, higher, _ in columns]
    against = sorted(
        {
            f"{record.reference} ({record.network})"
            for row in rows
            for record in results.set_scores.get(row.row, {}).values()
            if record.status == "ok" and record.reference is not None
        }
    )
    remarks = [f"Compared with {'; '.join(map(escape, against))}.", ""] if against else []
    return [*table(["Method", *headings, "Images"], lines), "", *notes.lines(), *remarks]


def _best(results: Results, rows: list[RowManifest], metric: str, value: str, *, higher: bool) -> str | None:
    """The row that is best, if several compete."""
    found = {}
    for row in rows:
        record = results.set_scores.get(row.row, {}).get(metric)
        if record is not None and record.status == "ok" and not is_original(row):
            found[row.row] = record.values[value]
    chosen = max if higher else min
    return chosen(found, key=lambda row: found[row]) if len(found) > 1 else None


def _cell(
    row: RowManifest,
    scores: Mapping[str, SetScoreRecord],
    metric: str,
    value: str,
    digits: int,
    notes: Footnotes,
) -> str:
    record = scores.get(metric)
    if record is not None and record.status == "ok":
        return f"{record.values[value]:.{digits}f}"
    reason = row.skip_reason or (record.reason if record is not None else None) or "not scored yet: harness score"
    return f"{ABSENT} {notes.mark(escape(reason[:1].upper() + reason[1:].rstrip('.')) + '.')}"
