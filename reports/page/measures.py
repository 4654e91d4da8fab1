"""What the page's tables can show and sort by: the report's measures, in groups that a reader chooses from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from reports.columns import BYTES, DECIBEL, OPERATIONS, PERCENT, SECONDS, Column, Unit
from reports.dimensions import QUALITY, SEMANTIC, title
from reports.frame import NUMBERS
from reports.results import Results
from reports.scores import QUALITY_SCORE, SEMANTIC_SCORE, TOTAL_SCORE

COST: Final = (
    Column("latency_s", "Latency", "lower", 2, SECONDS),
    Column("speedup", "Speedup", "higher", 2, suffix="x"),
    Column("flops", "FLOPs", "lower", 2, OPERATIONS),
    Column("flops_speedup", "FLOPs speedup", "higher", 2, suffix="x"),
    Column("nfe", "NFE", "lower", 1),
    Column("peak_memory_bytes", "Peak memory", "lower", 1, BYTES),
    Column("cache_bytes", "Cache", "lower", 1, BYTES),
    Column("text_encode_s", "Text encoding", "lower", 3, SECONDS),
    Column("denoise_s", "Denoising", "lower", 2, SECONDS),
    Column("decode_s", "Decoding", "lower", 3, SECONDS),
)
FIDELITY: Final = (
    Column("psnr", "PSNR", "higher", 2, (DECIBEL,)),
    Column("ssim", "SSIM", "higher", 3),
    Column("lpips", "LPIPS", "lower", 3),
)
SCORES: Final = (
    Column(TOTAL_SCORE, "Total", "higher", 2, (PERCENT,)),
    Column(SEMANTIC_SCORE, "Semantic", "higher", 2, (PERCENT,)),
    Column(QUALITY_SCORE, "Quality", "higher", 2, (PERCENT,)),
)
GROUPS: Final = {
    "Cost": COST,
    "Fidelity": FIDELITY,
    "Scores": SCORES,
    "Semantic dimensions": tuple(Column(name, title(name), "higher", 1, (PERCENT,)) for name in SEMANTIC),
    "Quality dimensions": tuple(Column(name, title(name), "higher", 1, (PERCENT,)) for name in QUALITY),
}


@dataclass(frozen=True)
class Described:
    """A column of the page, in the unit that suits its rows."""

    column: Column
    unit: Unit
    group: str

    @property
    def of_videos(self) -> bool:
        """Whether single videos have it, and not only rows."""
        return self.column.measure in NUMBERS

    def as_json(self) -> dict[str, Any]:
        """All it takes to write a number: `per` of the recorded unit make one of `unit`."""
        return {
            "name": self.column.measure,
            "title": self.column.title,
            "group": self.group,
            "unit": self.unit.name,
            "per": self.unit.per,
            "suffix": self.column.suffix,
            "decimals": self.column.decimals,
            "direction": self.column.direction,
            "of_videos": self.of_videos,
        }


def described(results: Results) -> list[Described]:
    """The measures for which some row has a value, group by group."""
    found = []
    for group, columns in GROUPS.items():
        for column in columns:
            estimates = [results.estimate(row.row, column.measure) for row in results.manifest.rows]
            if any(estimate.value is not None for estimate in estimates):
                found.append(Described(column, column.unit(estimates), group))
    return found
