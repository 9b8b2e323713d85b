"""Who stands beside a trained model: neighbours, factors, trend, habits, and what is popular.

The score of an item is query · item + what these add, made here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy import sparse

from kg.events import EventLog
from kg.sequences import Sequences
from models.recommender import IntentRecommender
from recsys.judging.evaluate import ScoreRows
from recsys.partners.factors import Factors
from recsys.partners.habits import Habits
from recsys.partners.neighbours import Neighbours
from recsys.partners.popular import RECENT, popularity
from recsys.partners.trend import Trend


@dataclass(frozen=True, eq=False)
class Partners:
    """All that a score is beside query · item and the model's own repeats; None: there is none.

    `recent` is the last share of the events whose popularity answers someone of whom nothing is
    known. In lists where items met before compete with others, what is said of all items (trend,
    neighbours and factors) counts `mixed` times what it counts in lists of others alone.
    """

    recent: float = RECENT[0]
    mixed: float = 0.0
    trend: Trend | None = None
    neighbours: Neighbours | None = None
    habits: Habits | None = None
    factors: Factors | None = None

    def refit(self, log: EventLog, content: np.ndarray, lent: np.ndarray | None = None) -> Partners:
        """The same settings, fitted to this log; `content` float32 [N, D] are the item vectors
        without the ids. (Trend and popularity are counted when they are asked for.) `lent` [N] is
        the share of what is said of items like it that each item keeps beside its own.
        """
        near, habits, factors = self.neighbours, self.habits, self.factors
        return replace(
            self,
            factors=factors.refit(log, content, lent) if factors is not None else None,
            neighbours=near.refit(log, content, lent) if near is not None else None,
            habits=habits.refit(log) if habits is not None else None,
        )

    def without(self, name: str) -> Partners:
        """All but the one of this name: neighbours, factors, trend or habits."""
        gone: dict[str, Any] = {name: None}
        return replace(self, **gone)

    def with_items(self, content: np.ndarray, again: np.ndarray | None = None) -> Partners:
        """New items too; `content` float32 [M, D] of all, the new ones last. Of those before,
        `again` int64 [R] have another content, which counts where they were not fitted.
        """
        near, factors = self.neighbours, self.factors
        return replace(
            self,
            neighbours=near.with_items(content, again) if near is not None else None,
            factors=factors.with_items(content, again) if factors is not None else None,
        )

    def share(self, *, mixed: bool) -> float:
        """Of trend, neighbours and factors in such lists."""
        return self.mixed if mixed else 1.0

    def added(
        self, model: IntentRecommender, histories: Sequences, queries: np.ndarray,
        items: np.ndarray, *, mixed: bool,
    ) -> sparse.csr_matrix | None:  # fmt: skip
        """float32 [U, <= N], what is added to queries [U, D] · items [N, D], or None; trend and
        factors, which are for all items, are not in it.

        `mixed`: the lists hold items that were met before, which the model counts.
        """
        found = [prior_scores(model, histories, queries)]
        if mixed:
            found.append(model.repeat_bonus(histories, queries, torch.from_numpy(items)))
            if self.habits is not None:
                found.append(self.habits.scores(histories))
        if self.neighbours is not None and (share := self.share(mixed=mixed)):
            found.append(share * self.neighbours.scores(histories))
        parts = [part for part in found if part is not None]
        if not parts:
            return None
        width = max(part.shape[1] for part in parts)  # items that came later have no repeats
        for part in parts:
            part.resize((len(histories), width))
        return sparse.csr_matrix(sum(parts[1:], parts[0]))


def prior_scores(
    model: IntentRecommender, histories: Sequences, queries: np.ndarray
) -> sparse.csr_matrix | None:
    """float32 [U, N], what popularity adds where a profile is all that is known; None: nowhere."""
    fresh = np.asarray(model.fresh(histories, queries))
    if not fresh.any():
        return None
    prior = model.prior.numpy(force=True)[None].astype(np.float32)
    out = sparse.csr_matrix(fresh[:, None].astype(np.float32)) @ sparse.csr_matrix(prior)
    out.resize((len(histories), histories.num_items))
    return sparse.csr_matrix(out)


def scorer(
    model: IntentRecommender, partners: Partners, log: EventLog, histories: Sequences,
    queries: np.ndarray, items: np.ndarray, *, mixed: bool,
) -> ScoreRows:  # fmt: skip
    """The scores float32 [B, N] of some rows int64 [B] of `histories`, at the end of `log`.

    queries float32 [U, D], one per history; items float32 [N, D]. Who has no history and no profile
    gets what is popular.
    """
    mixed = mixed and model.repeat is not None
    popular, share = popularity(log, partners.recent), partners.share(mixed=mixed)
    factors, trend = partners.factors, partners.trend
    lately = None if trend is None or share == 0 else share * trend.values(log)
    unknown = (histories.lengths == 0) & ~queries.any(1)

    def score(rows: np.ndarray) -> np.ndarray:
        some, asked = histories.take(rows), queries[rows]
        scores = asked @ items.T
        if lately is not None:
            scores += lately
        if factors is not None and share:
            scores += share * factors.scores(some)[:, : len(items)]
        more = partners.added(model, some, asked, items, mixed=mixed)
        if more is not None:
            scores += more.toarray()
        scores[unknown[rows]] = popular
        return np.asarray(scores)

    return score
