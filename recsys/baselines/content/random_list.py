"""Items in an order that means nothing: what a list without any knowledge is worth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kg.events import EventLog
from kg.sequences import Sequences
from recsys.baselines.base import history_matrix, training_matrix


@dataclass(frozen=True, eq=False)
class RandomList:
    """score = a number drawn evenly from [0, 1), for each item and history anew.

    The same history always draws the same numbers, whoever stands beside it. num_items: N.
    """

    num_items: int
    seed: int
    name: str = "random"

    @classmethod
    def fit(cls, log: EventLog, rng: np.random.Generator) -> RandomList:
        training_matrix(log)
        return cls(len(log.items), int(rng.integers(2**31)))

    def scores(self, histories: Sequences) -> np.ndarray:
        """float32 [U, N]."""
        history_matrix(histories, self.num_items)
        out = np.empty((len(histories), self.num_items), np.float32)
        for row in range(len(histories)):
            own = np.random.default_rng([self.seed, *histories.items_of(row).tolist()])
            out[row] = own.random(self.num_items, np.float32)
        return out
