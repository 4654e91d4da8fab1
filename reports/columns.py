"""A table is a list of typed columns: where the number comes from, its unit, which way is better, how it is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from reports.bootstrap import Interval
from reports.estimates import Estimate

Direction = Literal["higher", "lower"]
ARROWS: Final = {"higher": "↑", "lower": "↓"}


@dataclass(frozen=True)
class Unit:
    """`per` of the recorded unit make one of this: 1e9 operations are one `G`."""

    name: str
    per: float = 1.0


@dataclass(frozen=True)
class Column:
    """`measure` is one of `reports.estimates.MEASURES`.

    Of several `units`, given from small to large, a table uses the largest in which its largest value is at least 1.
    """

    measure: str
    title: str
    direction: Direction | None
    decimals: int
    units: tuple[Unit, ...] = (Unit(""),)
    suffix: str = ""
    interval: bool = True

    def unit(self, estimates: Iterable[Estimate]) -> Unit:
        """The unit that suits these values."""
        largest = max((estimate.value for estimate in estimates if estimate.value is not None), default=0.0)
        fitting = [unit for unit in self.units if largest >= unit.per]
        return fitting[-1] if fitting else self.units[0]

    def heading(self, unit: Unit) -> str:
        """Such as `Latency (s) ↓`."""
        name = f"{self.title} ({unit.name})" if unit.name else self.title
        return f"{name} {ARROWS[self.direction]}" if self.direction else name

    def number(self, value: float, unit: Unit) -> str:
        """The value in that unit, with the column's decimals and no suffix."""
        return f"{value / unit.per:.{self.decimals}f}"

    def ends(self, interval: Interval, unit: Unit) -> tuple[str, str]:
        """An interval's ends, written as the value is."""
        return self.number(interval.low, unit), self.number(interval.high, unit)

    def ranks(self, estimates: Mapping[str, Estimate], unit: Unit) -> dict[str, int]:
        """1 for the best and 2 for the second-best row, by name.

        Only rows with nothing missing compete, at least two of them; values that print alike share a rank.
        """
        return self.places(
            {
                row: round(estimate.value / unit.per, self.decimals)
                for row, estimate in estimates.items()
                if estimate.complete and estimate.value is not None
            }
        )

    def places(self, printed: Mapping[str, float]) -> dict[str, int]:
        """`ranks` of numbers as they are printed."""
        if self.direction is None:
            return {}
        levels = sorted(set(printed.values()), reverse=self.direction == "higher")
        if len(printed) < 2 or len(levels) < 2:
            return {}
        return {row: levels.index(value) + 1 for row, value in printed.items() if value in levels[:2]}


PLAIN: Final = Unit("")
SECOND: Final = Unit("s")
PERCENT: Final = Unit("%")
DECIBEL: Final = Unit("dB")
TERA: Final = Unit("T", 1e12)
GIGABYTE: Final = Unit("GB", 1e9)
SECONDS: Final = (SECOND,)
OPERATIONS: Final = (Unit("M", 1e6), Unit("G", 1e9), TERA, Unit("P", 1e15))
BYTES: Final = (Unit("MB", 1e6), GIGABYTE)
