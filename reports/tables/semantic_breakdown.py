"""The nine semantic dimensions behind the semantic score, laid out as DisCa's Table 6 (supplementary material):
percent, with the change relative to the original in brackets."""

from __future__ import annotations

from harness.records import RowManifest
from reports.dimensions import SEMANTIC, title
from reports.estimates import Estimate
from reports.markdown import ABSENT, UNDECIDED, Footnotes, escape, sentence, table
from reports.results import Results
from reports.scores import SEMANTIC_SCORE

TITLE = "Semantic breakdown"
POSITION = 2


def render(results: Results) -> list[str]:
    """One table per model; its last line counts the cells that each dimension speaks about."""
    lines = [f"Judge: `{results.judge}`. Percent, 100 is best.", ""]
    for model, rows in results.models().items():
        lines += [f"**{escape(model)}**", "", *_model_table(results, rows), ""]
    return [
        *lines,
        "In round brackets: change relative to the original, over the prompts and samples that both have. ≈ marks a "
        "change whose paired 95 % interval includes 0: the row cannot be told from the original there. "
        "The last line says how many cells per row have a say in a dimension.",
    ]


def _model_table(results: Results, rows: list[RowManifest]) -> list[str]:
    notes = Footnotes()
    measures = (SEMANTIC_SCORE, *SEMANTIC)
    header = ["Method", *(title(measure) for measure in measures)]
    lines = []
    for row in rows:
        name = escape(row.row)
        cells = [_cell(results.estimate(row.row, measure), notes) for measure in measures]
        lines.append([name, *cells])
    counts = [max(results.estimate(row.row, measure).expected for row in rows) for measure in measures]
    lines.append(["Cells", *(str(count) for count in counts)])
    return [*table(header, lines), "", *notes.lines()]


def _cell(estimate: Estimate, notes: Footnotes) -> str:
    if estimate.value is None:
        return f"{ABSENT} {notes.mark(sentence(estimate))}"
    text = f"{estimate.value:.1f}"
    difference = estimate.difference
    if difference is not None and difference.relative is not None:
        text += f" ({100 * difference.relative:+.1f}%)"
        if difference.distinguishable is False:
            text += f" {UNDECIDED}"
    return text if estimate.complete else f"{text} {notes.mark(sentence(estimate))}"
