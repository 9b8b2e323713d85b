"""PCA whitening of text vectors, fitted on the items seen in training and applied to all.

Raw BERT vectors share a large common direction, so that unrelated items look alike; whitening
makes the directions comparable (WhitenRec, arXiv:2402.10602).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Whitening:
    """mean float32 [D]; basis float32 [D, d]: (x - mean) @ basis has unit variance per column."""

    mean: np.ndarray
    basis: np.ndarray

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
        return cls(mean.astype(np.float32), scaled.astype(np.float32))

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
        return Whitening(mean.astype(np.float32), self.basis)

    @property
    def dim(self) -> int:
        """Width d of what `apply` returns."""
        return self.basis.shape[1]

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """float32 [n, d]; a row without text (all zeros) stays zero."""
        has_text = np.linalg.norm(vectors, axis=1, keepdims=True) > 0
        return np.where(has_text, (vectors - self.mean) @ self.basis, 0).astype(np.float32)
