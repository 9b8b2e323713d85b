"""Matrix factorisation by least squares in turns, with a small weight for everything untouched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from kg.errors import UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from recsys.baselines.base import finish, history_matrix, popularity_scores, training_matrix

BLOCK = 4_000_000
"""The numbers in one stack of vectors or systems, at most (but at least one row's)."""


@dataclass(frozen=True, eq=False)
class IALS:
    """scores = W H', where W [U, D] and H [M, D] come near the least of

    sum over touched (u, i) of (w_u h_i - 1)^2 + a sum over all (u, i) of (w_u h_i)^2
    + l (sum_u (n_u + a M)^nu |w_u|^2 + sum_i (n_i + a U)^nu |h_i|^2)

    with a = `unobserved_weight`, l = `regularisation`, n the touched partners of a user or item,
    U users and M items with training events. An epoch solves all users exactly, then all items.
    A history is scored by solving for its w, so a new user is as good as an old one. -inf for an
    item without training events; a history without one that has, is scored by popularity. Hu,
    Koren and Volinsky, Collaborative filtering for implicit feedback datasets, 2008; Rendle et
    al., Revisiting the performance of iALS on item recommendation benchmarks, 2022.

    known: int64 [M]. items: float32 [M, D]. popularity: float32 [N].
    """

    known: np.ndarray
    items: np.ndarray
    popularity: np.ndarray
    regularisation: float
    unobserved_weight: float
    nu: float
    name: str = "iALS"

    @classmethod
    def fit(
        cls,
        log: EventLog,
        rng: np.random.Generator,
        *,
        dim: int = 64,
        regularisation: float = 0.003,
        unobserved_weight: float = 0.1,
        epochs: int = 16,
        nu: float = 1.0,
    ) -> IALS:
        _check(dim, regularisation, unobserved_weight, epochs, nu)
        matrix = training_matrix(log)
        known = np.flatnonzero(matrix.getnnz(axis=0))
        matrix = matrix[matrix.getnnz(axis=1) > 0][:, known]
        columns = matrix.T.tocsr()
        settings = (regularisation, unobserved_weight, nu)
        items = rng.normal(0, 0.1 / np.sqrt(dim), (len(known), dim)).astype(np.float32)
        for _ in range(epochs):
            users = solve(matrix, items, *settings)
            items = solve(columns, users, *settings)
        return cls(known, items, popularity_scores(log.item_counts()), *settings)

    def scores(self, histories: Sequences) -> np.ndarray:
        """float32 [U, N]."""
        history = history_matrix(histories, len(self.popularity))[:, self.known]
        settings = (self.regularisation, self.unobserved_weight, self.nu)
        scores = np.full((len(histories), len(self.popularity)), -np.inf, np.float32)
        scores[:, self.known] = solve(history, self.items, *settings) @ self.items.T
        return finish(scores, history.getnnz(axis=1) == 0, self.popularity)


def solve(
    matrix: sparse.csr_matrix,
    other: np.ndarray,
    regularisation: float,
    unobserved_weight: float,
    nu: float,
    gram: np.ndarray | None = None,
) -> np.ndarray:
    """float32 [R, D], the best row vectors for the touched partners `matrix` [R, C] of vectors
    `other` [C, D]:

    x_r = (T'T + a O'O + l (n_r + a C)^nu I)^-1 T'1, T [n_r, D] = the partners of r, O = other.

    Rows of equal n_r are solved together, through [n_r, n_r] systems instead of [D, D] where
    n_r < D: (T'T + A)^-1 T'1 = A^-1 T' (I + T A^-1 T')^-1 1. `gram` is O'O, if it is known.
    """
    dim = other.shape[1]
    out = np.zeros((matrix.shape[0], dim), np.float32)
    base = unobserved_weight * (other.T @ other if gram is None else gram)
    count = np.diff(matrix.indptr)
    for n in np.unique(count[count > 0]).tolist():
        penalty = regularisation * (n + unobserved_weight * len(other)) ** nu
        system = base + np.float32(penalty) * np.eye(dim, dtype=np.float32)
        rows = np.flatnonzero(count == n)
        step = max(1, BLOCK // (max(n, dim) * dim))
        for part in np.split(rows, range(step, len(rows), step)):
            partners = matrix.indices[matrix.indptr[part, None] + np.arange(n)]
            out[part] = (_short if n < dim else _long)(other[partners], system)
    return out


def _long(touched: np.ndarray, system: np.ndarray) -> np.ndarray:
    """[b, D] from touched [b, n, D] by b systems [D, D]."""
    left = touched.transpose(0, 2, 1) @ touched + system
    return np.linalg.solve(left, touched.sum(axis=1)[..., None])[..., 0]


def _short(touched: np.ndarray, system: np.ndarray) -> np.ndarray:
    """[b, D] from touched [b, n, D] by b systems [n, n]."""
    b, n, dim = touched.shape
    half = np.linalg.solve(system, touched.reshape(-1, dim).T).T.reshape(b, n, dim)
    left = half @ touched.transpose(0, 2, 1) + np.eye(n, dtype=np.float32)
    weight = np.linalg.solve(left, np.ones((b, n, 1), np.float32))
    return (half * weight).sum(axis=1)


def _check(
    dim: int, regularisation: float, unobserved_weight: float, epochs: int, nu: float
) -> None:
    if dim < 1 or epochs < 1:
        raise UsageError(
            f"The 'dim' and 'epochs' of IALS must be at least 1. Got {dim} and {epochs} instead."
        )
    if not (regularisation > 0 and unobserved_weight >= 0 and nu >= 0):
        raise UsageError(
            "IALS needs 'regularisation' > 0, 'unobserved_weight' >= 0 and 'nu' >= 0. "
            f"Got {regularisation}, {unobserved_weight} and {nu} instead."
        )
