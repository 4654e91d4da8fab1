"""`write_page`: one HTML file with its style and scripts inside, and beside it the data and videos it loads when asked.

Nothing of it needs a server. Data files are scripts, because a page that was opened from disk may run a neighbouring
script but not fetch a neighbouring file. They end in `.mjs` although they are no modules: MLflow serves `.js` as plain
text, which browsers refuse to run, and `.mjs` as a script.
"""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any, Final

from harness.errors import StoreError
from harness.gc_pause import gc_pause
from reports.page.cells import columns, shards, statuses
from reports.page.index import index
from reports.page.measures import described
from reports.page.videos import place_videos
from reports.processes import MANY_CELLS, shared
from reports.results import Results
from reports.source import RecordSource

PAGE_FILE: Final = "report.html"
PAGE_FOLDER: Final = "page"
"""Beside the page; holds `data/` and `videos/`."""

_STYLE: Final = re.compile(r'<link rel="stylesheet" href="([^"]+)">')
_SCRIPT: Final = re.compile(r'<script src="([^"]+)"></script>')
_TITLE: Final = re.compile(r"<title>.*?</title>")


@gc_pause()
def write_page(results: Results, source: RecordSource, out_dir: str | Path) -> Path:
    """Write `out_dir/report.html` and `out_dir/page/`, replacing what an earlier call wrote; the path of the page.

    Raises StoreError where a video cannot be fetched or the folder cannot be written.
    """
    folder = Path(out_dir)
    data = folder / PAGE_FOLDER / "data"
    try:
        names = place_videos(results, source, folder / PAGE_FOLDER / "videos")
        if data.is_dir():
            shutil.rmtree(data)
        data.mkdir(parents=True)
        pieces = ((data, name, value) for name, value in _pieces(results, names))
        if len(results.cells) < MANY_CELLS:
            for piece in pieces:
                _write(*piece)
        else:
            # Helpers begin with columns, which are soon sent to them.
            shared(_write, list(pieces))
        page = folder / PAGE_FILE
        page.write_text(page_html(results.manifest.suite), encoding="utf-8")
    except OSError as error:
        raise StoreError(f"report folder {str(folder)!r} cannot be written ({error}); choose another") from error
    return page


def page_html(suite: str) -> str:
    """The page without data: `static/report.html` with the files it names put in their places."""
    text = _static("report.html")
    text = _TITLE.sub(lambda _: f"<title>{html.escape(suite)}: videos and scores</title>", text)
    text = _STYLE.sub(lambda found: f"<style>\n{_static(found[1])}</style>", text)
    return _SCRIPT.sub(lambda found: f"<script>\n{_static(found[1])}</script>", text)


def _write(data: Path, name: str, value: Any) -> None:
    (data / f"{name}.mjs").write_text(f"receive({_script(name)}, {_script(value)});\n", encoding="utf-8")


def _pieces(results: Results, names: dict[str, str]) -> Iterator[tuple[str, Any]]:
    measures = described(results)
    measured = columns(results, [measure.column.measure for measure in measures if measure.of_videos])
    yield "index", index(results, measures)
    yield "values-status", statuses(results)
    for measure, values in measured.items():
        yield f"values-{measure}", values
    for number, shard in enumerate(shards(results, measured, names)):
        yield f"prompts-{number}", shard


def _script(value: Any) -> str:
    """As JavaScript, which unlike JSON can say infinity."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _static(name: str) -> str:
    return (resources.files("reports.page") / "static" / name).read_text(encoding="utf-8")
