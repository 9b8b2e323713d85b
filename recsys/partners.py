"""Who stands beside a trained model: neighbours, factors, trend, habits, and what is popular.

The score of an item is query · item + what these add, made here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from scipy import sparse

from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import Split
from models.recommender import IntentRecommender
from recsys.evaluate import SCORE, ScoreRows, evaluate_rows
from recsys.factors import FactorConfig, Factors, choose_factors
from recsys.habits import HabitConfig, Habits, choose_habits
from recsys.neighbours import NeighbourConfig, Neighbours, choose
from recsys.popular import RECENT, popularity
from recsys.trend import Trend, TrendConfig, choose_trend, weighed

JUDGED = 4000
"""At most so many users choose the weights."""


@dataclass(frozen=True, eq=False)
class Partners:
    """All that a score is beside query · item and the model's own repeats; None: there is none.

    `recent` is the last share of the events whose popularity answers someone of whom nothing is
    known. With a `memo` what a person's own items get is kept while weights are tried.
    """

    recent: float = RECENT[0]
    trend: Trend | None = None
    neighbours: Neighbours | None = None
    habits: Habits | None = None
    factors: Factors | None = None
    memo: dict[Any, Any] | None = field(default=None, repr=False)

    def refit(self, log: EventLog, content: np.ndarray) -> Partners:
        """The same settings, fitted to this log; `content` float32 [N, D] are the item vectors
        without the ids. (Trend and popularity are counted when they are asked for.)
        """
        near, habits, factors = self.neighbours, self.habits, self.factors
        return replace(
            self,
            factors=factors.refit(log, content) if factors is not None else None,
            neighbours=near.refit(log, content) if near is not None else None,
            habits=habits.refit(log) if habits is not None else None,
        )

    def without(self, name: str) -> Partners:
        """All but the one of this name: neighbours, factors, trend or habits."""
        gone: dict[str, Any] = {name: None}
        return replace(self, **gone)

    def with_items(self, content: np.ndarray) -> Partners:
        """New items too; `content` float32 [M, D] of all, the new ones last."""
        near, factors = self.neighbours, self.factors
        return replace(
            self,
            neighbours=near.with_items(content) if near is not None else None,
            factors=factors.with_items(content) if factors is not None else None,
        )

    def bias(self, log: EventLog, *, mixed: bool) -> np.ndarray | None:
        """float32 [N], what is added to the scores of everyone with a history or a profile."""
        return None if self.trend is None else self.trend.bias(log, mixed=mixed)

    def added(
        self, model: IntentRecommender, histories: Sequences, queries: np.ndarray,
        items: np.ndarray, *, mixed: bool, bias: np.ndarray | None = None,
    ) -> sparse.csr_matrix | None:  # fmt: skip
        """float32 [U, <= N], what is added to queries [U, D] · items [N, D] + `bias` [N], or None;
        the factors, which are for all items, are not in it.

        `mixed`: the lists hold items that were met before, if the model counts repeats.
        """
        mixed = mixed and model.repeat is not None
        found = [prior_scores(model, histories, queries)]
        if mixed:
            told = self.trend and (self.trend.share, self.trend.mixed)
            found.append(self._kept(
                "repeats", told, histories,
                lambda: model.repeat_bonus(histories, queries, torch.from_numpy(items), bias),
            ))  # fmt: skip
        if mixed and (habits := self.habits) is not None:
            lifted = self._kept(
                "habits", id(habits.network), histories, lambda: habits.lifted(histories)
            )
            found.append(habits.weight * lifted)
        if self.neighbours is not None:
            found.append(self.neighbours.scores(histories, mixed=mixed))
        parts = [part for part in found if part is not None]
        if not parts:
            return None
        width = max(part.shape[1] for part in parts)  # items that came later have no repeats
        for part in parts:
            part.resize((len(histories), width))
        return sparse.csr_matrix(sum(parts[1:], parts[0]))

    def _kept(
        self, kind: str, key: object, histories: Sequences, make: Callable[[], sparse.csr_matrix]
    ) -> sparse.csr_matrix:
        """What `make` gives, or gave for the same people and key the last time."""
        if self.memo is None or histories.who is None:
            return make()
        at = (kind, histories.who.tobytes())
        if at not in self.memo or self.memo[at][0] != key:
            self.memo[at] = (key, make())
        return self.memo[at][1].copy()


def prior_scores(
    model: IntentRecommender, histories: Sequences, queries: np.ndarray
) -> sparse.csr_matrix | None:
    """float32 [U, N], what popularity adds where a profile is all that is known; None: nowhere."""
    fresh = np.asarray(model.fresh(histories, queries))
    if not fresh.any():
        return None
    prior = model.prior.numpy()[None].astype(np.float32)
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
    bias, popular = partners.bias(log, mixed=mixed), popularity(log, partners.recent)
    factors = partners.factors
    counted = mixed and model.repeat is not None
    unknown = (histories.lengths == 0) & ~queries.any(1)

    def score(rows: np.ndarray) -> np.ndarray:
        some, asked = histories.take(rows), queries[rows]
        scores = asked @ items.T
        if bias is not None:
            scores += bias
        if factors is not None and factors.of(mixed=counted):
            scores += factors.scores(some, mixed=counted)[:, : len(items)]
        more = partners.added(model, some, asked, items, mixed=mixed, bias=bias)
        if more is not None:
            scores += more.toarray()
        scores[unknown[rows]] = popular
        return np.asarray(scores)

    return score


def choose_partners(
    model: IntentRecommender,
    split: Split,
    queries: np.ndarray,
    near: NeighbourConfig,
    late: TrendConfig,
    habit: HabitConfig,
    factor: FactorConfig,
    recent: float,
    rng: np.random.Generator,
) -> Partners:
    """Fitted to the training events and chosen by NDCG@10 on the validation part: the habits, then
    the trend, the neighbours, the factors, and the weight of the trend beside all; None for what is
    switched off or does not help.

    queries float32 [U, D] are those of the training histories; `recent` as `choose_recency` says.
    """
    found = Partners(recent, memo={})
    target = _some_users(split.valid.take(split.valid.has_item), rng)
    seed = int(rng.integers(2**31))
    if len(target) == 0:
        return Partners(recent)
    log, histories, repeats = split.train, Sequences.of(split.train), model.repeat is not None
    fresh = histories.unmet(target)
    with torch.inference_mode():
        parts = model.eval().items()
    items, content = parts.vector.numpy(), (parts.vector - parts.id).numpy()

    def score(tried: Partners, mixed: bool) -> np.ndarray:
        wanted = target if mixed else fresh
        if len(wanted) == 0:
            return np.zeros(1)
        rows = scorer(model, tried, log, histories, queries, items, mixed=mixed)
        report = evaluate_rows(rows, histories, wanted, ks=(10,), filter_seen=not mixed)
        return report.per_user[SCORE]

    if repeats and split.by_time:
        habits = choose_habits(
            log, split.period, habit, seed, lambda one: score(replace(found, habits=one), True)
        )
        found = replace(found, habits=habits)

    def with_trend(trend: Trend | None, mixed: bool) -> np.ndarray:
        return score(replace(found, trend=trend), mixed)

    if log.time is not None:
        found = replace(found, trend=choose_trend(late, with_trend, mixed=repeats))
    if near.kind != "none":
        neighbours = choose(
            log, near, content,
            lambda one, mixed: float(score(replace(found, neighbours=one), mixed).mean()),
            mixed=repeats,
        )  # fmt: skip
        found = replace(found, neighbours=neighbours)
    factors = choose_factors(
        log, content, factor, seed,
        lambda one, mixed: score(replace(found, factors=one), mixed), mixed=repeats,
    )  # fmt: skip
    found = replace(found, factors=factors)
    if found.trend is not None and (found.neighbours is not None or factors is not None):
        found = replace(found, trend=weighed(found.trend, late, with_trend, mixed=repeats))
    return replace(found, memo=None)


def _some_users(target: EventLog, rng: np.random.Generator) -> EventLog:
    users = np.unique(target.user)
    if len(users) <= JUDGED:
        return target
    return target.take(np.isin(target.user, rng.choice(users, JUDGED, replace=False)))
