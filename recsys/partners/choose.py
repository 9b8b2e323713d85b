"""Who stands beside a trained model, and how much each counts: chosen on the validation part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import sparse

from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import Split
from models.recommender import IntentRecommender
from recsys.judging.evaluate import ScoreRows, some_users
from recsys.metrics.significance import sure_weight
from recsys.partners import Partners
from recsys.partners.factors import FactorConfig, Factors
from recsys.partners.fusion import DENSE, Choices, climb, draw, likeliest, not_missed
from recsys.partners.habits import HabitConfig, Habits
from recsys.partners.neighbours import (
    NeighbourConfig,
    Neighbours,
    heard,
    links,
    nearest_said,
    strongest,
)
from recsys.partners.trend import Trend, TrendConfig, taken_lately

JUDGED, SCORED, LEAST = 4000, 200_000_000, 1000
"""So many people choose at most; and where that makes more than so many scores by one score, as
many as don't, but no fewer than the last."""
HABIT_WEIGHTS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
SHARES = (0.1, 0.25, 0.5, 1.0)
"""Tried beside 0, in lists of all items."""


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
    """Fitted to the training events, and chosen on the validation part; None for what is switched
    off or would not surely be missed.

    What neighbours, factors and trend weigh is fitted to the items not met before that people went
    on to (see `recsys.partners.fusion`). In lists of all items, where the model counts repeats,
    these have the first places and likelihood is no guide to them: what habits weigh there, and
    what share the others keep, are the surely best of a few by NDCG@10.

    queries float32 [U, D] are those of the training histories; `recent` as `choose_recency` says.
    """
    most = max(LEAST, min(JUDGED, SCORED // max(len(split.train.items), 1)))
    target = some_users(split.valid.take(split.valid.has_item), most, rng)
    seed, found = int(rng.integers(2**31)), Partners(recent)
    if len(target) == 0:
        return found
    log = split.train
    with torch.inference_mode():
        parts = model.eval().items()
    items, content = parts.vector.numpy(), (parts.vector - parts.id).numpy()
    trial = _Trial(model, log, Sequences.of(log), queries, items, rng)
    factors, tried = Factors.fit(log, content, factor, seed), _neighbours(log, near, content)
    found = _beside(found, trial, target, tried, factors, late)
    if model.repeat is None:
        return found
    habits = Habits.fit(log, split.period, habit, seed) if split.by_time else None
    return _with_repeats(found, trial, target, habits)


@dataclass(frozen=True, eq=False)
class _Trial:
    """The training events, what the model says of the histories in them, and what others do."""

    model: IntentRecommender
    log: EventLog
    histories: Sequences
    queries: np.ndarray
    items: np.ndarray
    rng: np.random.Generator

    def alone(self, rows: np.ndarray) -> np.ndarray:
        """float32 [B, N], the model's scores."""
        return np.asarray(self.queries[rows] @ self.items.T)

    def with_repeats(self, rows: np.ndarray) -> np.ndarray:
        """The same with what it adds to items that were met."""
        some, asked = self.histories.take(rows), self.queries[rows]
        bonus = self.model.repeat_bonus(some, asked, torch.from_numpy(self.items))
        return self.alone(rows) + (0 if bonus is None else bonus.toarray())

    def of(self, partner: Factors | Neighbours | Habits) -> ScoreRows:
        """What a partner adds."""

        def score(rows: np.ndarray) -> np.ndarray:
            added = partner.scores(self.histories.take(rows))
            return added.toarray() if isinstance(added, sparse.csr_matrix) else added

        return score

    def everyone(self, values: np.ndarray) -> ScoreRows:
        """What is added for all alike, float32 [N]."""
        return lambda rows: np.broadcast_to(values, (len(rows), len(values)))

    def drawn(
        self, target: EventLog, scores: Sequence[ScoreRows], mixes: np.ndarray, *, mixed: bool
    ) -> Choices:
        """Choices with these scores, from the best by each of the mixes [M, K]."""

        def parts(rows: np.ndarray) -> np.ndarray:
            return np.stack([score(rows) for score in scores])

        return draw(self.histories, target, parts, mixes, self.rng, masked=not mixed)


def _beside(
    found: Partners, trial: _Trial, target: EventLog, tried: list[Neighbours],
    factors: Factors | None, late: TrendConfig,
) -> Partners:  # fmt: skip
    """With the best of the neighbours, the factors and the trend for lists of new items."""
    target = trial.histories.unmet(target)
    shares = late.lately if trial.log.time is not None else ()
    scores: list[ScoreRows] = [trial.alone]
    groups: dict[str, list[int]] = {}
    if factors is not None:
        groups["factors"] = [len(scores)]
        scores.append(trial.of(factors))
    if shares:
        groups["trend"] = [len(scores) + n for n in range(len(shares))]
        scores += [trial.everyone(taken_lately(trial.log, share)) for share in shares]
    if tried:
        groups["neighbours"] = [len(scores)]
        scores.append(trial.of(tried[0]))
    choices = trial.drawn(target, scores, np.eye(len(scores)), mixed=False)
    if len(choices) == 0 or not groups:
        return found
    places, near = dict(groups), None
    if tried:
        near, choices = _nearest(tried, trial, choices)
        scores[-1] = trial.of(near)
    for name in not_missed(choices, groups):
        del groups[name]
    kept = list(groups.values())
    weights, _ = likeliest(choices, [column for group in kept for column in group])
    weights = climb(
        lambda mixes: trial.drawn(target, scores, mixes, mixed=False), weights, kept
    ).tolist()
    own = {name: [weights[column] for column in columns] for name, columns in places.items()}
    if factors is not None and (weight := own["factors"][0]):
        found = replace(found, factors=replace(factors, weight=weight))
    if near is not None and (weight := own["neighbours"][0]):
        found = replace(found, neighbours=replace(near, weight=weight))
    if pairs := [(s, w) for s, w in zip(shares, own.get("trend", ()), strict=True) if w]:
        found = replace(found, trend=Trend(*zip(*pairs, strict=True)))
    return found


def _neighbours(log: EventLog, config: NeighbourConfig, content: np.ndarray) -> list[Neighbours]:
    """One for each number of links, at the first of the decays and a weight of 1."""
    if config.kind == "none" or (widest := links(log, config, max(config.keeps))).nnz == 0:
        return []
    if not log.ordered:  # then no event is later than another
        config = config.model_copy(update={"decays": (1.0,)})
    near = nearest_said(widest.T.tocsr(), content)
    found = {keep: heard(strongest(widest, keep), content, keep, near) for keep in config.keeps}
    return [Neighbours(one, config.decays[0], 1.0, keep, config) for keep, one in found.items()]


def _nearest(
    tried: list[Neighbours], trial: _Trial, choices: Choices
) -> tuple[Neighbours, Choices]:
    """The neighbours of the best number of links, then of the best decay, and the choices with
    their scores in the last column, where those of the first of `tried` are.
    """
    columns = range(1, choices.values.shape[1])

    def with_scores(partner: Neighbours) -> Choices:
        values, score = choices.values.copy(), trial.of(partner)
        step = max(1, DENSE // max(trial.histories.num_items, 1))
        for first in range(0, len(choices), step):
            ends = choices.start[first : first + step + 1]
            some = slice(ends[0], ends[-1])
            row = np.repeat(np.arange(len(ends) - 1), np.diff(ends))
            values[some, -1] = score(choices.who[first : first + step])[row, choices.item[some]]
        return replace(choices, values=values)

    def judged(partner: Neighbours, told: Choices) -> tuple[float, Neighbours, Choices]:
        return float(likeliest(told, columns)[1].mean()), partner, told

    links = [judged(tried[0], choices), *(judged(one, with_scores(one)) for one in tried[1:])]
    best = max(links, key=lambda one: one[0])
    for decay in best[1].config.decays[1:]:
        partner = replace(best[1], decay=decay)
        if (other := judged(partner, with_scores(partner)))[0] > best[0]:
            best = other
    return best[1], best[2]


def _with_repeats(
    found: Partners, trial: _Trial, target: EventLog, habits: Habits | None
) -> Partners:
    """With the habits, and what the others count in lists of all items."""
    others = [trial.of(one) for one in (found.neighbours, found.factors) if one is not None]
    if found.trend is not None:
        others.append(trial.everyone(found.trend.values(trial.log)))

    def beside(rows: np.ndarray) -> np.ndarray:
        none = np.zeros((len(rows), trial.histories.num_items), np.float32)
        return np.asarray(sum((score(rows) for score in others), none))

    own = trial.everyone(np.zeros(trial.histories.num_items, np.float32))
    scores = [trial.with_repeats, own if habits is None else trial.of(habits), beside]
    mixes = np.array([[1, w, s] for w in (0, 1, HABIT_WEIGHTS[-1]) for s in (0, 0.25, 1)])
    choices = trial.drawn(target, scores, mixes, mixed=True)
    if len(choices) == 0:
        return found
    weight = share = 0.0
    if habits is not None:
        weight = sure_weight(HABIT_WEIGHTS, lambda w: choices.ndcg(np.array([1, w, 0])))
    if weight:
        assert habits is not None
        found = replace(found, habits=replace(habits, weight=weight))
    if others:
        share = sure_weight(SHARES, lambda s: choices.ndcg(np.array([1, weight, s])))
    return replace(found, mixed=share)
