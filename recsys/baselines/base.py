"""What every baseline can do, and what all of them share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from scipy import sparse

from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from recsys.hits import kth_best, top_k

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
    matrix: sparse.csr_matrix, neighbours: int, weights: Callable[[np.ndarray], sparse.csr_matrix]
) -> sparse.csr_matrix:
    """float32 [N, N]: row j holds the largest weights of item j, w_jj left out (ties: the smaller
    column), where items without a user in common have none; `matrix` [U, N] says who touched what.

    `weights` gives the rows of a block of items, int64 [b] to float32 [b, N], all above 0. A block
    is of items that meet about as many others, at most `BLOCK` in all.
    """
    met = np.asarray(matrix.T @ matrix.getnnz(axis=1))  # as many others at most
    order, n = np.argsort(met, kind="stable"), matrix.shape[1]
    parts, start = [], 0
    while start < n:
        some = np.minimum(met[order[start : start + BLOCK]], n)
        size = np.arange(1, len(some) + 1) * some
        stop = start + max(1, int(np.searchsorted(size, BLOCK, side="right")))
        block = order[start:stop]
        found = weights(block)
        row = np.repeat(np.arange(len(block)), np.diff(found.indptr))
        found.data[found.indices == block[row]] = 0
        found.eliminate_zeros()
        parts.append(largest_of_rows(found, neighbours))
        start = stop
    place = np.argsort(order)
    return sparse.csr_matrix(sparse.vstack(parts, format="csr")[place])


def largest_of_rows(found: sparse.csr_matrix, k: int, *, signed: bool = True) -> sparse.csr_matrix:
    """The k largest entries of each row, by size where the sign does not count; ties: the smaller
    column. Dense is [rows, entries of the longest] only.
    """
    found.sort_indices()
    size = found.data if signed else np.abs(found.data)
    counts = np.diff(found.indptr)
    width = int(counts.max(initial=0))
    if width <= k:
        return found
    padded = np.full((len(counts), width), -np.inf, np.float32)
    padded[np.arange(width) < counts[:, None]] = size
    row = np.repeat(np.arange(len(counts)), counts)
    border = kth_best(padded, k)[row, 0]
    above, tied = size > border, size == border
    room = k - np.bincount(row, above, minlength=len(counts))
    before = np.concatenate([[0], np.cumsum(tied)])
    kept = above | (tied & (before[1:] - before[found.indptr[row]] <= room[row]))
    ends = np.concatenate([[0], np.cumsum(kept)])[found.indptr]
    return sparse.csr_matrix((found.data[kept], found.indices[kept], ends), found.shape)


def keep_best(scores: np.ndarray, k: int) -> sparse.csr_matrix:
    """float32 [B, N]: the k best of each row above -inf (ties: the smaller column)."""
    best = top_k(scores, min(k, scores.shape[1]))
    row, rank = np.nonzero(best.mask)
    at = (row, best.index[row, rank])
    return sparse.csr_matrix((best.score[row, rank], at), shape=scores.shape)
