"""What the rivals for cold start share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from recsys.baselines.base import history_matrix, popularity_scores, training_matrix
from recsys.baselines.ials import IALS, solve


def check(name: str, content: np.ndarray, log: EventLog) -> np.ndarray:
    """bool [N]: which items have a content. `UsageError` for another shape than [N, T], `DataError`
    where no item with events has any.
    """
    if content.ndim != 2 or len(content) != len(log.items):
        raise UsageError(
            f"The 'content' of {name}.fit must be [{len(log.items)}, T], one row per item. "
            f"Got {list(content.shape)} instead."
        )
    training_matrix(log)
    told = np.asarray((content != 0).any(axis=1))
    if not (told & (log.item_counts() > 0)).any():
        raise DataError(f"{name} needs at least one item with both a content and an event.")
    return told


@dataclass(frozen=True, eq=False)
class Linear:
    """y = (x - centre) @ weights + base, in closed form.

    centre float32 [T], weights float32 [T, D], base float32 [D].
    """

    centre: np.ndarray
    weights: np.ndarray
    base: np.ndarray

    @classmethod
    def fit(cls, x: np.ndarray, y: np.ndarray, l2: float) -> Linear:
        """Least of |y - ŷ|² + l2 t |weights|² over rows [M], t the mean of |column|² of the centred
        x: so `l2` means the same whatever the scale of the content. `base` has no penalty.
        """
        if not l2 > 0:
            raise UsageError(f"The 'l2' of a ridge regression must be above 0. Got {l2} instead.")
        centre, base = x.mean(0), y.mean(0)
        apart = (x - centre).astype(np.float64)
        gram = apart.T @ apart
        gram[np.diag_indices_from(gram)] += l2 * max(np.trace(gram) / len(gram), 1e-12)
        cross = apart.astype(np.float32).T @ y  # the columns of apart sum to 0: base falls out
        weights = np.linalg.solve(gram, cross)
        return cls(centre, weights.astype(np.float32), base)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """float32 [n, D]."""
        return np.asarray((x - self.centre) @ self.weights + self.base, np.float32)


@dataclass(frozen=True, eq=False)
class Factors:
    """A factorisation of the training events, and histories as factors.

    `scale` is the standard deviation of the items' numbers: what networks read is divided by it.
    """

    model: IALS
    scale: float

    @classmethod
    def fit(
        cls, log: EventLog, rng: np.random.Generator, dim: int, regularisation: float
    ) -> Factors:
        model = IALS.fit(log, rng, dim=dim, regularisation=regularisation)
        return cls(model, float(model.items.std()) or 1.0)

    @property
    def items(self) -> np.ndarray:
        """float32 [M, D] of the items with events."""
        return self.model.items

    def users(self, histories: Sequences) -> tuple[np.ndarray, np.ndarray]:
        """float32 [U, D], and bool [U]: histories without a known item, which are zeros."""
        own, model = history_matrix(histories, len(self.model.popularity)), self.model
        own = own[:, model.known]
        found = solve(own, model.items, model.regularisation, model.unobserved_weight, model.nu)
        return found, np.asarray(own.getnnz(axis=1) == 0)


def scored(
    user: np.ndarray, item: np.ndarray, told: np.ndarray, empty: np.ndarray, counts: np.ndarray
) -> np.ndarray:
    """float32 [U, N] of user [U, D] and item [N, D]: -inf for items of which nothing is known
    (bool [N] `told`), popularity for a history that says nothing (bool [U] `empty`).
    """
    scores = np.asarray(user @ item.T, np.float32)
    scores[empty] = popularity_scores(counts)
    scores[:, ~told] = -np.inf
    return scores
