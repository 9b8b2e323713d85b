"""From content to the columns of EASE: what a history says of an item that nobody touched."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kg.events import EventLog
from kg.sequences import Sequences
from recsys.baselines.base import history_matrix
from recsys.baselines.content.base import Linear, check
from recsys.baselines.ease import EASE


@dataclass(frozen=True, eq=False)
class RidgeEASE:
    """score_j = X B_j, B_j the column of EASE or, for an item without events, `boost` times what a
    ridge regression of the columns on the content says of its content.

    Gantner et al., Learning attribute-to-feature mappings for cold-start recommendations, 2010, for
    the columns of Steck's EASE. Items without events and content are -inf; a history without a
    known item is scored by popularity.

    columns: regression from content [T] to [M]. new: int64 [C], items without events that have a
    content float32 [C, T]. counts: int64 [N].
    """

    warm: EASE
    columns: Linear
    new: np.ndarray
    content: np.ndarray
    counts: np.ndarray
    boost: float
    name: str = "ridge to EASE"

    @classmethod
    def fit(
        cls, content: np.ndarray, log: EventLog, l2: float = 1.0, ease_l2: float = 300.0,
        boost: float = 1.0,
    ) -> RidgeEASE:  # fmt: skip
        told = check("RidgeEASE", content, log)
        warm, counts = EASE.fit(log, ease_l2), log.item_counts()
        at = np.flatnonzero(told[warm.known])
        columns = Linear.fit(content[warm.known[at]], warm.weights[:, at].T, l2)
        new = np.flatnonzero(told & (counts == 0))
        return cls(warm, columns, new, content[new], counts, boost)

    def scores(self, histories: Sequences) -> np.ndarray:
        """float32 [U, N]."""
        scores = self.warm.scores(histories)
        own = history_matrix(histories, len(self.counts))[:, self.warm.known]
        said = np.asarray(own @ self.columns.weights.T)  # [U, T]
        usual = np.asarray(own @ self.columns.base)
        found = said @ (self.content - self.columns.centre).T + usual[:, None]
        scores[:, self.new] = self.boost * found
        empty = np.asarray(own.getnnz(axis=1) == 0)
        scores[np.ix_(empty, self.new)] = -np.inf
        return scores
