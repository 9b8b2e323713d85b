"""Ridge regression whose penalty held-out rows choose, and that knows what it is worth."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

import numpy as np

FOLDS = 5
LEAST = 4 * FOLDS
"""Fewer rows teach nothing."""
RIDGES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Times the rows and the mean square of the features."""


@dataclass(frozen=True, eq=False)
class Ridge:
    """y = (x - centre) W + base. centre float [T], weight float [T, D], base float [D]; `worth` is
    the share of the held-out variance that it explains, with W fitted to four fifths of the rows.
    """

    centre: np.ndarray
    weight: np.ndarray
    base: np.ndarray
    worth: float

    @classmethod
    def fit(cls, x: np.ndarray, y: np.ndarray, counts: np.ndarray | None = None) -> Ridge | None:
        """Least of Σ_r c_r |y_r - ŷ_r|² + l |W|² over rows x [R, T], y [R, D] that count c [R] (1);
        None of fewer than `LEAST` rows, or where it explains nothing.

        Only the moments of each fold are needed, so that no penalty is tried on the rows.
        """
        if len(x) < LEAST:
            return None
        c = np.ones(len(x)) if counts is None else counts.astype(np.float64)
        centre, base = c @ x / c.sum(), c @ y / c.sum()
        parts = (slice(held, None, FOLDS) for held in range(FOLDS))
        folds = [_Moments.of(x[held] - centre, y[held] - base, c[held]) for held in parts]
        whole = reduce(_Moments.plus, folds)
        scale = np.trace(whole.inner) / whole.inner.shape[0]
        if scale == 0 or whole.square == 0:
            return None
        left = {
            ridge: sum(fold.left(whole.less(fold).solved(ridge * scale)) for fold in folds)
            for ridge in RIDGES
        }
        best = min(left, key=lambda ridge: left[ridge])
        worth = 1 - left[best] / whole.square
        return cls(centre, whole.solved(best * scale), base, float(worth)) if worth > 0 else None

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """float32 [n, D] of x [n, T]."""
        return np.asarray((x - self.centre) @ self.weight + self.base, np.float32)


@dataclass(frozen=True, eq=False)
class _Moments:
    """X'CX [T, T], X'CY [T, D] and the sum of C Y²."""

    inner: np.ndarray
    cross: np.ndarray
    square: float

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, c: np.ndarray) -> _Moments:
        counted = (x * c[:, None]).T
        return cls(counted @ x, counted @ y, float((c[:, None] * y**2).sum()))

    def plus(self, other: _Moments) -> _Moments:
        return _Moments(
            self.inner + other.inner, self.cross + other.cross, self.square + other.square
        )

    def less(self, other: _Moments) -> _Moments:
        return _Moments(
            self.inner - other.inner, self.cross - other.cross, self.square - other.square
        )

    def solved(self, ridge: float) -> np.ndarray:
        """W float64 [T, D]."""
        return np.linalg.solve(self.inner + ridge * np.eye(len(self.inner)), self.cross)

    def left(self, weight: np.ndarray) -> float:
        """Σ c |y - x W|²."""
        told = 2 * (weight * self.cross).sum() - (weight * (self.inner @ weight)).sum()
        return float(self.square - told)
