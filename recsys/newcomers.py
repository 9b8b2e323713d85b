"""How much of the id that goes with its content a new item has: as known items bear it out.

Where content says much of who takes an item, the δ that a ridge regression expects of it is worth
having before the first event; where it says little, it is noise beside the content itself.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from kg.events import EventLog
from kg.sequences import Sequences
from models.recommender import IntentRecommender
from models.ridge import Ridge
from recsys.evaluate import Relevant, some_users
from recsys.hits import top_k
from recsys.metrics.ranking import ndcg
from recsys.metrics.significance import sure_weight

SHARES = (0.25, 0.5, 1.0)
"""Tried beside 0."""
FOLDS, K = 5, 20
JUDGES = 1000
"""At most so many people of the validation part are asked."""


def choose_expected(
    model: IntentRecommender, histories: Sequences, valid: EventLog, told: np.ndarray | None,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Set the share of δ that is expected of items without events, and learn it.

    Each fifth of the trained items plays the new ones in turn: δ is expected of their content as
    the others teach it, and they are ranked among themselves for those who go on to one of them,
    told [U, T] being what BERT reads of the histories. The share is the best by NDCG@20, 0 unless
    it is surely better; without a validation part it stays what it is.
    """
    target = histories.unmet(some_users(valid.take(valid.has_item), JUDGES, rng))
    share = float(model.items.expect_share)
    if len(target):
        share = _Rehearsal(model.eval(), histories, target, told).best()
    model.items.expect(share)


class _Rehearsal:
    """Trained items in the part of new ones."""

    def __init__(
        self, model: IntentRecommender, histories: Sequences, target: EventLog,
        told: np.ndarray | None,
    ) -> None:  # fmt: skip
        with torch.inference_mode():
            parts = model.items()
        self.users, self.target = np.unique(target.user), target
        self.histories = histories.take(self.users)
        told = None if told is None else told[self.users]
        self.queries = model.encode_histories(self.histories, parts.vector, told)
        self.items = np.flatnonzero(model.trained_items.numpy(force=True))
        self.content = (parts.vector - parts.id).numpy(force=True)
        self.expected = np.zeros_like(self.content)
        x, delta, counts = model.items.taught()
        fold = np.arange(len(self.items)) % FOLDS
        self.folds = [self.items[fold == held] for held in range(FOLDS)]
        for held in range(FOLDS):
            own = fold != held
            found = Ridge.fit(x[own], delta[own], counts[own])
            if found is not None:
                self.expected[self.folds[held]] = found(x[~own])

    def best(self) -> float:
        return sure_weight(SHARES, self.ndcg) if self.expected.any() else 0.0

    def ndcg(self, share: float) -> np.ndarray:
        """float64 [P], of each person with a target the mean over the fifths that hold one."""
        total, times = np.zeros(len(self.users)), np.zeros(len(self.users))
        vectors = self.content + np.float32(share) * self.expected
        for rows, values in self._judged(vectors):
            total[rows] += values
            times[rows] += 1
        return total[times > 0] / times[times > 0]

    def _judged(self, vectors: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Of each fifth the people with a target in it (rows of the histories), and NDCG@20."""
        for items in self.folds:
            wanted = Relevant.of(self.target.take(np.isin(self.target.item, items)))
            if not len(wanted.user):
                continue
            rows = np.searchsorted(self.users, wanted.user)
            scores = self.queries[rows] @ vectors[items].T
            place = np.full(len(vectors), -1)
            place[items] = np.arange(len(items))
            own = self.histories.take(rows)
            met = place[own.item] >= 0
            scores[own.row[met], place[own.item[met]]] = -np.inf
            index = top_k(scores, K).index
            found = np.where(index >= 0, items[index], -1)
            yield rows, ndcg(wanted.hits(found), wanted.count, K)
