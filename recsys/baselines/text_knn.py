"""Items whose text is near to the texts of the history; the one baseline that knows new items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from kg.errors import UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from recsys.baselines.base import history_matrix, training_matrix


@dataclass(frozen=True, eq=False)
class TextKNN:
    """score_j = mean (or max) over the `last` history items i with a text of cos(v_i, v_j).

    v = text vector minus the mean over the items that have a text and training events. Every item
    with a text is scored, cold ones included; a zero vector means no text and is -inf. A history
    without any text is scored by training events per item (0 for a cold one).

    unit: float32 [N, D], centred and of length 1 (zeros: no text). has_text: bool [N].
    counts: float32 [N].
    """

    unit: np.ndarray
    has_text: np.ndarray
    counts: np.ndarray
    last: int
    how: Literal["mean", "max"]
    name: str = "text-kNN"

    @classmethod
    def fit(
        cls,
        vectors: np.ndarray,
        log: EventLog,
        last: int = 20,
        how: Literal["mean", "max"] = "mean",
    ) -> TextKNN:
        _check(vectors, log, last, how)
        training_matrix(log)
        counts = log.item_counts()
        has_text = np.asarray((vectors != 0).any(axis=1))
        warm = has_text & (counts > 0)
        centre = vectors[warm if warm.sum() > 1 else has_text].mean(axis=0) if warm.any() else 0.0
        unit = np.where(has_text[:, None], vectors - centre, 0.0)
        unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
        return cls(unit.astype(np.float32), has_text, counts.astype(np.float32), last, how)

    def scores(self, histories: Sequences) -> np.ndarray:
        """float32 [U, N]."""
        history_matrix(histories, len(self.unit))
        rows, items = self._recent(histories)  # [R], sorted by row
        length = np.bincount(rows, minlength=len(histories))
        out = np.tile(self.counts, (len(histories), 1))
        full = np.flatnonzero(length)
        starts = np.cumsum(length) - length
        if self.how == "mean" and len(full):
            query = np.add.reduceat(self.unit[items], starts[full], axis=0)  # [full, D]
            out[full] = (query / length[full, None].astype(np.float32)) @ self.unit.T
        if self.how == "max":
            for row in full:  # one history at a time: [last, N] and no more
                own = items[starts[row] : starts[row] + length[row]]
                out[row] = (self.unit[own] @ self.unit.T).max(axis=0)
        out[:, ~self.has_text] = -np.inf
        return out

    def _recent(self, histories: Sequences) -> tuple[np.ndarray, np.ndarray]:
        """int64 [R], [R]: row and item of the `last` events of each history that have a text."""
        row = histories.row
        keep = self.has_text[histories.item]
        row, item = row[keep], histories.item[keep]
        ends = np.cumsum(np.bincount(row, minlength=len(histories)))
        near = ends[row] - np.arange(len(row)) <= self.last
        return row[near], item[near]


def _check(vectors: np.ndarray, log: EventLog, last: int, how: str) -> None:
    if vectors.ndim != 2 or len(vectors) != len(log.items):
        raise UsageError(
            f"The 'vectors' of TextKNN.fit must be [{len(log.items)}, D], one row per item. "
            f"Got {list(vectors.shape)} instead."
        )
    if last < 1 or how not in ("mean", "max"):
        raise UsageError(
            f"TextKNN needs 'last' >= 1 and 'how' 'mean' or 'max'. Got {last} and {how!r} instead."
        )
