"""Strengths from pairwise comparisons: the model of Bradley and Terry, fitted by maximum likelihood.

Row i is preferred to row j with probability p_i / (p_i + p_j). A tie counts as half a win for each. The strength of a
row is log(p_i), with mean 0 over the rows: a difference of d means a preference of 1 / (1 + exp(-d)), so 1.1 is 3 to 1.

Sources: R. A. Bradley and M. E. Terry, Rank Analysis of Incomplete Block Designs, Biometrika 39 (1952). The iteration
is that of M. E. J. Newman, Efficient Computation of Rankings from Pairwise Comparisons, JMLR 24 (2023). When the
maximum exists: L. R. Ford, Solution of a Ranking Problem from Binary Comparisons, Am. Math. Monthly 64 (1957).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

TOLERANCE: Final = 1e-6
"""Largest change of a strength in one sweep at which the iteration ends."""
MAX_SWEEPS: Final = 2000


def strengths(wins: Array) -> Array:
    """Strengths of shape (..., rows) from `wins` of shape (..., rows, rows): how often row i was preferred to row j.

    All NaN where there is no finite maximum (Ford's condition: from every row to every other there must be a chain of
    rows each of which was preferred to the next at least in part), or where it was not reached in `MAX_SWEEPS`.
    """
    rows = wins.shape[-1]
    found = np.full((*wins.shape[:-2], rows), np.nan)
    solvable = _connected(wins)
    some = wins[solvable]
    log_p = np.zeros((len(some), rows))
    moving = np.ones(len(some), dtype=bool)
    for _ in range(MAX_SWEEPS):
        if not moving.any():
            break
        before = log_p[moving]
        after = _sweep(some[moving], before)
        log_p[moving] = after
        moving[moving] = np.abs(after - before).max(axis=-1) > TOLERANCE
    log_p[moving] = np.nan
    found[solvable] = log_p
    return found


def _sweep(wins: Array, log_p: Array) -> Array:
    """Each row's strength in turn, given the others' as they are by then."""
    p = np.exp(log_p)
    for row in range(wins.shape[-1]):
        total = p[:, row, None] + p
        won = (wins[:, row, :] * p / total).sum(axis=-1)
        lost = (wins[:, :, row] / total).sum(axis=-1)
        p[:, row] = won / lost
    log_p = np.log(p)
    return np.asarray(log_p - log_p.mean(axis=-1, keepdims=True), dtype=np.float64)


def _connected(wins: Array) -> npt.NDArray[np.bool_]:
    """Whether every row can be reached from every other along preferences, for each matrix."""
    rows = wins.shape[-1]
    reach = ((wins > 0) | np.eye(rows, dtype=bool)).astype(np.float64)
    for _ in range(max(1, int(np.ceil(np.log2(max(rows, 2)))))):
        reach = (reach @ reach > 0).astype(np.float64)
    return np.asarray((reach > 0).all(axis=(-2, -1)), dtype=np.bool_)
