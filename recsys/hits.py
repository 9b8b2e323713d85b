"""Ranked lists as two arrays, and how scores become them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kg.errors import DataError, UsageError


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
    chosen = np.arange(n)[None] if k >= n else _chosen(scores, k)
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


def _chosen(scores: np.ndarray, k: int) -> np.ndarray:
    """int64 [B, k]: the k best of each row, unsorted, equal scores by smaller index.

    Where exactly k items reach the k-th score they are it; only rows with a tie at the border
    need the slower keys.
    """
    n = scores.shape[1]
    border = np.partition(scores, n - k, axis=1)[:, n - k, None]
    reached = scores >= border
    plain = np.count_nonzero(reached, axis=1) == k
    out = np.empty((len(scores), k), np.int64)
    which = reached if plain.all() else reached[plain]
    out[plain] = (np.flatnonzero(which) % n).reshape(-1, k)  # many times as fast as by two axes
    if not plain.all():
        keys = np.partition(_ordered_keys(scores[~plain]), n - k, axis=1)[:, n - k :]
        out[~plain] = _LOW - (keys & _LOW)
    return out


_LOW = np.int64(0xFFFFFFFF)


def _ordered_keys(scores: np.ndarray) -> np.ndarray:
    """int64 [B, N], all different in a row, in the order of (score, smaller index first).

    The upper half is the float's bits made to sort as a signed integer (a negative float has its
    other bits flipped; + 0.0 makes -0.0 equal to 0.0), the lower half counts down with the index.
    """
    bits = (np.asarray(scores, np.float32) + np.float32(0)).view(np.int32)
    keys = np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits).astype(np.int64)
    keys <<= 32
    keys |= _LOW - np.arange(scores.shape[1], dtype=np.int64)
    return keys
