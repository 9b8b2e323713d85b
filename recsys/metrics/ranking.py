"""How good is a ranked list, per user.

Every function takes `hits` bool [U, K] (is the item at rank 1, 2, … K relevant), `relevant`
int64 [U] (how many items are relevant to the user, at least 1, found or not) and the cut `k` <= K,
and returns float64 [U], one value in [0, 1] per user; the mean over users is the caller's.
The values equal those of ir-measures (trec_eval). r_i is 1 if rank i is a hit, R = `relevant`.
"""

from __future__ import annotations

import numpy as np

from kg.errors import DataError, UsageError


def hit_rate(hits: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """1 if any of the first k is a hit, else 0 (Success@k)."""
    return np.asarray(_cut(hits, relevant, k).any(axis=1), np.float64)


def precision(hits: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """sum_{i<=k} r_i / k, also where the list is shorter than k (P@k)."""
    return np.asarray(_cut(hits, relevant, k).sum(axis=1) / k)


def recall(hits: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """sum_{i<=k} r_i / R: divided by all relevant items, not by min(k, R) (R@k)."""
    return np.asarray(_cut(hits, relevant, k).sum(axis=1) / relevant)


def ndcg(hits: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """sum_{i<=k} r_i / log2(i + 1), over the same sum with min(k, R) hits in front (nDCG@k).

    Binary gain. Järvelin and Kekäläinen, Cumulated gain-based evaluation of IR techniques, 2002.
    """
    first = _cut(hits, relevant, k)
    discount = 1.0 / np.log2(np.arange(2, k + 2))  # [k]
    ideal = np.cumsum(discount)[np.minimum(relevant, k) - 1]  # [U]
    return np.asarray(np.minimum((first * discount).sum(axis=1) / ideal, 1.0))


def mrr(hits: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """1 / (rank of the first hit), 0 if no hit stands in the first k (RR@k)."""
    first = _cut(hits, relevant, k)
    return np.asarray(np.where(first.any(axis=1), 1.0 / (first.argmax(axis=1) + 1), 0.0))


def average_precision(hits: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """sum_{i<=k} r_i * P@i / R, the mean over users of which is MAP@k.

    This is AP(rel=1)@k of ir-measures: it divides by all relevant items R, so a user with R > k
    cannot reach 1. Other libraries divide by min(k, R) and print larger numbers.
    """
    first = _cut(hits, relevant, k)
    found = np.cumsum(first, axis=1) / np.arange(1, k + 1)  # [U, k], P@i
    return np.asarray(np.minimum((first * found).sum(axis=1) / relevant, 1.0))


def _cut(hits: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """bool [U, k], the first k ranks, once the arguments are known to make sense."""
    if hits.ndim != 2 or relevant.shape != hits.shape[:1]:
        raise UsageError(
            "The 'hits' of a ranking metric must be [U, K] and 'relevant' [U]. "
            f"Got {list(hits.shape)} and {list(relevant.shape)} instead."
        )
    if not 1 <= k <= hits.shape[1]:
        raise UsageError(
            f"The cut 'k' of a ranking metric must be an int in [1, {hits.shape[1]}], the width "
            f"of 'hits'. Got {k} instead."
        )
    if relevant.size and relevant.min() < 1:
        row = int(np.flatnonzero(relevant < 1)[0])
        raise DataError(
            "Each user of a ranking metric must have at least 1 relevant item. "
            f"Got {relevant[row]} in row {row} instead."
        )
    if (found := hits.sum(axis=1) > relevant).any():
        row = int(np.flatnonzero(found)[0])
        raise DataError(
            "A list must not hold more hits than its user has relevant items. "
            f"Got {hits[row].sum()} hits and {relevant[row]} relevant in row {row}."
        )
    return hits[:, :k].astype(bool, copy=False)
