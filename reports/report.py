"""`write_report`: the records of a suite become `report.md`, its figures and the object behind `report --json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.errors import StoreError
from harness.records import SuiteManifest
from reports import missing, provenance, tables
from reports.dimensions import DIMENSIONS, FIDELITY
from reports.figure_section import figure_section
from reports.formats.markdown import render as as_markdown
from reports.results import Results, collect
from reports.scores import QUALITY_SCORE, SEMANTIC_SCORE, TOTAL_SCORE, VBENCH
from reports.source import RecordSource

FIGURE_FOLDER: Final = "figures"
JSON_MEASURES: Final = (
    "latency_s",
    "speedup",
    "flops",
    "nfe",
    "peak_memory_bytes",
    "cache_bytes",
    *FIDELITY,
    SEMANTIC_SCORE,
    QUALITY_SCORE,
    TOTAL_SCORE,
)


@dataclass(frozen=True)
class Report:
    """What was written. `json_object` holds plain numbers, strings and None only; scores are in percent."""

    results: Results
    path: Path
    markdown: str
    figure_paths: tuple[Path, ...]
    json_object: Mapping[str, Any]


def write_report(source: RecordSource, manifest: SuiteManifest, out_dir: str | Path) -> Report:
    """Write `out_dir/report.md` and `out_dir/figures/*.svg` and `*.png`, replacing what an earlier call wrote.

    Equal records give an equal report. Raises StoreError where a record or the folder cannot be read or written.
    """
    return write_results(collect(source, manifest), source, Path(out_dir))


def write_results(results: Results, source: RecordSource, folder: Path) -> Report:
    """`write_report` of records that have been read."""
    try:
        (folder / FIGURE_FOLDER).mkdir(parents=True, exist_ok=True)
        lines = [*_opening(results), *_tables(results)]
        drawn, paths = figure_section(results, source, folder / FIGURE_FOLDER, folder)
        lines += [*drawn, "## What is missing", "", *missing.section(results), "", *_reading(results)]
        markdown = "\n".join(lines).rstrip() + "\n"
        (folder / "report.md").write_text(markdown, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"report folder {str(folder)!r} cannot be written ({error}); choose another") from error
    return Report(results, folder / "report.md", markdown, tuple(paths), json_object(results))


def json_object(results: Results) -> dict[str, Any]:
    """One entry per row, skipped rows included; null where there is no number."""
    rows: list[dict[str, Any]] = []
    for row in results.manifest.rows:
        entry: dict[str, Any] = {"row": row.row}
        entry |= {measure: results.estimate(row.row, measure).value for measure in JSON_MEASURES}
        entry["dimensions"] = {name: results.estimate(row.row, name).value for name in DIMENSIONS}
        rows.append(entry)
    return {"rows": rows}


def _opening(results: Results) -> list[str]:
    return [f"# {results.manifest.suite}", "", *provenance.head(results), ""]


def _tables(results: Results) -> list[str]:
    lines: list[str] = []
    for table in tables.discover().values():
        if table.belongs(results):
            lines += [f"## {table.TITLE}", "", as_markdown(table.sheet(results))]
    return lines


def _reading(results: Results) -> list[str]:
    judge = results.judge
    return [
        "## How to read the numbers",
        "",
        "- Latency is one whole generation (text encoding, denoising, decoding) after a warm-up, device synchronised. "
        "Speedup is the original's mean latency over the row's, over cells of the same prompt and sample. Timings are "
        "compared only within one device, torch version and (on a CPU) number of threads.",
        "- FLOPs are those the transformer executed for one video, a multiply-add counting 2. NFE is that number over "
        "one full call of the transformer.",
        "- PSNR, SSIM and LPIPS compare a video with the original's of the same prompt, sample and initial noise, on "
        "frames before lossy encoding.",
        f"- Scores are `{judge}`'s: semantic is the {_mean_of(judge)} of nine dimensions, quality that of seven, "
        "and total (4 x quality + semantic) / 5. A dimension averages the cells it applies to. A score is withheld "
        "when one of its dimensions has no value.",
        "- Intervals resample prompts, so they speak about other prompts of the same kind. They do not cover other "
        "devices, and with few prompts they are too narrow.",
    ]


def _mean_of(judge: str) -> str:
    return "mean, normalised and weighted as on VBench's leaderboard," if judge == VBENCH else "plain mean"
