"""PCA whitening of text vectors, fitted on the items seen in training and applied to all.

Raw BERT vectors share a large common direction, so that unrelated items look alike; whitening
makes the directions comparable (WhitenRec, arXiv:2402.10602).

Of few items nearly every direction is kept, and one in which these hardly differ is blown up: a
text unlike all of them would become several times as long as any, and its scores as large. So
nothing is longer than the longest of those that the whitening was fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

SLACK = 1.0001
"""Rounding, which differs from batch to batch, is not to cut the longest."""


@dataclass(frozen=True)
class Whitening:
    """mean float32 [D]; basis float32 [D, d]: (x - mean) @ basis has unit variance per column.
    What comes out is cut to the length `longest`.
    """

    mean: np.ndarray
    basis: np.ndarray
    longest: float = np.inf

    @classmethod
    def fit(cls, vectors: np.ndarray, train_rows: np.ndarray, dim: int = 256) -> Whitening:
        """From the rows [M] (of float32 [N, D]) that occur in training and have a text."""
        width = vectors.shape[1]
        rows = train_rows[np.linalg.norm(vectors[train_rows], axis=1) > 0]
        if len(rows) < 2:  # nothing to learn a spread from: leave the vectors as they are
            return cls(np.zeros(width, np.float32), np.eye(width, dtype=np.float32)[:, :dim])
        sample = vectors[rows].astype(np.float64)
        mean = sample.mean(0)
        values, basis = np.linalg.eigh(np.atleast_2d(np.cov(sample - mean, rowvar=False)))
        if values[-1] < 1e-9:  # all texts are equal: there is no direction to scale
            return cls(np.zeros(width, np.float32), np.eye(width, dtype=np.float32)[:, :dim])
        keep = np.argsort(values)[::-1][: min(dim, len(rows) - 1)]
        floor = max(values[keep[0]] * 1e-4, 1e-12)  # tiny directions are noise: do not blow up
        scaled = basis[:, keep] / np.sqrt(np.maximum(values[keep], floor))
        return cls(mean.astype(np.float32), scaled.astype(np.float32)).bounded_by(vectors[rows])

    def bounded_by(self, vectors: np.ndarray) -> Whitening:
        """Whose longest is that of these vectors [n, D], each of which stays as it is."""
        lengths = np.linalg.norm(replace(self, longest=np.inf).apply(vectors), axis=1)
        return replace(self, longest=float(lengths.max()) * SLACK)

    def centred_on(self, vectors: np.ndarray, train_rows: np.ndarray) -> Whitening:
        """The same directions and scales, around the mean of other texts: those of the rows [M] of
        float32 [N, D] that occur in training, or of all where none does.

        Another domain has its own common direction, which would else be part of every item.
        """
        has_text = np.linalg.norm(vectors, axis=1) > 0
        rows = train_rows[has_text[train_rows]]
        if len(rows) == 0:
            rows = np.flatnonzero(has_text)
        if len(rows) == 0:
            return self
        mean = vectors[rows].astype(np.float64).mean(0)
        moved = replace(self, mean=mean.astype(np.float32))
        return moved if np.isinf(self.longest) else moved.bounded_by(vectors[rows])

    @property
    def dim(self) -> int:
        """Width d of what `apply` returns."""
        return self.basis.shape[1]

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """float32 [n, d]; a row without text (all zeros) stays zero."""
        has_text = np.linalg.norm(vectors, axis=1, keepdims=True) > 0
        found = np.where(has_text, (vectors - self.mean) @ self.basis, 0).astype(np.float32)
        lengths = np.linalg.norm(found, axis=1)
        long = np.flatnonzero(lengths > self.longest)
        if len(long):
            found[long] *= (self.longest / lengths[long])[:, None].astype(np.float32)
        return found
