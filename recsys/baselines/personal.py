"""What this person touched often and lately: the baseline to beat where people buy again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kg.errors import UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from recsys.baselines.base import finish_known, history_matrix, popularity_scores, training_matrix


@dataclass(frozen=True, eq=False)
class PersonalFrequency:
    """Own items by decayed frequency, in [1, inf); below them all others by popularity, in [0, 1).

    p_j = sum over the own events on j of decay^a, where a events of the history came later; with
    `half_life_days`, in a history with times, of 2^(-d / half_life_days), where d days lie between
    the event and the newest one. score_j = 1 + log(p_j / min p), the minimum over the own items;
    c_j / (1 + max c) for an item that is not in the history, c = training events. The logarithm
    keeps the order of p, and in float64 also that of an event 10,000 events ago at decay 0.5.
    -inf for an item without training events; a history without one that has, is scored by c.

    Only worth something if items seen before may be recommended (`filter_seen=False`). Compare Hu
    et al., Modeling Personalized Item Frequency Information for Next-basket Recommendation, 2020.

    popularity: float32 [N].
    """

    popularity: np.ndarray
    decay: float
    half_life_days: float | None
    name: str = "personal frequency"

    @classmethod
    def fit(
        cls, log: EventLog, decay: float = 0.999, half_life_days: float | None = None
    ) -> PersonalFrequency:
        if not 0 < decay <= 1 or (half_life_days is not None and not half_life_days > 0):
            raise UsageError(
                "PersonalFrequency needs 'decay' in (0, 1] and 'half_life_days' > 0 or None. "
                f"Got {decay} and {half_life_days} instead."
            )
        training_matrix(log)
        return cls(popularity_scores(log.item_counts()), decay, half_life_days)

    def scores(self, histories: Sequences) -> np.ndarray:
        """float32 [U, N]."""
        n = len(self.popularity)
        history = history_matrix(histories, n)
        key = histories.row * n + histories.item
        pair, own = _log_sums(key, self._log_weights(histories))
        row, item = pair // n, pair % n
        lowest = np.full(len(histories), np.inf)
        np.minimum.at(lowest, row, own)
        scores = np.tile(self.popularity / (1 + self.popularity.max()), (len(histories), 1))
        scores[row, item] = 1 + own - lowest[row]
        return finish_known(scores, history, self.popularity)

    def _log_weights(self, histories: Sequences) -> np.ndarray:
        """float64 [E] <= 0: the logarithm of what each event counts."""
        newest = np.repeat(histories.offsets[1:] - 1, histories.lengths)
        if self.half_life_days is None or histories.time is None:
            return np.log(self.decay) * (newest - np.arange(len(newest)))
        days = (histories.time[newest] - histories.time) / 86400
        return -np.log(2) / self.half_life_days * days


def _log_sums(key: np.ndarray, log_weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The K distinct keys int64 [K] and log(sum of exp(log_weight)) of each, float64 [K]."""
    keys, group = np.unique(key, return_inverse=True)
    top = np.full(len(keys), -np.inf)
    np.maximum.at(top, group, log_weight)
    total = np.bincount(group, np.exp(log_weight - top[group]), minlength=len(keys))
    return keys, top + np.log(total)
