"""Items touched by the same people, by cosine."""

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
class ItemKNN:
    """score_j = sum over history items i of w_ij, w_ij = c_ij / (sqrt(n_i n_j) + shrink).

    n_i is how many users touched i, c_ij how many touched both (each user once). For each item j
    only its `neighbours` largest w_ij > 0 are kept (ties: smaller i), w_jj = 0. -inf for an item
    without training events; a history without one that has, is scored by popularity.
    Sarwar et al., Item-based collaborative filtering, 2001; Deshpande and Karypis, 2004.

    weights: sparse float32 [N, N], w_ij in row i. popularity: float32 [N].
    """

    weights: sparse.csr_matrix
    popularity: np.ndarray
    name: str = "item-kNN"

    @classmethod
    def fit(cls, log: EventLog, neighbours: int = 100, shrink: float = 10.0) -> ItemKNN:
        if neighbours < 1 or shrink < 0:
            raise UsageError(
                "ItemKNN needs 'neighbours' >= 1 and 'shrink' >= 0. "
                f"Got {neighbours} and {shrink} instead."
            )
        matrix = training_matrix(log)
        weights = _neighbourhoods(matrix, neighbours, shrink).T.tocsr()
        return cls(weights, popularity_scores(log.item_counts()))

    def scores(self, histories: Sequences) -> np.ndarray:
        """float32 [U, N]."""
        history = history_matrix(histories, len(self.popularity))
        return finish_known((history @ self.weights).toarray(), history, self.popularity)


def _neighbourhoods(matrix: sparse.csr_matrix, neighbours: int, shrink: float) -> sparse.csr_matrix:
    """float32 [N, N]: row j holds the weights of the neighbours of j."""
    columns = matrix.T.tocsr()  # [N, U]
    root = np.sqrt(np.asarray(matrix.sum(axis=0)).reshape(-1))  # [N]

    def weights(block: np.ndarray) -> sparse.csr_matrix:
        both = sparse.csr_matrix(columns[block] @ matrix)  # [b, N]
        both.data /= np.repeat(root[block], np.diff(both.indptr)) * root[both.indices] + shrink
        return both

    return best_neighbours(matrix, neighbours, weights)
