"""Score every item for every held-out user, rank, and count: no sampled candidates.

Sampled candidates reorder models (Krichene and Rendle, On sampled metrics for item recommendation,
2020), so the whole catalogue is ranked. Values are kept per user for intervals and paired tests.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from kg.errors import DataError, UsageError, suggest
from kg.events import EventLog
from kg.sequences import Sequences
from recsys.hits import DENSE, Hits, top_k
from recsys.metrics import RANKING, lists
from recsys.metrics.significance import Comparison, paired_bootstrap

SCORE = "ndcg@10"
"""What models, epochs and weights are chosen by."""

ScoreFn = Callable[[Sequences], np.ndarray]
"""U histories to scores float32 [U, N]; -inf: never recommend this item."""

ScoreRows = Callable[[np.ndarray], np.ndarray]
"""Rows int64 [B] of histories to scores float32 [B, N]."""

__all__ = [
    "SCORE", "EvalReport", "Hits", "Relevant", "ScoreFn", "ScoreRows", "evaluate_queries",
    "evaluate_rows", "evaluate_scores", "some_users", "top_k",
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Relevant:
    """Who wants what: the users int64 [U] with an item in a target, how many different ones each
    has, `count` int64 [U], and the pairs as sorted keys, user · N + item.
    """

    user: np.ndarray
    count: np.ndarray
    keys: np.ndarray
    items: int

    @classmethod
    def of(cls, target: EventLog) -> Relevant:
        """An item named twice is one."""
        n = len(target.items)
        keys = np.unique(target.user[target.has_item] * n + target.item[target.has_item])
        user, count = np.unique(keys // n, return_counts=True)
        return cls(user, count, keys, n)

    def hits(self, index: np.ndarray) -> np.ndarray:
        """bool [U, K]: which of the items int64 [U, K] (or [K] for all; -1: none) are relevant."""
        keys = self.user[:, None] * self.items + index
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.asarray((index >= 0) & (self.keys[at] == keys))


def some_users(target: EventLog, most: int, rng: np.random.Generator) -> EventLog:
    """The events of so many users at most, drawn."""
    users = np.unique(target.user)
    if len(users) <= most:
        return target
    return target.take(np.isin(target.user, rng.choice(users, most, replace=False)))


@dataclass(frozen=True, eq=False)
class EvalReport:
    """Means over users, by name ('ndcg@10'), and the values they are the means of.

    `per_user` holds float64 [users] per metric (not for coverage and gini, which describe all lists
    together); its row i belongs to the user number `user[i]`, int64 [users], ascending, whose
    external id is `ids[i]`.
    """

    metrics: dict[str, float]
    per_user: dict[str, np.ndarray] = field(repr=False)
    user: np.ndarray = field(repr=False)
    ids: tuple[str, ...] = field(default=(), repr=False)

    @property
    def users(self) -> int:
        """How many users were scored."""
        return len(self.user)

    def interval(self, name: str) -> tuple[float, float]:
        """95 % interval of the mean over users: mean ± 1.96 s / sqrt(users), s with n - 1.

        One user has no spread: the limits are NaN. Users without a value (NaN) are left out.
        Limits of a ranking metric beyond [0, 1], in which it lies, are cut (few users have some).
        """
        values = self._values(name)
        values = values[~np.isnan(values)]
        if len(values) < 2:
            return float("nan"), float("nan")
        half = 1.959964 * values.std(ddof=1) / np.sqrt(len(values))
        low, high = float(values.mean() - half), float(values.mean() + half)
        share = name.partition("@")[0] in RANKING
        return (max(low, 0.0), min(high, 1.0)) if share else (low, high)

    def gain(
        self, other: EvalReport, name: str = SCORE, rng: np.random.Generator | int = 0
    ) -> Comparison:
        """What this model's mean is above that of another, by `paired_bootstrap` of each person's
        values; people are found by their external ids, whatever their numbers are.

        `UsageError` where the reports are not of the same people. Those without a value (NaN) in
        one of them are left out.
        """
        mine, theirs = self._values(name), other._values(name)
        if len(self.ids) != self.users or sorted(self.ids) != sorted(other.ids):
            shared = len(set(self.ids) & set(other.ids))
            raise UsageError(
                "Reports can be compared where they are of the same people. These are of "
                f"{self.users:,} and {other.users:,}, of whom {shared:,} are in both."
            )
        at = {key: row for row, key in enumerate(other.ids)}
        theirs = theirs[[at[key] for key in self.ids]]
        some = ~np.isnan(mine) & ~np.isnan(theirs)
        return paired_bootstrap(mine[some], theirs[some], rng)

    def _values(self, name: str) -> np.ndarray:
        """float64 [users]; `UsageError` for a metric without a value per user."""
        if name not in self.per_user:
            known = list(self.per_user)
            raise UsageError(
                f"This needs a metric that has a value per user: {', '.join(known)}. "
                f"Got {name!r} instead.{suggest(str(name), known)}"
            )
        return self.per_user[name]

    def to_frame(self) -> pl.DataFrame:
        """One row per metric: metric, k, value, low, high (null where there is no interval)."""
        rows = []
        for name, value in self.metrics.items():
            low, high = self.interval(name) if name in self.per_user else (None, None)
            metric, _, k = name.partition("@")
            rows.append((metric, int(k), value, low, high))
        kinds = {"metric": pl.String, "k": pl.Int64, "value": pl.Float64, "low": pl.Float64,
                 "high": pl.Float64}  # fmt: skip
        return pl.DataFrame(rows, schema=kinds, orient="row")

    def __str__(self) -> str:
        lines = [f"{self.users:,} users"]
        for name, value in self.metrics.items():
            spread = ""
            if name in self.per_user:
                low, high = self.interval(name)
                spread = f"   [{low:.4f}, {high:.4f}]"
            lines.append(f"{name:<13} {value:8.4f}{spread}")
        return "\n".join(lines)


def evaluate_scores(
    score_fn: ScoreFn,
    histories: Sequences,
    target: EventLog,
    *,
    ks: Sequence[int] = (10, 20),
    filter_seen: bool = True,
    batch: int = 256,
    item_counts: np.ndarray | None = None,
) -> EvalReport:
    """Rank all items for each user that has at least one item in `target`.

    Row u of `histories` is user u of `target.users`; an empty history is scored too. With
    `filter_seen` the items of the history leave the ranking; a target item among them cannot be
    hit but still counts as relevant. A target item named twice is one relevant item.
    `item_counts` int64 [N] (for novelty): users per item, by default those of `histories`.
    """
    return evaluate_rows(
        lambda rows: score_fn(histories.take(rows)), histories, target, ks=ks,
        filter_seen=filter_seen, batch=batch, item_counts=item_counts,
    )  # fmt: skip


def evaluate_queries(
    queries: np.ndarray,
    items: np.ndarray,
    histories: Sequences,
    target: EventLog,
    *,
    ks: Sequence[int] = (10, 20),
    filter_seen: bool = True,
    batch: int = 256,
    strangers: np.ndarray | None = None,
) -> EvalReport:
    """As `evaluate_scores`, by inner product alone: queries float32 [U, D], one per history, and
    items float32 [N, D]. `strangers` float32 [N] are the scores for an empty history whose query is
    0 (nothing is known of the person), if given.
    """
    empty = (histories.lengths == 0) & ~queries.any(1)

    def score(rows: np.ndarray) -> np.ndarray:
        scores = queries[rows] @ items.T
        if strangers is not None:
            scores[empty[rows]] = strangers
        return scores

    return evaluate_rows(score, histories, target, ks=ks, filter_seen=filter_seen, batch=batch)


def evaluate_rows(
    score_rows: ScoreRows,
    histories: Sequences,
    target: EventLog,
    *,
    ks: Sequence[int] = (10, 20),
    filter_seen: bool = True,
    batch: int = 256,
    item_counts: np.ndarray | None = None,
) -> EvalReport:
    """As `evaluate_scores`, where the scores are of rows of `histories` by their number."""
    _check(histories, target, ks, batch)
    n = histories.num_items
    wanted = Relevant.of(target)
    users = wanted.user
    if len(users) == 0:
        raise DataError("The target of evaluate_scores must hold at least one event with an item.")
    batch = min(batch, max(1, DENSE // n))
    if item_counts is None:
        item_counts = np.asarray(histories.matrix().getnnz(axis=0))
    if item_counts.shape != (n,):
        raise UsageError(f"'item_counts' must be [{n}]. Got {list(item_counts.shape)} instead.")
    parts = [
        _ranked(score_rows, users[at : at + batch], histories, max(ks), filter_seen)
        for at in range(0, len(users), batch)
    ]
    index = np.concatenate(parts)  # [users, max(ks)]
    hits = wanted.hits(index)
    per_user, metrics = measured(index, hits, wanted.count, ks, item_counts, len(histories))
    return EvalReport(metrics, per_user, users, tuple(target.users.decode(users)))


def measured(
    index: np.ndarray,
    hits: np.ndarray,
    relevant: np.ndarray,
    ks: Sequence[int],
    item_counts: np.ndarray,
    num_users: int,
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Values per user, and the means with coverage and gini, for every k."""
    per_user: dict[str, np.ndarray] = {}
    metrics: dict[str, float] = {}
    for k in ks:
        at_k = {f"{name}@{k}": fn(hits, relevant, k) for name, fn in RANKING.items()}
        at_k[f"novelty@{k}"] = lists.novelty(index[:, :k], item_counts, num_users)
        per_user |= at_k
        metrics |= {name: _mean(values) for name, values in at_k.items()}
        metrics[f"coverage@{k}"] = lists.coverage(index[:, :k], len(item_counts))
        metrics[f"gini@{k}"] = lists.gini(index[:, :k], len(item_counts))
    return per_user, metrics


