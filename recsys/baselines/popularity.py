"""The same list for everybody: what most people touched, ever or lately."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kg.errors import UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from recsys.baselines.base import history_matrix, popularity_scores, training_matrix


@dataclass(frozen=True, eq=False)
class Popularity:
    """score_i = number of training events of item i; -inf for an item without one.

    `item_scores` float32 [N]. The history is not read.
    """

    item_scores: np.ndarray
    name: str = "popularity"

    @classmethod
    def fit(cls, log: EventLog) -> Popularity:
        training_matrix(log)
        return cls(popularity_scores(log.item_counts()))

    def scores(self, histories: Sequences) -> np.ndarray:
        """float32 [U, N]."""
        return _everybody(self.item_scores, histories)


@dataclass(frozen=True, eq=False)
class RecentPopularity:
    """score_i = c_i + e_i / (2 max e): events in the last days, ties by events ever; -inf if none.

    `item_scores` float32 [N]. c_i counts events within `days` of the log's last event; in a log
    without times it counts the last `share` of each user's events (at least one).
    """

    item_scores: np.ndarray
    name: str = "recent popularity"

    @classmethod
    def fit(cls, log: EventLog, days: float = 30.0, share: float = 0.1) -> RecentPopularity:
        if not (days > 0 and 0 < share <= 1):
            raise UsageError(
                "RecentPopularity needs 'days' > 0 and 'share' in (0, 1]. "
                f"Got {days} and {share} instead."
            )
        training_matrix(log)
        ever = log.item_counts()
        recent = log.take(_recent(log, days, share)).item_counts()
        score = recent + ever / (2 * ever.max())
        return cls(np.where(ever > 0, score, -np.inf).astype(np.float32))

    def scores(self, histories: Sequences) -> np.ndarray:
        """float32 [U, N]."""
        return _everybody(self.item_scores, histories)


def _everybody(item_scores: np.ndarray, histories: Sequences) -> np.ndarray:
    history_matrix(histories, len(item_scores))
    return np.tile(item_scores, (len(histories), 1))


def _recent(log: EventLog, days: float, share: float) -> np.ndarray:
    """bool [E]: the events of the last days, or of the end of each user's history."""
    if log.time is not None:
        return np.asarray(log.time > log.time.max() - days * 86400)
    counts = log.user_counts()
    from_end = np.cumsum(counts)[log.user] - np.arange(len(log))  # 1 = the user's last event
    return np.asarray(from_end <= np.ceil(share * counts)[log.user])
