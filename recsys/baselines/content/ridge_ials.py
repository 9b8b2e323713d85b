"""From content to the factors of iALS: a new item gets those that its content lets expect."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kg.events import EventLog
from kg.sequences import Sequences
from recsys.baselines.content.base import Factors, Linear, check, scored


@dataclass(frozen=True, eq=False)
class RidgeIALS:
    """score = w · h_j, w the factors of the history, h_j those of the item or, for one without
    events, `boost` times what a ridge regression of the factors on the content says.

    Gantner et al., Learning attribute-to-feature mappings for cold-start recommendations, 2010.
    Items without events and content are -inf; a history without a known item is scored by
    popularity. items: float32 [N, D]. told: bool [N], items that are scored. counts: int64 [N].
    """

    factors: Factors
    items: np.ndarray
    told: np.ndarray
    counts: np.ndarray
    name: str = "ridge to iALS"

    @classmethod
    def fit(
        cls, content: np.ndarray, log: EventLog, rng: np.random.Generator, l2: float = 1.0,
        dim: int = 64, regularisation: float = 0.003, boost: float = 1.0,
    ) -> RidgeIALS:  # fmt: skip
        told = check("RidgeIALS", content, log)
        factors = Factors.fit(log, rng, dim, regularisation)
        known = factors.model.known
        at = np.flatnonzero(told[known])
        items = boost * Linear.fit(content[known[at]], factors.items[at], l2)(content)
        items[known] = factors.items
        counts = log.item_counts()
        return cls(factors, items, told | (counts > 0), counts)

    def scores(self, histories: Sequences) -> np.ndarray:
        """float32 [U, N]."""
        user, empty = self.factors.users(histories)
        return scored(user, self.items, self.told, empty, self.counts)
