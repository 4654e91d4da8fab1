"""One row of a suite in the words of a tracker: parameters, tags, times and status, all from records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from harness.records import CellRecord, RowManifest, ScoreRecord, SuiteManifest
from harness.tracking_artifacts import VideoSource

if TYPE_CHECKING:
    import pandas as pd

PARAM_LIMIT: Final = 6_000
"""MLflow's longest parameter, in characters."""
TAG_LIMIT: Final = 8_000
"""MLflow's longest tag."""


class TrackingSource(VideoSource, Protocol):
    """What is asked of `harness.store.Store`."""

    def cells(self, cell_ids: Iterable[str]) -> dict[str, CellRecord]:
        """Finished cells."""
        ...

    def failures(self, cell_ids: Iterable[str]) -> dict[str, CellRecord]:
        """Last failed attempts of unfinished cells."""
        ...

    def scores(self, cell_ids: Iterable[str]) -> dict[str, dict[str, ScoreRecord]]:
        """By cell and metric."""
        ...


class RowResult(Protocol):
    """What there is to show about a row besides its records; `reports.projection.project` makes it."""

    @property
    def metrics(self) -> Mapping[str, float]:
        """One value per name, the part before the slash being its section in the UI.

        Counts of cells, `progress/expected`, `progress/generated`, `progress/scored` and `progress/failed`, must be
        among them: they decide the run's status.
        """
        ...

    @property
    def cells(self) -> pd.DataFrame:
        """The per-cell table."""
        ...

    @property
    def strip(self) -> bytes | None:
        """A PNG with frames of one video."""
        ...


def run_status(progress: Mapping[str, float]) -> str:
    """FINISHED when every cell is generated and scored, FAILED when every cell failed, else RUNNING."""
    expected = progress["progress/expected"]
    if progress["progress/generated"] == expected and progress["progress/scored"] == expected:
        return "FINISHED"
    return "FAILED" if progress["progress/failed"] == expected else "RUNNING"


@dataclass(frozen=True)
class RowState:
    """One row as the records tell it, ready to be compared with what MLflow holds. Times in milliseconds."""

    row: RowManifest
    result: RowResult
    params: Mapping[str, str]
    tags: Mapping[str, str]
    started_ms: int
    newest_ms: int
    records: Mapping[str, CellRecord] = field(repr=False)
    """The finished cells."""

    @property
    def status(self) -> str:
        """See `run_status`."""
        return run_status(self.result.metrics)


def row_state(manifest: SuiteManifest, row: RowManifest, source: TrackingSource, result: RowResult) -> RowState | None:
    """None for a row of which nothing was ever tried: a run needs times, and they come from records alone."""
    done, failed, scores = source.cells(row.cell_ids), source.failures(row.cell_ids), source.scores(row.cell_ids)
    attempts = [*done.values(), *failed.values()]
    if not attempts:
        return None
    scored = [score.scored_at for cell_id in done for score in scores.get(cell_id, {}).values()]
    newest = max([*scored, *(record.finished_at for record in attempts)])
    tags = {
        "suite": manifest.suite,
        "suite_hash": manifest.suite_hash,
        "row_key": row.row_key,
        "baseline": row.baseline or "",
        "current": "true",
        "model_fingerprint": _joined(record.key.model_fingerprint for record in attempts),
        "code": _joined(record.key.code for record in attempts),
        **_environment_tags(attempts),
    }
    params = {
        "method": row.method,
        "family": row.family,
        "model": row.model,
        "dtype": _joined(record.key.dtype for record in attempts),
        **({"devices": str(row.devices)} if row.devices > 1 else {}),
        **{f"config.{name}": _text(value) for name, value in row.config.items()},
        **{f"sampling.{name}": _text(value) for name, value in row.sampling.items() if value is not None},
    }
    return RowState(
        row=row,
        result=result,
        params={name: value[:PARAM_LIMIT] for name, value in params.items()},
        tags={name: value[:TAG_LIMIT] for name, value in tags.items()},
        started_ms=_ms(min(record.started_at for record in attempts)),
        newest_ms=_ms(newest),
        records=done,
    )


def _environment_tags(records: Iterable[CellRecord]) -> dict[str, str]:
    """`env.torch`, `env.device`, ...: every recorded fact, several values joined where cells differ."""
    facts: dict[str, set[str]] = {}
    for record in records:
        for name, value in _flat(record.environment or {}):
            facts.setdefault(f"env.{name}", set()).add(_text(value))
    return {name: _joined(values) for name, values in sorted(facts.items())}


def _flat(facts: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from _flat(value)
        elif value is not None:
            yield name, value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def _joined(values: Iterable[str]) -> str:
    return " | ".join(sorted(set(values)))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
