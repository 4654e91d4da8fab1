"""Made-up records of suites/shapes_disca.yaml, by default such that every claim of DisCa holds."""

from __future__ import annotations

from dataclasses import dataclass, replace

from reports.claims import caches_lose_more, speedups_agree
from reports.results import Results, collect
from tests.reports.synthetic import MemorySource, RowSpec, change, synthetic

ORIGINAL = "Original: 50 steps"
STATE_BYTES = 1000


@dataclass(frozen=True)
class Made:
    """A row: denoising is `flops_speedup` times `agreement` faster than the original's, and scores `loss` lower."""

    flops_speedup: float
    loss: float
    agreement: float = 1.0
    states: float = 1.0


_ON_STUDENT = dict.fromkeys(caches_lose_more.CACHES, Made(7.0, 0.2, states=16))
ROWS: dict[str, Made] = {
    ORIGINAL: Made(1.0, 0.0, states=0),
    "MeanFlow: 20 steps": Made(5.0, 0.12, states=0),
    "MeanFlow: 10 steps": Made(10.0, 0.3, states=0),
    "Restricted MeanFlow (R=0.4): 20 steps": Made(5.0, 0.06, states=0),
    "Restricted MeanFlow (R=0.4): 10 steps": Made(10.0, 0.1, states=0),
    "Restricted MeanFlow: 20 steps": Made(5.0, 0.02, states=0),
    "Restricted MeanFlow: 10 steps": Made(10.0, 0.05, states=0),
    "DisCa (R=0.2, N=2)": Made(7.5, 0.03),
    "DisCa (R=0.2, N=3)": Made(9.0, 0.04),
    "DisCa (R=0.2, N=4)": Made(12.0, 0.05),
    "DisCa without GAN": Made(12.0, 0.15),
    "DisCa without Restricted MeanFlow": Made(12.0, 0.25),
    **dict.fromkeys(speedups_agree.SINGLE_LAYER[:4], Made(4.0, 0.2)),
    "PAB (N=5)": Made(6.0, 0.2, 0.8, 12),
    "PAB (N=8)": Made(7.0, 0.3, 0.8, 12),
    "FORA (N=3)": Made(5.0, 0.2, 0.8, 16),
    "FORA (N=6)": Made(11.0, 0.3, 0.8, 16),
    "TaylorSeer (N=3, O=1)": Made(5.0, 0.2, 0.8, 32),
    "TaylorSeer (N=6, O=1)": Made(9.0, 0.25, 0.8, 32),
    **_ON_STUDENT,
    "MeanFlow: 5 steps": Made(20.0, 0.5, states=0),
    "Restricted MeanFlow: 5 steps": Made(20.0, 0.1, states=0),
}


def records(prompts: int = 8, **changed: Made | None) -> MemorySource:
    """Records of `ROWS`; `changed` takes the place of rows, or leaves one out with None.

    Names with characters that keywords cannot have are given as `**{name: ...}`.
    """
    rows = {name: made for name, made in (ROWS | changed).items() if made is not None}
    specs = tuple(
        RowSpec(name, "original" if name == ORIGINAL else "fora", {"row": name}, made.flops_speedup, made.loss)
        for name, made in rows.items()
    )
    source = synthetic(specs, prompts=prompts, samples=1, metrics=("psnr", "ssim", "shapes"))
    source.suite = source.suite.model_copy(
        update={
            "suite": "shapes_disca",
            "rows": tuple(
                row.model_copy(update={"baseline": None if row.row == ORIGINAL else ORIGINAL})
                for row in source.suite.rows
            ),
        }
    )
    for row in source.suite.rows:
        for cell_id in row.cell_ids:
            _make(source, cell_id, rows[row.row])
    return source


def results(prompts: int = 8, **changed: Made | None) -> Results:
    """The results of `records`."""
    source = records(prompts, **changed)
    return collect(source, source.suite)


def like(row: str, **values: float) -> dict[str, Made]:
    """A row of `ROWS` with other values, as an argument of `records`."""
    return {row: replace(ROWS[row], **values)}


def _make(source: MemorySource, cell_id: str, made: Made) -> None:
    record = source.done[cell_id]
    assert record.latency is not None
    assert record.memory is not None
    seconds = record.latency.total_s / made.agreement
    latency = record.latency.model_copy(update={"denoise_s": seconds, "total_s": seconds})
    memory = record.memory.model_copy(update={"cache_bytes": int(made.states * STATE_BYTES)})
    change(source, cell_id, latency=latency, memory=memory)
