"""Ranked lists as two arrays, and how scores become them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from kg.errors import DataError, UsageError

DENSE = 50_000_000
"""The scores that are held at a time, at most (but those of at least one list)."""


@dataclass(frozen=True, eq=False)
class Hits:
    """B lists of K items: index int64 [B, K], -1 = none; score float32 [B, K], -inf = none.

    Sorted by score, highest first, ties by index; the empty places come last.
    """

    index: np.ndarray
    score: np.ndarray

    def __post_init__(self) -> None:
        if self.index.ndim != 2 or self.index.shape != self.score.shape:
            raise DataError(
                "The index and score of Hits must both be [B, K]. "
                f"Got {list(self.index.shape)} and {list(self.score.shape)} instead."
            )
        if ((self.index < 0) != np.isneginf(self.score)).any():
            raise DataError("Hits must have score -inf exactly where the index is -1.")
        if (self.score[:, :-1] < self.score[:, 1:]).any():
            raise DataError("The scores of Hits must not rise along a list.")

    def __len__(self) -> int:
        return len(self.index)

    @property
    def mask(self) -> np.ndarray:
        """bool [B, K]: True where there is an item."""
        return np.asarray(self.index >= 0)

    def replaced(self, rows: np.ndarray, others: Hits) -> Hits:
        """With these rows (bool [B] or numbers) taken from others, one list each or one for all; as
        wide as the wider of the two.
        """
        width = max(self.index.shape[1], others.index.shape[1])
        (index, score), (more, values) = self._padded(width), others._padded(width)
        index[rows], score[rows] = more, values
        return Hits(index, score)

    def _padded(self, width: int) -> tuple[np.ndarray, np.ndarray]:
        room = ((0, 0), (0, width - self.index.shape[1]))
        return (np.pad(self.index, room, constant_values=-1),
                np.pad(self.score, room, constant_values=-np.inf))  # fmt: skip

    def first(self) -> list[tuple[int, float]]:
        """Code and score of each place of the first list that holds something."""
        found = zip(self.index[0].tolist(), self.score[0].tolist(), strict=True)
        return [(code, score) for code, score in found if code >= 0]


def top_k(scores: np.ndarray, k: int) -> Hits:
    """The k best items of each row of float32 [B, N]; equal scores go to the smaller index.

    Items of score -inf are never taken, and k may exceed N: the rest of the list is -1.
    """
    if scores.ndim != 2 or k < 1:
        raise UsageError(
            f"top_k needs scores [B, N] and k >= 1. Got {list(scores.shape)} and {k} instead."
        )
    if np.isnan(scores).any():
        raise DataError("The scores of top_k must not be NaN.")
    scores = np.asarray(scores, np.float32)
    rows, n = scores.shape
    chosen = np.arange(n)[None] if k >= n else best_of_rows(scores, k)
    part = np.take_along_axis(scores, np.broadcast_to(chosen, (rows, chosen.shape[1])), axis=1)
    order = np.lexsort((np.broadcast_to(chosen, part.shape), -part))
    found = np.take_along_axis(np.broadcast_to(chosen, part.shape), order, axis=1)
    best = np.take_along_axis(part, order, axis=1)
    index = np.full((rows, k), -1, np.int64)
    score = np.full((rows, k), -np.inf, np.float32)
    index[:, : found.shape[1]] = np.where(np.isneginf(best), -1, found)
    score[:, : found.shape[1]] = best
    return Hits(index, score)


def best(scores: np.ndarray, k: int) -> list[int]:
    """The indices of the k best of float32 [N], as `top_k` has them; none of -inf."""
    return [int(code) for code in top_k(scores[None], k).index[0] if code >= 0] if k else []


def best_of_rows(scores: np.ndarray, k: int) -> np.ndarray:
    """int64 [B, k <= N]: the k best of each row of float32 [B, N], unsorted; of equal scores at the
    border those of the smaller index.
    """
    n = scores.shape[1]
    border = kth_best(scores, k)
    chosen = scores >= border
    many = np.count_nonzero(chosen, axis=1) > k
    if many.any():
        some = scores[many]
        above, tied = some > border[many], some == border[many]
        room = k - np.count_nonzero(above, axis=1)
        rank = np.cumsum(tied, axis=1, dtype=np.int32)
        chosen[many] = above | (tied & (rank <= room[:, None]))
    return (np.flatnonzero(chosen) % n).reshape(-1, k)  # many times as fast as by two axes


def kth_best(scores: np.ndarray, k: int) -> np.ndarray:
    """float32 [B, 1], the k-th largest of each row of float32 [B, N], 1 <= k <= N.

    By torch: numpy's partition takes up to a hundred times as long where most scores are equal, as
    those of neighbours are.
    """
    rows = torch.from_numpy(np.require(scores, np.float32, ["C", "W"]))
    return np.asarray(torch.topk(rows, k, sorted=False).values.amin(1, True).numpy())
