"""What a run gains over another on the same people, in each kind of lists, with intervals.

Where people meet items again, two kinds are judged: `repeats`, in which those compete too, and
`new`, without them. Elsewhere the lists are `new`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import Part, Split
from recsys.judging.as_of import report_on
from recsys.judging.evaluate import SCORE, EvalReport
from recsys.metrics.buckets import ITEM_BUCKETS, USER_BUCKETS, within
from recsys.metrics.significance import holm, paired_bootstrap
from recsys.recommender import Recommender


@dataclass(frozen=True)
class Effect:
    """What the whole run gains over one without `part`: NDCG@10 of the run less `value`, in lists
    of one kind.

    The 95 % interval and the p of "no difference" (not yet for being one of several) are by paired
    bootstrap over `users`. `by` and `bucket` say where only targets on items with so many training
    events, or users with so long a history, are looked at.
    """

    part: str
    how: str
    lists: str
    users: int
    value: float
    gain: float
    low: float
    high: float
    p: float
    by: str = ""
    bucket: str = ""


@dataclass(frozen=True, eq=False)
class Judged:
    """A model's report on a part, in lists of one kind, and, where asked for, on the targets of
    each bucket of items.

    history int64 [users]: the events of each user before the part begins.
    """

    report: EvalReport
    by_item: dict[str, EvalReport]
    history: np.ndarray


def judged(
    rec: Recommender, split: Split, part: Part, counts: np.ndarray, buckets: bool
) -> dict[str, Judged]:
    """On a part of a split, by the kind of lists, of a run that is as it was `before` that part;
    `counts` int64 [N] are the training events of each item.
    """
    known, target = split.part(part)
    target = target.take(target.has_item)
    histories = Sequences.of(known)
    kinds = {"repeats" if rec.repeats else "new": target}
    if rec.repeats and len(np.unique((fresh := histories.unmet(target)).user)) > 1:
        kinds["new"] = fresh
    return {
        lists: _judged(rec, known, wanted, lists == "new", histories, counts, buckets)
        for lists, wanted in kinds.items()
    }


def _judged(
    rec: Recommender, known: EventLog, target: EventLog, new: bool, histories: Sequences,
    counts: np.ndarray, buckets: bool,
) -> Judged:  # fmt: skip
    report, by_item = report_on(rec, known, target, new), {}
    for name, ends in ITEM_BUCKETS.items() if buckets else ():
        some = target.take(within(counts[target.item], ends))
        if len(some):
            by_item[name] = report_on(rec, known, some, new)
    return Judged(report, by_item, histories.lengths[report.user])


def effects(
    part: str, how: str, whole: dict[str, Judged], other: dict[str, Judged]
) -> list[Effect]:
    """In each kind of lists the effect on all users, then on each bucket with two users or more."""
    out = []
    for lists, judged_whole in whole.items():
        out += _effects((part, how, lists), judged_whole, other[lists])
    return out


def _effects(name: tuple[str, str, str], whole: Judged, other: Judged) -> list[Effect]:
    a, b = whole.report.per_user[SCORE], other.report.per_user[SCORE]
    out = [_effect(name, a, b)]
    if not whole.by_item:
        return out
    for bucket, report in whole.by_item.items():
        if report.users > 1:
            one, two = report.per_user[SCORE], other.by_item[bucket].per_user[SCORE]
            out.append(_effect(name, one, two, "item", bucket))
    for bucket, ends in USER_BUCKETS.items():
        keep = within(whole.history, ends)
        if keep.sum() > 1:
            out.append(_effect(name, a[keep], b[keep], "user", bucket))
    return out


def _effect(
    name: tuple[str, str, str], whole: np.ndarray, other: np.ndarray, by: str = "", bucket: str = ""
) -> Effect:
    found = paired_bootstrap(whole, other, np.random.default_rng(0))
    gain, low, high, p = (round(x, 6) for x in found)
    value = round(float(other.mean()), 6)
    return Effect(*name, len(whole), value, gain, low, high, p, by, bucket)


def effect_table(found: Sequence[Effect]) -> list[dict[str, Any]]:
    """A row per effect on all users; p by Holm's method for being as many as are here."""
    overall = [effect for effect in found if not effect.by]
    adjusted = holm(np.array([effect.p for effect in overall])).tolist()
    return [
        {"part": e.part, "how": e.how, "lists": e.lists, "users": e.users, SCORE: e.value,
         "gain": e.gain, "low": e.low, "high": e.high, "p": round(p, 6)}
        for e, p in zip(overall, adjusted, strict=True)
    ]  # fmt: skip


def bucket_table(found: Sequence[Effect]) -> list[dict[str, Any]]:
    """A row per effect on a bucket: where a part helps. Intervals only, for there are many."""
    return [
        {"part": e.part, "how": e.how, "lists": e.lists, "by": e.by, "bucket": e.bucket,
         "users": e.users, SCORE: e.value, "gain": e.gain, "low": e.low, "high": e.high}
        for e in found if e.by
    ]  # fmt: skip
