"""Distances, clusters and densities among vectors: the arithmetic below `active`."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray


def squared_distances(x: np.ndarray, row: np.ndarray) -> np.ndarray:
    """|x_i - row|² [n] of x [n, D] and row [D], never below 0."""
    gap = x - row
    return np.einsum("nd,nd->n", gap, gap)


def gradient_distances(error: np.ndarray, x: np.ndarray, at: int) -> np.ndarray:
    """|a_i ⊗ x_i - a_j ⊗ x_j|² [n] for j = `at`, with a = error [n, L] and x [n, D].

    = |a_i|²|x_i|² + |a_j|²|x_j|² - 2 (a_i·a_j)(x_i·x_j), so that no [n, L·D] is needed.
    """
    length = np.einsum("nl,nl->n", error, error) * np.einsum("nd,nd->n", x, x)  # [n]
    inner = (error @ error[at]) * (x @ x[at])  # [n]
    return np.maximum(length + length[at] - 2 * inner, 0)


def clustered(x: np.ndarray, count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """The k-means cluster, int64 [n], of each row of x [n, D]: at most `count`, fewer where rows
    are the same. In small batches from 20,000 rows on."""
    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    kind = KMeans if len(x) < 20_000 else MiniBatchKMeans
    seed = int(rng.integers(2**31))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different rows than clusters
        found = kind(min(count, len(x)), n_init=1, random_state=seed).fit_predict(x)
    return found.astype(np.int64)


def typicality(x: np.ndarray, cluster: np.ndarray, neighbours: int = 20) -> np.ndarray:
    """1 / (mean distance to the nearest `neighbours` of one's own cluster), [n], of x [n, D].

    Infinite where these are the same point, 0 for a row that is alone in its cluster.
    """
    from sklearn.neighbors import NearestNeighbors

    out = np.zeros(len(x))
    for number in np.unique(cluster):
        at = np.flatnonzero(cluster == number)
        near = min(neighbours, len(at) - 1)
        if near:
            far = NearestNeighbors(n_neighbors=near).fit(x[at]).kneighbors()[0]  # [c, near]
            with np.errstate(divide="ignore"):
                out[at] = 1 / far.mean(1)
    return out
