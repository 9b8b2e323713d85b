"""The best item-to-item regression that no item may use itself in, in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.linalg import lapack

from kg.errors import UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from recsys.baselines.base import finish, history_matrix, popularity_scores, training_matrix


@dataclass(frozen=True, eq=False)
class EASE:
    """scores = X B, where B minimises |X - X B|^2 + l2 |B|^2 with a zero diagonal.

    In closed form P = (X'X + l2 I)^-1, B_ij = -P_ij / P_jj for i != j. X is binary [U, M] over the
    M items that have training events; the others are -inf. A history without a known item is
    scored by popularity. Steck, Embarrassingly shallow autoencoders for sparse data, 2019.

    known: int64 [M], the items with events. weights: float32 [M, M], the only array of that size
    ever made: 4 M^2 bytes (380 MB for 9,742 items). popularity: float32 [N].
    """

    known: np.ndarray
    weights: np.ndarray
    popularity: np.ndarray
    name: str = "EASE"

    @classmethod
    def fit(cls, log: EventLog, l2: float = 100.0) -> EASE:
        if not l2 > 0:
            raise UsageError(f"The 'l2' of EASE must be above 0. Got {l2} instead.")
        matrix = training_matrix(log)
        counts = log.item_counts()
        known = np.flatnonzero(counts)
        weights = _gram(matrix[:, known])
        np.einsum("ii->i", weights)[:] += l2  # a view of the diagonal
        _invert(weights, l2)
        weights /= -weights.diagonal().copy()  # column j by -P_jj
        np.fill_diagonal(weights, 0.0)
        return cls(known, weights, popularity_scores(counts))

    def scores(self, histories: Sequences) -> np.ndarray:
        """float32 [U, N]."""
        history = history_matrix(histories, len(self.popularity))[:, self.known]
        scores = np.full((len(histories), len(self.popularity)), -np.inf, np.float32)
        scores[:, self.known] = history @ self.weights
        return finish(scores, history.getnnz(axis=1) == 0, self.popularity)


def _gram(matrix: sparse.csr_matrix, step: int = 256) -> np.ndarray:
    """X'X, float32 [M, M] in C order, filled some rows at a time."""
    m = matrix.shape[1]
    columns = matrix.T.tocsr()
    gram = np.empty((m, m), np.float32)
    for start in range(0, m, step):
        gram[start : start + step] = (columns[start : start + step] @ matrix).toarray()
    return gram


def _invert(gram: np.ndarray, l2: float) -> None:
    """A symmetric positive definite float32 [M, M] becomes its inverse, in the same memory.

    LAPACK reads Fortran order: the transpose of a C-ordered symmetric matrix is just that.
    """
    factor, info = lapack.spotrf(gram.T, lower=1, overwrite_a=1, clean=0)
    if info != 0:
        raise UsageError(f"The 'l2' of EASE is too small for this log: {l2}. Choose a larger one.")
    inverse, _ = lapack.spotri(factor, lower=1, overwrite_c=1)
    assert np.shares_memory(inverse, gram)
    _mirror(gram)


def _mirror(upper: np.ndarray, step: int = 512) -> None:
    """Copy the upper triangle of a square matrix onto the lower one, block by block."""
    m = len(upper)
    for a in range(0, m, step):
        diagonal = upper[a : a + step, a : a + step]
        low = np.tril_indices(len(diagonal), -1)
        diagonal[low] = diagonal.T[low]
        for b in range(a + step, m, step):
            upper[b : b + step, a : a + step] = upper[a : a + step, b : b + step].T
