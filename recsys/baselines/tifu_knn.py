"""What this person buys again and again, and what people with alike baskets buy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from kg.errors import UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from recsys.baselines.base import finish_known, history_matrix, popularity_scores, training_matrix
from recsys.hits import top_k

BLOCK = 2_000_000
"""The numbers in a dense block while scoring, at most (but at least one row)."""


@dataclass(frozen=True, eq=False)
class TIFUKNN:
    """scores = alpha u + (1 - alpha) mean of the `neighbours` training vectors v nearest to u.

    u is the vector of the history by `basket_vectors`, near is by Euclidean distance over all
    items (ties: smaller training row). A v equal to u is no neighbour: histories carry no user
    number, so this is how a training user is kept from being its own neighbour, as in the paper;
    another user with the very same vector would say nothing new either. -inf for an item without
    training events; a history without one that has, is scored by popularity. Hu et al., Modeling
    Personalized Item Frequency Information for Next-basket Recommendation, SIGIR 2020.

    vectors: sparse float32 [M, N] of the M training users with an item. popularity: float32 [N].
    Memory beside the result: some blocks of `BLOCK` numbers, whatever M and N.
    """

    vectors: sparse.csr_matrix
    popularity: np.ndarray
    neighbours: int
    alpha: float
    group_size: int
    r_b: float
    r_g: float
    basket_seconds: int
    name: str = "TIFU-kNN"

    @classmethod
    def fit(
        cls,
        log: EventLog,
        neighbours: int = 300,
        alpha: float = 0.7,
        group_size: int = 7,
        r_b: float = 0.9,
        r_g: float = 0.7,
        basket_seconds: int = 86400,
    ) -> TIFUKNN:
        _check(neighbours, alpha, group_size, r_b, r_g, basket_seconds)
        training_matrix(log)
        vectors = basket_vectors(Sequences.of(log), group_size, r_b, r_g, basket_seconds)
        vectors = vectors[vectors.getnnz(axis=1) > 0]
        popularity = popularity_scores(log.item_counts())
        return cls(vectors, popularity, neighbours, alpha, group_size, r_b, r_g, basket_seconds)

    def scores(self, histories: Sequences) -> np.ndarray:
        """float32 [U, N]."""
        history = history_matrix(histories, len(self.popularity))
        own = basket_vectors(histories, self.group_size, self.r_b, self.r_g, self.basket_seconds)
        columns = self.vectors.T.tocsr().astype(np.float64)  # [N, M]
        scores = np.empty(own.shape, np.float32)
        step = max(1, BLOCK // max(self.vectors.shape))
        for start in range(0, len(histories), step):
            block = own[start : start + step]
            near = _nearest(block, columns, self.neighbours) @ self.vectors
            mixed = self.alpha * block + (1 - self.alpha) * near
            scores[start : start + step] = mixed.toarray()
        return finish_known(scores, history, self.popularity)


def basket_vectors(
    histories: Sequences, group_size: int, r_b: float, r_g: float, basket_seconds: int
) -> sparse.csr_matrix:
    """float32 [U, N]: mean over the G groups of r_g^g times the mean over its baskets of r_b^b.

    A basket is what one user touched in one stretch of `basket_seconds` since 1970 (86400: a UTC
    day), each item once; without times every event is a basket. From the newest on `group_size`
    baskets make a group, so the oldest group may be smaller; g = 0 is the newest group and b = 0
    the newest basket in its group. (The authors' code makes `group_size` groups; this, as the
    paper has it, groups of that size.)
    """
    row = histories.row
    basket = _baskets(histories, row, basket_seconds)  # [E]
    count = np.bincount(row[_first(basket)], minlength=len(histories))  # [U], baskets
    age = np.cumsum(count)[row] - 1 - basket  # 0: the newest basket of the user
    group, place = age // group_size, age % group_size
    groups = -(-count // group_size)[row]
    oldest = group == groups - 1
    size = np.where(oldest, count[row] - group * group_size, group_size)
    weight = r_b**place / size * r_g**group / groups
    once = np.zeros(len(row), bool)
    once[np.unique(basket * histories.num_items + histories.item, return_index=True)[1]] = True
    return histories.matrix(np.where(once, weight, 0).astype(np.float32))


def _baskets(histories: Sequences, row: np.ndarray, seconds: int) -> np.ndarray:
    """int64 [E]: the number of the basket of each event, counted through all histories."""
    if histories.time is None:
        return np.arange(len(row))
    return np.cumsum(_first(row) | _first(histories.time // seconds)) - 1


def _first(key: np.ndarray) -> np.ndarray:
    """bool [E]: True where the key differs from the one before it."""
    return np.diff(key, prepend=key[:1] - 1) != 0


def _nearest(block: sparse.csr_matrix, columns: sparse.csr_matrix, k: int) -> sparse.csr_matrix:
    """float32 [B, M]: 1 / found at the k nearest of the M columns that are not the row itself."""
    block = block.astype(np.float64)
    length = np.asarray(block.power(2).sum(axis=1)) + np.asarray(columns.power(2).sum(axis=0))
    gap = length - 2 * (block @ columns).toarray()  # [B, M], squared distances
    gap[gap <= 1e-12 * length] = np.inf
    best = top_k(-gap, min(k, gap.shape[1]))
    row, rank = np.nonzero(best.mask)
    share = (1 / np.maximum(best.mask.sum(axis=1), 1)).astype(np.float32)
    return sparse.csr_matrix((share[row], (row, best.index[row, rank])), shape=gap.shape)


def _check(
    neighbours: int, alpha: float, group_size: int, r_b: float, r_g: float, basket_seconds: int
) -> None:
    for name, count in (("neighbours", neighbours), ("group_size", group_size),
                        ("basket_seconds", basket_seconds)):  # fmt: skip
        if count < 1:
            raise UsageError(f"The '{name}' of TIFUKNN must be at least 1. Got {count} instead.")
    if not (0 <= alpha <= 1 and 0 < r_b <= 1 and 0 < r_g <= 1):
        raise UsageError(
            "TIFUKNN needs 'alpha' in [0, 1], 'r_b' and 'r_g' in (0, 1]. "
            f"Got {alpha}, {r_b} and {r_g} instead."
        )
