"""What the lists are like, whether or not they hit.

Every function takes `index` int64 [U, K], the recommended items of each user, -1 for none.
`coverage` and `gini` describe all lists at once (a float); `novelty` and `intra_list_diversity`
describe each list (float64 [U], NaN where a list is too short to have one).
"""

from __future__ import annotations

import numpy as np

from kg.errors import UsageError


def coverage(index: np.ndarray, num_items: int) -> float:
    """(distinct items in any list) / (items in the catalogue)."""
    return float((_exposure(index, num_items) > 0).sum() / num_items)


def gini(index: np.ndarray, num_items: int) -> float:
    """Inequality of exposure: sum_i (2i - N - 1) x_i / (N * sum_i x_i), x ascending, i from 1.

    x_i is how many lists hold item i, items in no list included. 0: all items shown alike;
    (N - 1) / N: one item takes every place. NaN if all lists are empty.
    """
    shown = np.sort(_exposure(index, num_items))
    total = shown.sum()
    if total == 0:
        return float("nan")
    weight = 2.0 * np.arange(1, num_items + 1) - num_items - 1
    return float((weight * shown).sum() / (num_items * total))


def novelty(index: np.ndarray, item_counts: np.ndarray, num_users: int) -> np.ndarray:
    """Mean over the list of -log2(p_i) bits, p_i = max(1, item_counts_i) / num_users, p_i <= 1.

    An item without events counts as if one user knew it, so the value stays finite. Zhou et al.,
    Solving the apparent diversity-accuracy dilemma of recommender systems, 2010.
    """
    if num_users < 1:
        raise UsageError(f"The 'num_users' of novelty must be at least 1. Got {num_users} instead.")
    _exposure(index, len(item_counts))
    known = np.minimum(np.maximum(item_counts, 1) / num_users, 1.0)
    bits = np.append(-np.log2(known), 0.0)[index]  # [U, K]; -1 reads the appended 0
    return _mean(bits.sum(axis=1), (index >= 0).sum(axis=1))


def intra_list_diversity(index: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Mean of 1 - cos(v_i, v_j) over the pairs i < j of the list; `vectors` is [N, D].

    A zero vector has cosine 0 to everything. Computed from the sum s of the unit vectors:
    sum_{i<j} cos = (|s|^2 - sum_i |v_i|^2) / 2. Ziegler et al., Improving recommendation lists
    through topic diversification, 2005.
    """
    _exposure(index, len(vectors))
    norm = np.linalg.norm(vectors, axis=1, keepdims=True).astype(np.float64)
    unit = np.divide(vectors, norm, out=np.zeros(vectors.shape), where=norm > 0)
    unit = np.vstack([unit, np.zeros((1, vectors.shape[1]))])  # -1 reads the appended zeros
    total, own = np.zeros((len(index), vectors.shape[1])), np.zeros(len(index))
    for column in index.T:  # K steps, so that [U, K, D] is never built
        total += unit[column]
        own += (unit[column] ** 2).sum(axis=1)
    length = (index >= 0).sum(axis=1)
    pairs = length * (length - 1) / 2
    return _mean(pairs - ((total**2).sum(axis=1) - own) / 2, pairs)


def _mean(total: np.ndarray, count: np.ndarray) -> np.ndarray:
    """float64 [U]: total / count, NaN where there is nothing to count."""
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)


def _exposure(index: np.ndarray, num_items: int) -> np.ndarray:
    """int64 [N]: how many lists hold each item."""
    if num_items < 1:
        raise UsageError(f"'num_items' must be at least 1. Got {num_items} instead.")
    if index.size and (index.min() < -1 or index.max() >= num_items):
        raise UsageError(
            f"The 'index' of a list metric must lie in [-1, {num_items}). "
            f"Got {index.min()} to {index.max()} instead."
        )
    return np.bincount(index[index >= 0], minlength=num_items)
