"""What a cell of a row takes: predicted until cells of it were measured. Pure arithmetic."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Measured:
    """Cells of one row that were made before, in this store, and the seconds they took together."""

    cells: int
    seconds: float


@dataclass(slots=True)
class _Seen:
    cells: int = 0
    seconds: float = 0.0
    cost: float = 0.0
    """Predicted cost of these cells."""

    def add(self, cells: int, seconds: float, cost: float) -> None:
        self.cells += cells
        self.seconds += seconds
        self.cost += cost


class Durations:
    """Expected seconds of cells by row.

    A row's own mean once it has one; before that its predicted cost at the speed of its model's measured cells, of
    all measured cells, or of one second a unit. So the order of rows is right before there is any number.
    """

    def __init__(self, known: Mapping[str, Measured]) -> None:
        """Start from what the store knows, by row key."""
        self._known = known
        self._rows: dict[str, _Seen] = {}
        self._costs: dict[str, float] = {}
        self._model_of: dict[str, Hashable] = {}
        self._models: dict[Hashable, _Seen] = {}
        self._all = _Seen()

    def add_row(self, row_key: str, model: Hashable, cost: float) -> None:
        """Make a row known, with the predicted cost of one of its cells; a second time changes nothing."""
        if row_key in self._rows:
            return
        self._rows[row_key], self._costs[row_key], self._model_of[row_key] = _Seen(), cost, model
        self._models.setdefault(model, _Seen())
        known = self._known.get(row_key)
        if known is not None:
            self._take(row_key, known.cells, known.seconds)

    def measured(self, row_key: str, seconds: float) -> None:
        """A cell of the row took so long."""
        self._take(row_key, 1, seconds)

    def expected_s(self, row_key: str) -> float:
        """Of one cell of the row. KeyError for a row that was never added."""
        row = self._rows[row_key]
        if row.cells:
            return row.seconds / row.cells
        for seen in (self._models[self._model_of[row_key]], self._all):
            if seen.cost:
                return self._costs[row_key] * seen.seconds / seen.cost
        return self._costs[row_key]

    def _take(self, row_key: str, cells: int, seconds: float) -> None:
        for seen in (self._rows[row_key], self._models[self._model_of[row_key]], self._all):
            seen.add(cells, seconds, cells * self._costs[row_key])
