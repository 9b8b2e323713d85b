"""All that a score is beside query · item: repeats, and what the neighbours of a history say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from scipy import sparse

from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import Split
from models.recommender import IntentRecommender
from recsys.evaluate import evaluate_queries, evaluate_scores
from recsys.metrics.significance import surely
from recsys.neighbours import NeighbourConfig, Neighbours, choose
from recsys.trend import Trend, TrendConfig, choose_trend, weighed

JUDGED = 4000
"""At most so many users choose the weight of the neighbours."""
SCORE = "ndcg@10"
RECENT = (0.1, 0.3, 1.0)
"""Someone of whom nothing is known gets what was popular in one of these last shares of the events,
the first unless validation says otherwise."""
RECENT_EVENTS = 2000
"""And in no fewer events than these."""
STRANGERS = 50
"""So many people without a history, in the validation part, say how people without one choose; if
there are fewer, all people of that part do."""


def added_scores(
    model: IntentRecommender,
    neighbours: Neighbours | None,
    histories: Sequences,
    queries: np.ndarray,
    items: np.ndarray,
    *,
    mixed: bool,
    bias: np.ndarray | None = None,
) -> sparse.csr_matrix | None:
    """float32 [U, <= N], what is added to queries [U, D] · items [N, D] + `bias` [N], or None.

    `mixed`: the lists hold items that were met before, if the model counts repeats.
    """
    mixed = mixed and model.repeat is not None
    parts = [
        model.repeat_bonus(histories, queries, torch.from_numpy(items), bias) if mixed else None,
        neighbours.scores(histories, mixed=mixed) if neighbours is not None else None,
        prior_scores(model, histories, queries),
    ]
    found = [part for part in parts if part is not None]
    if not found:
        return None
    width = max(part.shape[1] for part in found)  # items that came later have no repeats
    for part in found:
        part.resize((len(histories), width))
    return sparse.csr_matrix(sum(found[1:], found[0]))


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


def by_rows(
    model: IntentRecommender, neighbours: Neighbours | None, histories: Sequences,
    queries: np.ndarray, items: np.ndarray, *, mixed: bool, bias: np.ndarray | None = None,
) -> Callable[[np.ndarray], sparse.csr_matrix | None]:  # fmt: skip
    """`added_scores` of some rows int64 [B] at a time, which is all that fits where U is large."""
    return lambda rows: added_scores(
        model, neighbours, histories.take(rows), queries[rows], items, mixed=mixed, bias=bias
    )


def popularity(log: EventLog, share: float = RECENT[0]) -> np.ndarray:
    """float32 [N], to rank by for someone of whom nothing is known: the counts in this last share
    of the events, where times are known, and the counts of all where these are equal.
    """
    counts = log.item_counts()
    if log.time is None:
        return counts.astype(np.float32)
    kept = max(int(len(log) * share), RECENT_EVENTS)
    if kept >= len(log):
        return counts.astype(np.float32)
    since = np.partition(log.time, len(log) - kept)[len(log) - kept]
    recent = log.take(log.time >= since).item_counts()
    return (recent + counts / (counts.max() + 1)).astype(np.float32)


def choose_recency(split: Split) -> float:
    """The share of `RECENT` whose popularity ranks the validation part best (NDCG@10, nothing
    masked) for people without a training event; the first unless another is surely better.
    """
    target = split.valid.take(split.valid.has_item)
    if len(target) == 0 or split.train.time is None:
        return RECENT[0]
    histories = Sequences.of(split.train)
    new = target.take(histories.lengths[target.user] == 0)
    if len(np.unique(new.user)) >= STRANGERS:
        target = new

    def score(share: float) -> np.ndarray:
        ranked = popularity(split.train, share)[None]
        report = evaluate_scores(
            lambda some: np.repeat(ranked, len(some), axis=0), histories, target, ks=(10,),
            filter_seen=False,
        )  # fmt: skip
        return report.per_user[SCORE]

    scores = {share: score(share) for share in RECENT}
    best = max(RECENT, key=lambda share: scores[share].mean())
    return best if surely(scores[best] - scores[RECENT[0]]) else RECENT[0]


def choose_partners(
    model: IntentRecommender,
    split: Split,
    queries: np.ndarray,
    near: NeighbourConfig,
    late: TrendConfig,
    recent: float,
    rng: np.random.Generator,
) -> tuple[Neighbours | None, Trend | None]:
    """What stands beside a trained model, fitted to the training events and chosen by NDCG@10 on
    the validation part: first the trend, then the neighbours, then the weight of the trend beside
    them; None for what is switched off or does not help.

    queries float32 [U, D] are those of the training histories; `recent` as `choose_recency` says.
    """
    target = _some_users(split.valid.take(split.valid.has_item), rng)
    if len(target) == 0:
        return None, None
    histories, repeats = Sequences.of(split.train), model.repeat is not None
    fresh = histories.unmet(target)
    with torch.inference_mode():
        parts = model.eval().items()
    items, content = parts.vector.numpy(), (parts.vector - parts.id).numpy()
    popular = popularity(split.train, recent)

    def score(neighbours: Neighbours | None, trend: Trend | None, mixed: bool) -> np.ndarray:
        wanted = target if mixed else fresh
        if len(wanted) == 0:
            return np.zeros(1)
        bias = trend.bias(split.train, mixed=mixed) if trend is not None else None
        added = by_rows(model, neighbours, histories, queries, items, mixed=mixed, bias=bias)
        report = evaluate_queries(
            queries, items, histories, wanted, ks=(10,), filter_seen=not mixed,
            strangers=popular, added=added, bias=bias,
        )  # fmt: skip
        return report.per_user[SCORE]

    trend = None
    if split.train.time is not None:
        trend = choose_trend(late, lambda t, mixed: score(None, t, mixed), mixed=repeats)
    if near.kind == "none":
        return None, trend
    neighbours = choose(
        split.train, near, content, lambda n, mixed: float(score(n, trend, mixed).mean()),
        mixed=repeats,
    )  # fmt: skip
    if trend is not None and neighbours is not None:
        trend = weighed(
            trend, late, lambda t, mixed: score(neighbours, t, mixed), mixed=repeats
        )  # fmt: skip
    return neighbours, trend


def _some_users(target: EventLog, rng: np.random.Generator) -> EventLog:
    users = np.unique(target.user)
    if len(users) <= JUDGED:
        return target
    return target.take(np.isin(target.user, rng.choice(users, JUDGED, replace=False)))
