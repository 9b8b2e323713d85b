"""Vectors and queries of a large shop that does not exist: drawn, with what makes search hard.

Items stand in groups of very different size within departments, their numbers fall off from
direction to direction, and their lengths differ (a recommender's do: what is popular is longer).
A query is a weighted sum of five items of one or two groups, and noise: it does not lie where the
items lie, as a person's does not.
"""

from __future__ import annotations

import numpy as np

GROUPS, DEPARTMENTS, BLOCK = 5000, 200, 100_000


def crowd(items: int, width: int, queries: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors float32 [items, width] and queries float32 [queries, width]."""
    rng = np.random.default_rng(seed)
    centre, group = _groups(rng, items, width)
    vectors = np.empty((items, width), np.float32)
    for start in range(0, items, BLOCK):
        own = group[start : start + BLOCK]
        vectors[start : start + BLOCK] = centre[own] + 0.6 * rng.normal(size=(len(own), width))
    vectors *= (np.arange(1, width + 1) ** -0.35).astype(np.float32)
    vectors *= np.exp(0.25 * rng.normal(size=(items, 1))).astype(np.float32)
    return vectors, _asked(rng, vectors, group, queries)


def _groups(rng: np.random.Generator, items: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    departments = rng.normal(size=(DEPARTMENTS, width))
    centre = departments[rng.integers(0, DEPARTMENTS, GROUPS)]
    centre = centre + 0.7 * rng.normal(size=centre.shape)
    size = rng.pareto(1.2, GROUPS) + 0.05
    return centre.astype(np.float32), rng.choice(GROUPS, items, p=size / size.sum())


def _asked(
    rng: np.random.Generator, vectors: np.ndarray, group: np.ndarray, count: int
) -> np.ndarray:
    order = np.argsort(group, kind="stable")
    begin = np.searchsorted(group[order], np.arange(GROUPS + 1))
    out = np.empty((count, vectors.shape[1]), np.float32)
    for row in range(count):
        first, second = group[rng.integers(0, len(vectors), 2)]
        met = [order[rng.integers(begin[g], begin[g + 1])] for g in [first] * 3 + [second] * 2]
        out[row] = (vectors[met] * rng.random((5, 1))).sum(axis=0)
    return out + (0.3 * out.std(axis=0) * rng.normal(size=out.shape)).astype(np.float32)
