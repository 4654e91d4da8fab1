"""One number of a paper: where it stands, what it says there, and how it came here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reports.columns import Unit


class Obtained(StrEnum):
    """How far a value is from the paper's page."""

    PRINTED = "printed"
    """Read in the paper or its supplementary material."""
    SECOND_HAND = "second-hand"
    """Read in somebody's notes on the paper, which was not at hand."""
    RE_DERIVED = "re-derived"
    """Computed here from other published values."""


@dataclass(frozen=True)
class PublishedValue:
    """`text` is the number as printed, without its unit; all else follows from it."""

    paper: str
    table: str
    row: str
    column: str
    """A measure of `reports.estimates.MEASURES` where there is one of that meaning."""
    text: str
    unit: Unit
    obtained: Obtained
    source: str
    """Where it was read, or what it was computed from."""
    change_text: str | None = None
    """The change in percent, relative to another row, that the paper prints behind the value."""

    @property
    def value(self) -> float:
        """In the unit's name, such as seconds, T, GB or percent."""
        return float(self.text)

    @property
    def recorded(self) -> float:
        """In the unit of `reports.estimates`, to stand beside a measured value."""
        return self.value * self.unit.per

    @property
    def rounding(self) -> float:
        """How far the paper's own number can be from `value`: half a unit of the last printed digit."""
        return half_unit(self.text)

    @property
    def change_percent(self) -> float | None:
        """`change_text` as a number."""
        return None if self.change_text is None else float(self.change_text)

    @property
    def cited(self) -> str:
        """Such as `DisCa Table 7`."""
        return f"{self.paper} {self.table}"


def half_unit(text: str) -> float:
    """Half a unit of the last digit of a printed decimal: 0.005 of `1.94`."""
    return float(0.5 * 10.0 ** -len(text.partition(".")[2]))
