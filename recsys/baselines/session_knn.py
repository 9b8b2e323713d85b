"""What followed in the past histories that share most with the last events of this one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from kg.errors import UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from recsys.baselines.base import (
    finish,
    history_matrix,
    keep_best,
    popularity_scores,
    training_matrix,
)

BLOCK = 2_000_000
"""The numbers in a dense block while scoring, at most (but at least one row)."""


@dataclass(frozen=True, eq=False)
class SessionKNN:
    """score_j = sum over the nearest past histories s that hold j of sim(s).

    sim(s) = sum over the items i of the history that s holds too of (L - a_i) / L: L is the
    number of events read (at most the `last`), a_i how many of them came after the newest one on
    i. Candidates are the `sample` most recent past histories with sim > 0 (by their last event;
    in a log without times none is more recent, and all are candidates), the nearest are the
    `neighbours` of largest sim (ties: the more recent). The history itself, if it was in the log,
    may be one of them and then adds to its own items only. -inf for an item without training
    events; a history that shares nothing with the past is scored by popularity. V-SkNN in Ludewig
    and Jannach, Evaluation of session-based recommendation algorithms, 2018.

    past: sparse float32 [M, N], 1 where past history m holds the item, the most recent first.
    popularity: float32 [N].
    """

    past: sparse.csr_matrix
    popularity: np.ndarray
    neighbours: int
    sample: int
    last: int
    name: str = "session-kNN"

    @classmethod
    def fit(
        cls, log: EventLog, neighbours: int = 100, sample: int = 1000, last: int = 10
    ) -> SessionKNN:
        for name, count in (("neighbours", neighbours), ("sample", sample), ("last", last)):
            if count < 1:
                raise UsageError(
                    f"The '{name}' of SessionKNN must be at least 1. Got {count} instead."
                )
        past = training_matrix(log)
        histories = Sequences.of(log)
        row = np.flatnonzero(histories.lengths)
        if histories.time is not None:
            ended = histories.time[histories.offsets[row + 1] - 1]
            row = row[np.argsort(-ended, kind="stable")]
        popularity = popularity_scores(log.item_counts())
        candidates = len(row) if histories.time is None else sample
        return cls(past[row], popularity, neighbours, candidates, last)

    def scores(self, histories: Sequences) -> np.ndarray:
        """float32 [U, N]."""
        history_matrix(histories, len(self.popularity))
        query = recent_weights(histories, self.last)
        columns = self.past.T.tocsr()  # [N, M]
        scores = np.empty(query.shape, np.float32)
        step = max(1, BLOCK // max(self.past.shape))
        for start in range(0, len(histories), step):
            near = self._nearest(query[start : start + step], columns)
            scores[start : start + step] = (near @ self.past).toarray()
        return finish(scores, (scores == 0).all(axis=1), self.popularity)

    def _nearest(self, query: sparse.csr_matrix, columns: sparse.csr_matrix) -> sparse.csr_matrix:
        """float32 [B, M]: sim at the nearest past histories of each row."""
        sim = (query @ columns).toarray()
        shares = sim > 0
        if self.sample < len(self.past.indptr) - 1:
            shares &= np.cumsum(shares, axis=1, dtype=np.int32) <= self.sample
        sim[~shares] = -np.inf
        return keep_best(sim, self.neighbours)


def recent_weights(histories: Sequences, last: int) -> sparse.csr_matrix:
    """float32 [U, N]: (L - a) / L at the items of the last L = min(last, length) events.

    a counts the events after it; of an item that occurs twice the newer event counts.
    """
    row = histories.row
    age = histories.offsets[1:][row] - 1 - np.arange(len(row))
    read = np.minimum(histories.lengths, last)[row]
    key = row * histories.num_items + histories.item
    newest = len(key) - 1 - np.unique(key[::-1], return_index=True)[1]
    counts = np.zeros(len(key), bool)
    counts[newest] = True
    counts &= age < last
    weight = np.where(counts, (read - age) / np.maximum(read, 1), 0).astype(np.float32)
    out = histories.matrix(weight)
    out.eliminate_zeros()
    return out
