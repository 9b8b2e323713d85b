"""A walk of three steps over users and items, with a brake on popular items."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from kg.errors import UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from recsys.baselines.base import (
    best_neighbours,
    finish_known,
    history_matrix,
    popularity_scores,
    training_matrix,
)


@dataclass(frozen=True, eq=False)
class RP3beta:
    """score_j = sum over history items i of w_ij, w_ij = n_j^-beta sum_u (1 / (n_i l_u))^alpha.

    The sum goes over the users u who touched both i and j; n_i is how many users touched i, l_u
    how many items u touched (each pair once). That is the walk user -> i -> u -> j, every
    probability to the power alpha, divided by the popularity of j to the power beta; its first
    step has the same probability for every i of a history and is left out. For each item j only
    the `neighbours` largest w_ij > 0 are kept (ties: smaller i), w_jj = 0. -inf for an item
    without training events; a history without one that has, is scored by popularity.
    Paudel, Christoffel, Newell and Bernstein, Updatable, accurate, diverse, and scalable
    recommendations for interactive applications, 2017.

    weights: sparse float32 [N, N], w_ij in row i. popularity: float32 [N].
    """

    weights: sparse.csr_matrix
    popularity: np.ndarray
    name: str = "RP3beta"

    @classmethod
    def fit(
        cls, log: EventLog, alpha: float = 0.5, beta: float = 0.2, neighbours: int = 100
    ) -> RP3beta:
        if neighbours < 1 or not alpha >= 0 or not beta >= 0:
            raise UsageError(
                "RP3beta needs 'neighbours' >= 1, 'alpha' >= 0 and 'beta' >= 0. "
                f"Got {neighbours}, {alpha} and {beta} instead."
            )
        weights = _walks(training_matrix(log), alpha, beta, neighbours).T.tocsr()
        return cls(weights, popularity_scores(log.item_counts()))

    def scores(self, histories: Sequences) -> np.ndarray:
        """float32 [U, N]."""
        history = history_matrix(histories, len(self.popularity))
        return finish_known((history @ self.weights).toarray(), history, self.popularity)


def _walks(
    matrix: sparse.csr_matrix, alpha: float, beta: float, neighbours: int
) -> sparse.csr_matrix:
    """float32 [N, N]: row j holds the kept w_ij of item j."""
    columns = matrix.T.tocsr()  # [N, U]
    through = sparse.diags_array(_power(matrix.getnnz(axis=1), -alpha)) @ matrix
    start, end = _power(matrix.getnnz(axis=0), -alpha), _power(matrix.getnnz(axis=0), -beta)  # [N]

    def weights(block: np.ndarray) -> sparse.csr_matrix:
        found = sparse.csr_matrix(columns[block] @ through)  # [b, N]
        found.data *= start[found.indices]
        found.data *= np.repeat(end[block], np.diff(found.indptr))
        return found

    return best_neighbours(matrix, neighbours, weights)


def _power(counts: np.ndarray, exponent: float) -> np.ndarray:
    """float32: the counts to this power; 0 stands for nobody and becomes 1."""
    return np.power(np.maximum(counts, 1).astype(np.float32), np.float32(exponent))
