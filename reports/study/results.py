"""Everything a report says about a study, computed once: how often each row was preferred, to which, and how surely.

Intervals resample prompts and raters at once, each vote weighing as often as its prompt was drawn times as often as its
rater was: votes of one prompt are alike, and so are votes of one rater. Source: A. B. Owen, The Pigeonhole Bootstrap,
Annals of Applied Statistics 1 (2007). With a single rater they speak about other prompts alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from harness.records import SuiteManifest
from harness.study.record import StudyRecord
from reports.bootstrap import DRAWS, SEED, Interval, percentile_interval, prompt_draws
from reports.study.agreement import Agreement, agreement
from reports.study.bradley_terry import strengths
from reports.study.preferences import Preferences, preferences

Array = npt.NDArray[np.float64]

PERCENT: Final = 100.0
_CHUNK_DRAWS: Final = 100
"""Draws at a time, so that memory stays small with many votes."""
UNBOUNDED: Final = "No finite strength: some rows were preferred to the others every time, or never"


@dataclass(frozen=True, slots=True)
class Share:
    """Votes for, for neither, and against. `interval` is that of `rate`; None with one prompt, and for 0 and 100 %.

    Votes that all say the same leave nothing to resample: their interval would have no width, whatever their number.
    """

    won: int
    tied: int
    lost: int
    interval: Interval | None

    @property
    def votes(self) -> int:
        """All of them."""
        return self.won + self.tied + self.lost

    @property
    def rate(self) -> float:
        """Percent, a tie counting half; NaN without votes."""
        return PERCENT * (self.won + self.tied / 2) / self.votes if self.votes else float("nan")

    @property
    def distinguishable(self) -> bool | None:
        """False when the interval includes an even 50 %; None when there is no interval."""
        return None if self.interval is None else not self.interval.holds(PERCENT / 2)


@dataclass(frozen=True)
class RowPreference:
    """One row against all others, and against each. `strength` is Bradley and Terry's; None with a `reason`."""

    row: str
    overall: Share
    against: Mapping[str, Share]
    """By the other's row name; rows it was never compared with are left out."""
    strength: float | None
    strength_interval: Interval | None
    reason: str | None


@dataclass(frozen=True)
class StudyResults:
    """What people preferred. `models` has the rows anybody voted on by model, in the suite's order."""

    preferences: Preferences
    reference_shown: bool
    models: Mapping[str, tuple[RowPreference, ...]]
    agreement: Agreement

    def row(self, name: str) -> RowPreference | None:
        """None for a row that nobody voted on."""
        return next((row for rows in self.models.values() for row in rows if row.row == name), None)


def study_results(record: StudyRecord, manifest: SuiteManifest) -> StudyResults:
    """Count the votes. Equal records give equal results."""
    counted = preferences(record, manifest)
    models = {
        str(model): _rows(votes, [row.row for row in manifest.rows if row.model_label == model])
        for model, votes in counted.votes.groupby("model", sort=False)
    }
    units = counted.votes.groupby(["first", "second", "prompt_index", "sample_index"])["outcome"]
    return StudyResults(counted, record.reference_shown, models, agreement([list(unit) for _, unit in units]))


def json_object(results: StudyResults) -> dict[str, Any]:
    """One entry per row, null where there is no number; rates and alpha as in `Share` and `Agreement`."""
    return {
        "raters": len(results.preferences.raters),
        "votes": len(results.preferences.votes),
        "left_out": dict(results.preferences.left_out),
        "alpha": results.agreement.alpha,
        "rows": [
            {
                "row": row.row,
                **_share_object(row.overall),
                "strength": row.strength,
                "strength_interval": row.strength_interval,
                "against": {name: _share_object(share) for name, share in row.against.items()},
            }
            for rows in results.models.values()
            for row in rows
        ],
    }


def _share_object(share: Share) -> dict[str, Any]:
    return {
        "won": share.won,
        "tied": share.tied,
        "lost": share.lost,
        "win_rate": share.rate,
        "win_rate_interval": share.interval,
    }


@dataclass(frozen=True)
class _Counts:
    """Of one model. The row is the second-last axis and the other the last; a tie is half a win for each."""

    wins: Array
    ties: Array
    drawn: Array
    """`wins` in every draw, or in none where there is a single prompt to draw from."""

    def share(self, row: int, others: list[int]) -> Share:
        """The row's votes against these."""
        tied = int(self.ties[row, others].sum())
        won, lost = (int(wins.sum() - tied / 2) for wins in (self.wins[row, others], self.wins[others, row]))
        for_it, against_it = (self.drawn[:, row, others].sum(axis=1), self.drawn[:, others, row].sum(axis=1))
        with np.errstate(invalid="ignore"):
            rates = PERCENT * for_it / (for_it + against_it)
        one_sided = tied == 0 and min(won, lost) == 0
        return Share(won, tied, lost, None if one_sided else percentile_interval(rates))


def _rows(votes: pd.DataFrame, order: list[str]) -> tuple[RowPreference, ...]:
    """One model's rows."""
    names = [name for name in order if name in set(votes["first"]) | set(votes["second"])]
    first, second = (votes[side].map(names.index).to_numpy(dtype=int) for side in ("first", "second"))
    outcome, lines = votes["outcome"].to_numpy(dtype=float), np.arange(len(votes))
    credit = np.zeros((len(votes), len(names), len(names)))
    credit[lines, first, second] = outcome
    credit[lines, second, first] = 1.0 - outcome
    counts = _Counts(credit.sum(axis=0), (credit == 0.5).sum(axis=0), _drawn(votes, credit))
    point, drawn = strengths(counts.wins), strengths(counts.drawn)
    met = counts.wins + counts.wins.T > 0
    return tuple(
        RowPreference(
            row=name,
            overall=counts.share(row, list(range(len(names)))),
            against={names[other]: counts.share(row, [other]) for other in np.flatnonzero(met[row]).tolist()},
            strength=float(point[row]) if np.isfinite(point[row]) else None,
            strength_interval=percentile_interval(drawn[:, row]),
            reason=None if np.isfinite(point[row]) else UNBOUNDED,
        )
        for row, name in enumerate(names)
    )


def _drawn(votes: pd.DataFrame, credit: Array) -> Array:
    """The matrix of preferences in every draw of prompts and raters: (draws, rows, rows)."""
    if votes["prompt_index"].nunique() < 2:
        return np.empty((0, *credit.shape[1:]))
    weights = []
    for column, seed in (("prompt_index", SEED), ("rater", SEED + 1)):
        codes, values = pd.factorize(votes[column], sort=True)
        weights.append((prompt_draws(len(values), seed=seed), codes))
    (of_prompt, prompt), (of_rater, rater) = weights
    flat = credit.reshape(len(votes), -1)
    chunks = [slice(start, start + _CHUNK_DRAWS) for start in range(0, DRAWS, _CHUNK_DRAWS)]
    drawn = [(of_prompt[chunk][:, prompt] * of_rater[chunk][:, rater]) @ flat for chunk in chunks]
    return np.concatenate(drawn).reshape(DRAWS, *credit.shape[1:])
