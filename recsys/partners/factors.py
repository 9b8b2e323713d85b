"""Factors beside the model: a narrow matrix factorisation of who met what, in no order at all.

Least squares over everything that was and was not touched (iALS) reads a history as a bag, which
the transformer and the links of the neighbours do not; where the order of events says little, it is
hard to beat. A person's factors follow from the history in closed form, so that these scores are
further numbers of the query and of the item vectors: one inner product, one index. What they weigh
is chosen on validation; 0 leaves them out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from kg.events import EventLog
from kg.sequences import Sequences
from models.ridge import Ridge
from recsys.baselines.ials import IALS, solve

UNTOUCHED = 0.1
"""What an item weighs that a person did not touch, against one that they did."""
PERSON = 1.0
"""How the ridge grows with the events of a person or an item (nu of Rendle et al.)."""


class FactorConfig(BaseModel):
    """The factorisation beside the model."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    factor_dim: int = Field(64, ge=0, le=1024, description="0: no factors.")
    factor_ridge: float = Field(0.01, gt=0, description="For each event and untouched item.")


@dataclass(frozen=True, eq=False)
class Factors:
    """weight · x · h_j / s is added to the score of item j: x are the factors of the history, h_j
    those of the item, s the standard deviation of x · h over the items that were fitted.

    known int64 [K] are these items, vectors float32 [M, F] the factors of all, also of those that
    came later (see `heard`). `seed` draws the first factors.
    """

    known: np.ndarray
    vectors: np.ndarray
    weight: float
    seed: int
    config: FactorConfig
    _kept: dict[str, Ridge | None] = field(default_factory=dict, repr=False)

    @classmethod
    def fit(
        cls, log: EventLog, content: np.ndarray, config: FactorConfig, seed: int
    ) -> Factors | None:
        """Fitted to `log`, with a weight of 1; None without an event of an item, or a width.

        content float32 [M, D] are the item vectors without the ids.
        """
        if config.factor_dim == 0 or not log.has_item.any():
            return None
        model = IALS.fit(
            log, np.random.default_rng(seed), dim=config.factor_dim,
            regularisation=config.factor_ridge, unobserved_weight=UNTOUCHED, nu=PERSON,
        )  # fmt: skip
        vectors = np.zeros((len(log.items), config.factor_dim), np.float32)
        vectors[model.known] = model.items
        return cls(model.known, heard(vectors, model.known, content), 1.0, seed, config)

    def refit(
        self, log: EventLog, content: np.ndarray, lent: np.ndarray | None = None
    ) -> Factors | None:
        """The same settings, from this log. `lent` [N] is the share of the factors of items like it
        that each item has beside its own.
        """
        fitted = Factors.fit(log, content, self.config, self.seed)
        if fitted is None:
            return None
        found = replace(fitted, weight=self.weight)
        if lent is None:
            return found
        rows = fitted.known[lent[fitted.known] > 0]  # the others have all of it anyway
        return found._lent(rows, lent[rows], content) if len(rows) else found

    def _lent(self, rows: np.ndarray, share: np.ndarray, content: np.ndarray) -> Factors:
        fitted = np.setdiff1d(self.known, rows)
        vectors = self.vectors.copy()
        vectors[rows] += share[:, None] * guessed(vectors, fitted, content, rows)
        return replace(self, vectors=vectors, _kept={})

    def with_items(self, content: np.ndarray, again: np.ndarray | None = None) -> Factors:
        """New items too; `content` float32 [M, D] of all items, the new ones last, of which those
        `again` int64 [R] have another than before: it counts where they were not fitted.
        """
        again = np.zeros(0, np.int64) if again is None else again
        there = len(self.vectors)
        rows = np.concatenate([np.setdiff1d(again, self.known), np.arange(there, len(content))])
        if not len(rows):
            return self
        if "map" not in self._kept:
            self._kept["map"] = content_map(self.vectors, self.known, content)
        vectors = np.zeros((len(content), self.vectors.shape[1]), np.float32)
        vectors[:there] = self.vectors
        vectors[rows] = said_of(self._kept["map"], content[rows], vectors.shape[1])
        return replace(self, vectors=vectors)

    def queries(self, histories: Sequences) -> np.ndarray:
        """float32 [U, F], to be multiplied with `vectors`: weight · x / s; zeros where nothing is
        known of a history.
        """
        items = self._fitted
        if len(histories) == 0:
            return np.zeros((0, items.shape[1]), np.float32)
        touched = histories.matrix()[:, self.known]
        found = solve(touched, items, self.config.factor_ridge, UNTOUCHED, PERSON, self._gram)
        square = ((found @ self._scatter) * found).sum(1)
        spread = np.sqrt(np.maximum(square, 0) / len(items))
        scale = np.divide(self.weight, spread, out=np.zeros_like(spread), where=spread > 0)
        return np.asarray(found * scale[:, None], np.float32)

    @cached_property
    def _fitted(self) -> np.ndarray:
        """float32 [K, F]."""
        return self.vectors[self.known]

    @cached_property
    def _gram(self) -> np.ndarray:
        """float32 [F, F]."""
        return self._fitted.T @ self._fitted

    @cached_property
    def _scatter(self) -> np.ndarray:
        """float32 [F, F], K times the covariance of the fitted items."""
        apart = self._fitted - self._fitted.mean(0)
        return np.asarray(apart.T @ apart)

    def scores(self, histories: Sequences) -> np.ndarray:
        """float32 [U, M], what is added to the score of each item."""
        return np.asarray(self.queries(histories) @ self.vectors.T)


def heard(vectors: np.ndarray, known: np.ndarray, content: np.ndarray) -> np.ndarray:
    """`vectors` [<= M, F] for each of M items: those that were not fitted have what goes with their
    `content` [M, D], as the fitted ones say.
    """
    out = np.zeros((len(content), vectors.shape[1]), np.float32)
    out[known] = vectors[known]
    cold = np.setdiff1d(np.arange(len(content)), known)
    out[cold] = guessed(vectors, known, content, cold)
    return out


def guessed(
    vectors: np.ndarray, known: np.ndarray, content: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """float32 [C, F], the factors that go with the content of these rows, as `known` items say."""
    return said_of(content_map(vectors, known, content), content[rows], vectors.shape[1])


def content_map(vectors: np.ndarray, known: np.ndarray, content: np.ndarray) -> Ridge | None:
    """From content to factors, by a ridge regression on the `known` items that have a content."""
    told = known[content[known].any(1)]
    return Ridge.fit(content[told], vectors[told])


def said_of(found: Ridge | None, content: np.ndarray, width: int) -> np.ndarray:
    """float32 [C, F], the factors that go with a content [C, D]; 0 without one or without a map."""
    if found is None:
        return np.zeros((len(content), width), np.float32)
    return np.asarray(found(content) * content.any(axis=1, keepdims=True), np.float32)
