"""What every baseline can do, and what all of them share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from scipy import sparse

from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from recsys.hits import top_k

BLOCK = 2_000_000
"""The numbers in a dense block of `best_neighbours`, at most (but at least one row)."""


class Baseline(Protocol):
    """A fitted model that scores every item for a history. It is made by its `fit`, and frozen."""

    @property
    def name(self) -> str: ...

    def scores(self, histories: Sequences) -> np.ndarray:
        """float32 [U, N], higher is better; -inf for an item that the model can never score.

        Each row depends on its own history alone, and items already seen are scored like others.
        """
        ...


def training_matrix(log: EventLog) -> sparse.csr_matrix:
    """float32 [U, N]: 1 where the user touched the item. `DataError` if nobody touched any."""
    if not log.has_item.any():
        raise DataError("A baseline must be fitted to a log with at least one event with an item.")
    return Sequences.of(log).matrix()


def history_matrix(histories: Sequences, num_items: int) -> sparse.csr_matrix:
    """float32 [U, N] of the histories to score, which must be over the items of the fit."""
    if histories.num_items != num_items:
        raise UsageError(
            f"The histories must be over the {num_items} items that the baseline was fitted to. "
            f"Got {histories.num_items} instead."
        )
    return histories.matrix()


def finish(scores: np.ndarray, empty: np.ndarray, popularity: np.ndarray) -> np.ndarray:
    """Scores [U, N] with the two rules of collaborative baselines, in place.

    A history that says nothing (`empty` bool [U]) is scored by popularity float32 [N], and an item
    of popularity -inf (no training event) is -inf for everybody.
    """
    scores[empty] = popularity
    scores[:, np.isneginf(popularity)] = -np.inf
    return scores


def finish_known(
    scores: np.ndarray, history: sparse.csr_matrix, popularity: np.ndarray
) -> np.ndarray:
    """`finish`, where a history [U, N] says nothing if none of its items has a training event."""
    known = ~np.isneginf(popularity)
    return finish(scores, np.asarray(history @ known.astype(np.float32)) == 0, popularity)


def popularity_scores(counts: np.ndarray) -> np.ndarray:
    """float32 [N]: the counts, -inf where 0."""
    return np.where(counts > 0, counts, -np.inf).astype(np.float32)


def best_neighbours(
    n: int, neighbours: int, weights: Callable[[np.ndarray], np.ndarray]
) -> sparse.csr_matrix:
    """float32 [N, N]: row j holds the largest weights of item j, w_jj left out (see `keep_best`).

    `weights` gives the rows of a block of items, int64 [b] to float32 [b, N], -inf where there is
    no weight; dense only block by block.
    """
    step = max(1, BLOCK // n)
    parts = []
    for start in range(0, n, step):
        block = np.arange(start, min(start + step, n))
        weight = weights(block)
        weight[np.arange(len(block)), block] = -np.inf
        parts.append(keep_best(weight, neighbours))
    return sparse.vstack(parts, format="csr")


def keep_best(scores: np.ndarray, k: int) -> sparse.csr_matrix:
    """float32 [B, N]: the k best of each row above -inf (ties: the smaller column)."""
    best = top_k(scores, min(k, scores.shape[1]))
    row, rank = np.nonzero(best.mask)
    at = (row, best.index[row, rank])
    return sparse.csr_matrix((best.score[row, rank], at), shape=scores.shape)
