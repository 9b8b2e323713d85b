"""Top lists once per table, then every target, bucket and interval from them.

The rules, one for all models: the whole catalogue is ranked; in the table `new` the items that a
user had before the part begins leave the list, in `repeats` none does; equal scores go to the
smaller item number; a score of -inf is never recommended; users without a target are not scored,
users without a history are. The values equal those of `recsys.judging.evaluate.evaluate_scores`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from fits import Scores
from protocols import targets

from kg.events import EventLog
from kg.sequences import Sequences
from recsys.judging.evaluate import EvalReport, top_k
from recsys.metrics import RANKING
from recsys.metrics.buckets import ITEM_BUCKETS, USER_BUCKETS, within
from recsys.metrics.lists import coverage

KS = (10, 20)
SHOWN = ("ndcg@10", "hr@10", "ndcg@20", "hr@20", "recall@10", "recall@20", "mrr@10", "map@10")
PER_USER = ("ndcg@10", "hr@10", "recall@20")

Found = tuple[dict[str, Any], dict[str, np.ndarray]]
Lists = Callable[[np.ndarray, bool], np.ndarray]
"""(users, whether what they had is masked) to int64 [users, 20], -1: none."""


def judge(
    scores: Scores, tables: tuple[str, ...], protocol: str, known: EventLog, part: EventLog,
    train_counts: np.ndarray,
) -> Found:  # fmt: skip
    """Per table and target the metrics, intervals and buckets, and the arrays per user.

    `train_counts` int64 [N] are the training events of each item, the same for all models.
    """
    histories = Sequences.of(known)

    def lists(users: np.ndarray, mask: bool) -> np.ndarray:
        return top_lists(scores, histories, users, mask)

    return judge_lists(lists, tables, protocol, known, part, train_counts)


def judge_lists(
    lists: Lists, tables: tuple[str, ...], protocol: str, known: EventLog, part: EventLog,
    train_counts: np.ndarray,
) -> Found:  # fmt: skip
    """The same of lists that are made already."""
    histories, told, arrays = Sequences.of(known), {}, {}
    for table in tables:
        wanted = targets(protocol, part, known, table)
        users = np.unique(wanted["all"].user)
        index = lists(users, table == "new")
        told[table] = {"known_share@10": _known_share(index[:, :10], histories.take(users))}
        for name, target in wanted.items():
            report = measure(index, users, target)
            told[table][name] = _summary(report, index, users, target, histories, train_counts)
            arrays |= {f"{table}/{name}/{key}": report.per_user[key] for key in PER_USER}
            arrays[f"{table}/{name}/user"] = report.user
            arrays[f"{table}/{name}/history"] = histories.lengths[report.user]
    return told, arrays


def top_lists(
    scores: Scores, histories: Sequences, users: np.ndarray, mask: bool, batch: int = 256
) -> np.ndarray:
    """int64 [users, 20], -1: none; with `mask` without the items of the history."""
    parts = []
    for start in range(0, len(users), batch):
        own = histories.take(users[start : start + batch])
        found = np.array(scores(own, not mask), np.float32)
        if mask:
            found[own.row, own.item] = -np.inf
        parts.append(top_k(found, max(KS)).index)
    return np.concatenate(parts) if parts else np.zeros((0, max(KS)), np.int64)


def measure(index: np.ndarray, users: np.ndarray, target: EventLog) -> EvalReport:
    """The ranking metrics of the lists of those `users` (ascending) who have a target."""
    n = len(target.items)
    pairs = np.unique(target.user * n + target.item)
    user, relevant = np.unique(pairs // n, return_counts=True)
    rows = index[np.searchsorted(users, user)]
    hits = (rows >= 0) & np.isin(user[:, None] * n + rows, pairs)
    values = {f"{m}@{k}": fn(hits, relevant, k) for k in KS for m, fn in RANKING.items()}
    means = {name: float(value.mean()) if len(user) else np.nan for name, value in values.items()}
    return EvalReport(means, values, user, tuple(target.users.decode(user)))


def _summary(
    report: EvalReport, index: np.ndarray, users: np.ndarray, target: EventLog,
    histories: Sequences, train_counts: np.ndarray,
) -> dict[str, Any]:  # fmt: skip
    """What the JSON holds of one target of one table."""
    metrics = {name: _number(report.metrics[name]) for name in SHOWN}
    metrics["coverage@10"] = _number(coverage(index[:, :10], len(train_counts)))
    ends = {name: [_number(x) for x in report.interval(name)] for name in SHOWN[:2]}
    item, user = train_counts[target.item], histories.lengths[target.user]
    by_item = {name: _row(index, users, target.take(within(item, bounds)))
               for name, bounds in ITEM_BUCKETS.items()}  # fmt: skip
    by_user = {name: _row(index, users, target.take(within(user, bounds)))
               for name, bounds in USER_BUCKETS.items()}  # fmt: skip
    return {"users": report.users, "targets": _distinct(target), "metrics": metrics,
            "interval": ends, "by item's train count": by_item,
            "by user's history": by_user}  # fmt: skip


def _row(index: np.ndarray, users: np.ndarray, target: EventLog) -> dict[str, float | None]:
    """Of a bucket: the same lists, only the targets in the bucket are relevant."""
    report = measure(index, users, target)
    means = {name: _number(report.metrics[name]) for name in SHOWN[:2]}
    return {"users": report.users, "targets": _distinct(target), **means}


def _number(value: float) -> float | None:
    """Six digits; None where there is nobody to take a mean of."""
    return round(float(value), 6) if np.isfinite(value) else None


def _distinct(target: EventLog) -> int:
    """How many pairs of a user and an item."""
    return len(np.unique(target.user * len(target.items) + target.item))


def _known_share(index: np.ndarray, own: Sequences) -> float:
    """The share of the recommended items that their user had before; 0 in the table `new`."""
    row = own.row
    had = np.isin(np.arange(len(index))[:, None] * own.num_items + index,
                  row * own.num_items + own.item) & (index >= 0)  # fmt: skip
    return round(float(had.sum() / max((index >= 0).sum(), 1)), 6)
