"""Items by how often they were seen in training, users by how long their history is."""

from __future__ import annotations

import numpy as np

Buckets = dict[str, tuple[float, float]]
"""Name to the lowest and highest count in it."""

ITEM_BUCKETS: Buckets = {"0": (0, 0), "1-5": (1, 5), "6-20": (6, 20), ">20": (21, np.inf)}
USER_BUCKETS: Buckets = {"0": (0, 0), "1-5": (1, 5), "6-20": (6, 20), "21-100": (21, 100),
                         ">100": (101, np.inf)}  # fmt: skip


def within(counts: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    """bool, the shape of `counts`: does each lie in the bucket?"""
    return (counts >= ends[0]) & (counts <= ends[1])
