"""How methods scale where each video is spread over several devices (MixCache, Figure 12; DisCa, section 8.5).

Only in reports of suites with such models. A line is a configuration on so many devices; how much of what its FLOPs
promise is kept there says what bookkeeping and communication cost.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final

from harness.records import RowManifest
from reports.columns import BYTES, PLAIN, SECONDS, Column
from reports.estimates import Contrast
from reports.results import Results
from reports.rows import configuration, is_original
from reports.sheet import ABSENT, NOT_APPLICABLE, Block, Cell, Heading, Line, Sheet, estimate_cell

TITLE = "Scaling with devices"
POSITION = 5

LATENCY: Final = Column("latency_s", "Latency", "lower", 2, SECONDS)
SCALING: Final = Column("scaling", "Scaling", "higher", 2, suffix="x")
SPEEDUP: Final = Column("speedup", "Speedup", "higher", 2, suffix="x")
KEPT: Final = Column("kept", "Kept of theory", "higher", 2)
MEMORY: Final = Column("peak_memory_bytes", "Peak memory a device", "lower", 1, BYTES, interval=False)


def belongs(results: Results) -> bool:
    """Where a model of the suite is spread over devices."""
    return any(row.devices > 1 for row in results.manifest.rows)


def sheet(results: Results) -> Sheet:
    """One block per model and size: a configuration's lines follow each other, from few devices to many."""
    groups: defaultdict[tuple[str, str], list[RowManifest]] = defaultdict(list)
    for row in results.manifest.rows:
        groups[row.model, _size(row)].append(row)
    blocks = [
        _block(results, model, size, rows)
        for (model, size), rows in groups.items()
        if any(row.devices > 1 for row in rows)
    ]
    return Sheet(
        TITLE,
        tuple(blocks),
        remarks=(
            "Scaling is a configuration's latency on the fewest devices over its latency here; speedup is that of the "
            "original on as many devices over the row's, and what is kept of theory is that over the same quotient of "
            "FLOPs, which count the work of all devices.",
        ),
    )


def _size(row: RowManifest) -> str:
    sampling = row.sampling
    return f"{sampling.get('width')}x{sampling.get('height')}, {sampling.get('num_frames')} frames"


def _block(results: Results, model: str, size: str, rows: list[RowManifest]) -> Block:
    lines: defaultdict[str, list[RowManifest]] = defaultdict(list)
    for row in rows:
        lines[configuration(row)].append(row)
    originals = {row.devices: row for row in rows if is_original(row)}
    ordered = [row for found in lines.values() for row in sorted(found, key=lambda row: row.devices)]
    latency_unit = LATENCY.unit(results.estimate(row.row, LATENCY.measure) for row in ordered)
    memory_unit = MEMORY.unit(results.estimate(row.row, MEMORY.measure) for row in ordered)
    shown = []
    for row in ordered:
        fewest = min(lines[configuration(row)], key=lambda other: other.devices)
        original = originals.get(row.devices)
        cells = (
            Cell(str(row.devices)),
            estimate_cell(LATENCY, latency_unit, row, results.estimate(row.row, LATENCY.measure)),
            _ratio(results, SCALING, fewest, row),
            _ratio(results, SPEEDUP, original, row),
            _kept(results, original, row),
            estimate_cell(MEMORY, memory_unit, row, results.estimate(row.row, MEMORY.measure)),
        )
        shown.append(Line(configuration(row), cells, denominators=results.denominators(row.row)))
    units = {LATENCY: latency_unit, MEMORY: memory_unit}
    headings = [Heading.of(column, units.get(column, PLAIN)) for column in (LATENCY, SCALING, SPEEDUP, KEPT, MEMORY)]
    return Block(model, (Heading("Devices"), *headings), tuple(shown), setting=size)


def _ratio(results: Results, column: Column, over: RowManifest | None, row: RowManifest) -> Cell:
    """The latency of another row over this one's."""
    if over is None:
        return Cell(ABSENT, notes=(f"No original of {row.row} on as many devices.",))
    if over.row == row.row:
        return Cell(NOT_APPLICABLE)
    latency = LATENCY.measure
    return _cell(column, results.contrast((1.0, over.row, latency), (-1.0, row.row, latency), ratio=True))


def _kept(results: Results, original: RowManifest | None, row: RowManifest) -> Cell:
    if original is None or original.row == row.row:
        return Cell(NOT_APPLICABLE)
    latency, flops = LATENCY.measure, "flops"
    terms = (1.0, original.row, latency), (-1.0, row.row, latency), (-1.0, original.row, flops), (1.0, row.row, flops)
    return _cell(KEPT, results.contrast(*terms, ratio=True))


def _cell(column: Column, found: Contrast | str) -> Cell:
    if isinstance(found, str):
        return Cell(ABSENT, notes=(found,))
    interval = column.ends(found.interval, PLAIN) if found.interval is not None else None
    return Cell(column.number(found.value, PLAIN), interval=interval)
