"""What a reader has to know before believing the tables: what is absent, left out or suspicious."""

from __future__ import annotations

from collections import Counter, defaultdict

from harness.records import Status
from reports.dimensions import FIDELITY
from reports.frame import PENDING
from reports.markdown import escape, plural, table
from reports.results import Results
from reports.scores import QUALITY_SCORE, SEMANTIC_SCORE, TOTAL_SCORE

IDENTICAL_DB = 100.0
"""No two different 8-bit videos of any length in use come this close."""
NOTHING = "Nothing: every planned cell was generated and scored by every metric, and nothing was left out."


def section(results: Results) -> list[str]:
    """The list of gaps, then the denominators of every row."""
    gaps = [
        *_skipped(results),
        *_unfinished(results),
        *_unscored(results),
        *_withheld(results),
        *_left_out(results),
        *_identical(results),
        *_idle(results),
        *_uncounted(results),
    ]
    return [*([f"- {gap}" for gap in gaps] or [NOTHING]), "", *_denominators(results)]


def _skipped(results: Results) -> list[str]:
    return [f"`{row.row}` was not run: {row.skip_reason}" for row in results.manifest.rows if row.skip_reason]


def _unfinished(results: Results) -> list[str]:
    cells = results.cells
    gaps = []
    for row, lines in cells.groupby("row", sort=False):
        pending = int((lines["status"] == PENDING).sum())
        if pending:
            gaps.append(f"`{row}`: {plural(pending, 'cell')} not generated yet")
        failed = lines[~lines["status"].isin([PENDING, Status.OK.value])]
        for (status, reason), count in Counter(zip(failed["status"], failed["reason"], strict=True)).most_common():
            gaps.append(f"`{row}`: {plural(count, 'cell')} without a video, {status}: {escape(str(reason))}")
    return gaps


def _unscored(results: Results) -> list[str]:
    """Absent scores of finished cells, equal reasons of several rows told once."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for row in results.manifest.rows:
        for cell_id in row.cell_ids:
            for metric, state in results.frame.states.get(cell_id, {}).items():
                if state.status != "ok" and (row.baseline is not None or metric not in FIDELITY):
                    counts[metric, state.status, state.reason or "no reason recorded"] += 1
    gaps = []
    for (metric, status, reason), count in counts.most_common():
        text = "" if status == "missing" else f"{status}: "
        gaps.append(f"{metric} is absent for {plural(count, 'finished cell')}, {text}{escape(reason)}")
    return gaps


def _withheld(results: Results) -> list[str]:
    rows: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for row in results.manifest.rows:
        for score in (SEMANTIC_SCORE, QUALITY_SCORE, TOTAL_SCORE):
            reason = results.estimate(row.row, score).reason or ""
            if reason.startswith("withheld"):
                rows[score, reason].append(f"`{row.row}`")
    gaps = []
    for (score, reason), names in rows.items():
        text = reason.replace("withheld", "is withheld", 1)
        gaps.append(f"the {results.judge} {score.replace('_', ' ')} of {', '.join(names)} {text}")
    return gaps


def _left_out(results: Results) -> list[str]:
    counts: Counter[tuple[str, tuple[str, ...], str]] = Counter()
    for exclusion in results.excluded:
        counts[exclusion.row, exclusion.measures, exclusion.reason] += 1
    return [
        f"`{row}`: {plural(count, 'cell')} left out of {_what(measures)}, {escape(reason)}"
        for (row, measures, reason), count in counts.items()
    ]


def _what(measures: tuple[str, ...]) -> str:
    return "PSNR, SSIM and LPIPS" if measures == FIDELITY else "latency, speedup and peak memory"


def _identical(results: Results) -> list[str]:
    """Equal videos have an infinite PSNR; a metric that caps it lifts the row's mean by an arbitrary amount."""
    gaps = []
    for row, lines in results.cells.groupby("row", sort=False):
        equal = int((lines["psnr"] >= IDENTICAL_DB).sum())
        if equal:
            gaps.append(
                f"`{row}`: in {equal} of {plural(len(lines), 'cell')} the video equals the original's; "
                "their PSNR is capped, and PSNR's mean depends on the cap"
            )
    return gaps


def _idle(results: Results) -> list[str]:
    """Rows whose method never skipped anything and whose sampling is the original's: they measure the original."""
    rows = {row.row: row for row in results.manifest.rows}
    gaps = []
    for row in rows.values():
        original = rows.get(row.baseline or "")
        done = results.cells[(results.cells["row"] == row.row) & (results.cells["status"] == Status.OK.value)]
        if original is None or done.empty or row.sampling != original.sampling:
            continue
        idle = int((~done["acted"].astype(bool)).sum())
        if idle:
            gaps.append(f"`{row.row}`: in {idle} of {plural(len(done), 'cell')} the method skipped nothing")
    return gaps


def _uncounted(results: Results) -> list[str]:
    flops = [record.flops for record in results.frame.records.values() if record.flops is not None]
    unseen = sorted({name for count in flops for name in count.unseen_ops})
    return [f"FLOPs leave out operators without a formula: {', '.join(unseen)}"] if unseen else []


def _denominators(results: Results) -> list[str]:
    metrics = results.manifest.metrics
    header = ["Row", "Expected", "Generated", "Failed", "Decoded", *metrics]
    lines = []
    for line in results.ledger:
        counts = [line.expected, line.generated, line.failed, line.decoded]
        scored = [str(line.scored[metric]) if metric in line.scored else "-" for metric in metrics]
        lines.append([escape(line.row), *map(str, counts), *scored])
    return table(header, lines)
