"""What the lists are like, whether or not they hit.

Every function takes `index` int64 [U, K], the recommended items of each user, -1 for none.
`coverage` and `gini` describe all lists at once (a float); the others describe each list (float64
[U], NaN where a list is too short to have one). Labels are csr [N, L], above 0: the item has it.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

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


def exposure(index: np.ndarray, num_items: int) -> sparse.csr_matrix:
    """csr float64 [U, N]: 1 / log2(1 + rank) where the list holds the item, rank from 1.

    How likely a place is looked at, by the discount of DCG: Singh and Joachims, Fairness of
    exposure in rankings, 2018.
    """
    _exposure(index, num_items)
    user, place = np.nonzero(index >= 0)
    at = user, index[user, place]
    return sparse.csr_matrix((1 / np.log2(2.0 + place), at), (len(index), num_items))


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


def label_diversity(index: np.ndarray, labels: sparse.csr_matrix) -> np.ndarray:
    """`intra_list_diversity` by the labels of items: 0 where all have the same, 1 where none has
    one in common with another.
    """
    _exposure(index, labels.shape[0])
    used, at = np.unique(index, return_inverse=True)
    some = used[used >= 0]
    place = at.reshape(index.shape) - (len(used) - len(some))
    return intra_list_diversity(
        place, np.vstack([labels[some].toarray(), np.zeros(labels.shape[1])])
    )


def category_match(
    index: np.ndarray, labels: sparse.csr_matrix, wanted: sparse.csr_matrix
) -> np.ndarray:
    """Share of the list whose items have a label in common with `wanted` csr [U, L], the labels of
    what the user went on to take; NaN also where these have none.
    """
    _exposure(index, labels.shape[0])
    met = np.zeros(len(index))
    for column in index.T:
        both = labels[np.maximum(column, 0)].multiply(wanted > 0)
        met += (np.asarray(both.sum(1)).ravel() > 0) & (column >= 0)
    some = np.diff(wanted.indptr) > 0
    return _mean(met, (index >= 0).sum(axis=1) * some)


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
