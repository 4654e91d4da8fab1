"""Which of the cells that could be made now is best for one worker: by model, by row, by wave of prompts.

A wave is `WAVE_PLACES` samples of prompts, over all rows. Work goes wave by wave, because an original's lossless frames
must be kept until all rows compared with it have that video: row by row over all prompts, all of them would be.
"""

from __future__ import annotations

import heapq
from collections import Counter

from harness.durations import Durations
from harness.resources import Resources
from harness.task import ModelSpec

WAVE_PLACES = 256
"""Enough that each of 64 workers stays on a row for several cells, since a row begins with a warm-up; a twentieth of
VBench's samples, so that few originals are kept."""

WAVES_AHEAD = 1
"""How far beyond the first unfinished wave a worker goes before it would rather load another model."""

LAST_ROUNDS = 2
"""With less left to start than so many of the longest cells for each worker, only length counts: a long cell begun last
keeps one worker busy and all others waiting."""

RowId = tuple[ModelSpec, str]
"""Model and row key."""


class _Row:
    """Cells of one row that are ready, in the order of their places, and who is on it."""

    def __init__(self, row_key: str) -> None:
        self.row_key = row_key
        self.ready: list[tuple[int, str]] = []
        self.unstarted = 0
        self.is_awaited = False
        """Whether other rows are compared with it."""
        self.residents: set[str] = set()


class _Model:
    def __init__(self) -> None:
        self.rows: dict[str, _Row] = {}
        self.residents: set[str] = set()

    @property
    def wave(self) -> int | None:
        """The first in which there is something to do now."""
        heads = [row.ready[0][0] for row in self.rows.values() if row.ready]
        return min(heads) // WAVE_PLACES if heads else None


class ReadyCells:
    """The ready cells of a run, and the workers that take them."""

    def __init__(self, durations: Durations) -> None:
        """No cells, no workers. `durations` must know every row that is added."""
        self._durations = durations
        self._models: dict[ModelSpec, _Model] = {}
        self._open: Counter[int] = Counter()
        """Cells by wave that are neither done nor given up."""
        self._offers: dict[str, Resources] = {}
        self._models_of: dict[str, ModelSpec] = {}
        self._rows_of: dict[str, _Row] = {}
        self._counted: dict[Resources, int] = {}

    def expect(self, row_id: RowId, place: int, is_awaited: bool) -> None:
        """There will be a cell of this row at this place (prompts and samples, counted)."""
        spec, row_key = row_id
        row = self._models.setdefault(spec, _Model()).rows.setdefault(row_key, _Row(row_key))
        row.unstarted += 1
        row.is_awaited |= is_awaited
        self._open[place // WAVE_PLACES] += 1

    def add(self, row_id: RowId, place: int, cell_id: str) -> None:
        """A cell that was expected, or taken before, is ready."""
        spec, row_key = row_id
        heapq.heappush(self._models[spec].rows[row_key].ready, (place, cell_id))

    def again(self, row_id: RowId) -> None:
        """A cell that was taken will be ready once more."""
        spec, row_key = row_id
        self._models[spec].rows[row_key].unstarted += 1

    def close(self, place: int) -> None:
        """A cell at this place is done or given up."""
        wave = place // WAVE_PLACES
        self._open[wave] -= 1
        if not self._open[wave]:
            del self._open[wave]

    def join(self, worker: str, offers: Resources) -> None:
        """A worker has been given these resources. One that never joins can make everything."""
        self._offers[worker] = offers
        self._counted.clear()

    def leave(self, worker: str) -> None:
        """A worker is gone."""
        self._settle(worker, None)
        if self._offers.pop(worker, None) is not None:
            self._counted.clear()

    def take(self, worker: str, loaded: ModelSpec | None) -> str | None:
        """The cell that this worker, which has this model loaded, should make now; None where it can make none."""
        self._settle(worker, loaded if loaded in self._models else None)
        spec = self._model_for(worker, loaded)
        if spec is None:
            return None
        self._settle(worker, spec)
        row = self._row_for(worker, self._models[spec])
        self._rows_of[worker] = row
        row.residents.add(worker)
        row.unstarted -= 1
        return heapq.heappop(row.ready)[1]

    def _model_for(self, worker: str, loaded: ModelSpec | None) -> ModelSpec | None:
        offers = self._offers.get(worker)
        waves = {
            spec: wave
            for spec, model in self._models.items()
            if (offers is None or offers.meets(spec.resources)) and (wave := model.wave) is not None
        }
        if not waves:
            return None
        # Not to run ahead is worth a load, and an idle worker costs more than either.
        within = [spec for spec, wave in waves.items() if wave <= min(self._open) + WAVES_AHEAD] or list(waves)
        # What few workers can do is done by them first: the others can do the rest.
        scarcest = min(self._able(spec.resources) for spec in within)
        within = [spec for spec in within if self._able(spec.resources) == scarcest]
        if loaded in within:
            return loaded
        return max(within, key=lambda spec: self._seconds(self._models[spec]) / (len(self._models[spec].residents) + 1))

    def _row_for(self, worker: str, model: _Model) -> _Row:
        ready = [row for row in model.rows.values() if row.ready]
        longest = max(ready, key=self._cell_s)
        unstarted_s = sum(self._seconds(other) for other in self._models.values())
        if unstarted_s <= LAST_ROUNDS * max(1, len(self._models_of)) * self._cell_s(longest):
            return max(ready, key=lambda row: (row.is_awaited, self._cell_s(row)))
        wave = model.wave
        ready = [row for row in ready if row.ready[0][0] // WAVE_PLACES == wave]
        ready = [row for row in ready if row.is_awaited] or ready
        own = self._rows_of.get(worker)
        if own in ready:
            return own
        return max(ready, key=lambda row: len(row.ready) * self._cell_s(row) / (len(row.residents) + 1))

    def _settle(self, worker: str, spec: ModelSpec | None) -> None:
        """Note which model a worker holds; with another, it is on no row."""
        row = self._rows_of.get(worker)
        if row is not None:
            row.residents.discard(worker)
        before = self._models_of.get(worker)
        if spec == before:
            return
        self._rows_of.pop(worker, None)
        if before is not None:
            self._models[before].residents.discard(worker)
            del self._models_of[worker]
        if spec is not None:
            self._models[spec].residents.add(worker)
            self._models_of[worker] = spec

    def _seconds(self, model: _Model) -> float:
        """Expected of what has not been started."""
        return sum(row.unstarted * self._cell_s(row) for row in model.rows.values())

    def _cell_s(self, row: _Row) -> float:
        return self._durations.expected_s(row.row_key)

    def _able(self, demand: Resources) -> int:
        """How many workers meet a demand."""
        if demand not in self._counted:
            self._counted[demand] = sum(offers.meets(demand) for offers in self._offers.values())
        return self._counted[demand]
