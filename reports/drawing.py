"""Drawing all figures of a suite; those of a large one are shared between processes."""

from __future__ import annotations

import pickle
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from harness.gc_pause import gc_pause
from reports import figures
from reports.figures import Drawn
from reports.processes import MANY_CELLS, shared
from reports.results import Results
from reports.source import RecordSource


def draw_all(results: Results, source: RecordSource, folder: Path) -> dict[str, list[Drawn]]:
    """By a figure's name, in the report's order, what it wrote into `folder`; see `figures.Figure.draw`."""
    names = list(figures.discover())
    if len(results.cells) < MANY_CELLS:
        return {name: figure.draw(results, source, folder) for name, figure in figures.discover().items()}
    with TemporaryDirectory() as temporary:
        kept = Path(temporary) / "results"
        # Records are most of what there is to send, and no figure looks at them.
        frame = replace(results.frame, records={}, states={})
        kept.write_bytes(pickle.dumps(replace(results, frame=frame)))
        drawn = shared(_draw, [(name, kept, source, folder) for name in names], ahead=1)
    return dict(zip(names, drawn, strict=True))


@gc_pause()
def _draw(name: str, kept: Path, source: RecordSource, folder: Path) -> list[Drawn]:
    return figures.discover()[name].draw(_read(kept), source, folder)


@lru_cache(maxsize=1)
def _read(kept: Path) -> Results:
    """Results that this program has just written, once for all figures that a process draws of them."""
    found: Results = pickle.loads(kept.read_bytes())
    return found
