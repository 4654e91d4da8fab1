"""The figures of a suite as a part of a Markdown document."""

from __future__ import annotations

from pathlib import Path

from reports import figures
from reports.drawing import draw_all
from reports.results import Results
from reports.source import RecordSource


def figure_section(
    results: Results, source: RecordSource, folder: Path, document: Path
) -> tuple[list[str], list[Path]]:
    """Draw every figure into `folder`; the lines of a document that lies in the folder `document`, and what was drawn.

    A figure that cannot be drawn is a line that says why.
    """
    lines: list[str] = []
    paths: list[Path] = []
    by_name = draw_all(results, source, folder)
    for name, figure in figures.discover().items():
        all_drawn = by_name[name]
        lines += [f"## {figure.TITLE}", ""] if all_drawn else []
        for drawn in all_drawn:
            if drawn.path is not None:
                paths.append(drawn.path)
                lines += [f"![{figure.TITLE}]({drawn.path.relative_to(document).as_posix()})", ""]
            lines += [drawn.caption, ""]
    return lines, paths