def _ranked(
    score_rows: ScoreRows, rows: np.ndarray, histories: Sequences, k: int,
    filter_seen: bool,
) -> np.ndarray:  # fmt: skip
    """int64 [B, k], the best items of these rows; what `score_rows` returned stays as it was."""
    scores = np.asarray(score_rows(rows))
    if scores.shape != (len(rows), histories.num_items):
        raise DataError(
            f"The score function must return [{len(rows)}, {histories.num_items}] (histories, "
            f"items). Got {list(scores.shape)} instead."
        )
    if filter_seen:
        seen = histories.take(rows)
        scores = scores.astype(np.float32, copy=True)
        scores[seen.row, seen.item] = -np.inf
    return top_k(scores, k).index


def _mean(values: np.ndarray) -> float:
    values = values[~np.isnan(values)]
    return float(values.mean()) if len(values) else float("nan")


def _check(histories: Sequences, target: EventLog, ks: Sequence[int], batch: int) -> None:
    if len(histories) != len(target.users) or histories.num_items != len(target.items):
        raise UsageError(
            "The histories of evaluate_scores must have a row per user and the items of the target "
            f"({len(target.users)} users, {len(target.items)} items). "
            f"Got {len(histories)} and {histories.num_items} instead."
        )
    if not ks or min(ks) < 1 or batch < 1:
        raise UsageError(
            f"The 'ks' and 'batch' of evaluate_scores must be at least 1. Got {ks} and {batch}."
        )
