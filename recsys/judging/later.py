"""A run judged by what people did after its training: the lists as it serves them now.

What decides whether the run of tonight takes the place of the one of last night: both are asked
for the same people, of whom both know, and judged by the same events, which neither has heard of.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kg.clean import CleanReport, clean
from kg.errors import DataError
from kg.events import EventLog
from kg.sequences import Sequences
from recsys.judging.evaluate import EvalReport, Relevant, measured
from recsys.recommender import Recommender

KS = (10, 20)


@dataclass(frozen=True, eq=False)
class Later:
    """Events that came after all that is known, by the numbers of a run: `target`; `cleaned` tells
    of those that cannot be used, `old` and `strangers` count those that are not after the last
    event, and those of people whom the run does not know.
    """

    target: EventLog
    cleaned: CleanReport
    old: int
    strangers: int

    @classmethod
    def of(cls, rec: Recommender, new: EventLog, beside: Recommender | None = None) -> Later:
        """`DataError` where nothing is left. With a run `beside` it, both have the same events:
        those after the last that one of them knows, with items that one of them knows. An item that
        `rec` does not know is one that it cannot find.
        """
        runs = [rec] if beside is None else [rec, beside]
        others = () if beside is None else dict.fromkeys(beside.items.ids)
        strange = [key for key, code in zip(others, rec.items.find([*others]), strict=True)
                   if code < 0]  # fmt: skip
        items = rec.log.items.extended((*rec.items.ids[len(rec.log.items) :], *strange))
        kept, cleaned = clean(new, items)
        kept = kept.take(kept.has_item)
        user = rec.log.users.encode(kept.users.ids, missing="negative")[kept.user]
        fresh = np.ones(len(kept), bool)
        for one in runs:
            if kept.time is not None and one.log.time is not None and len(one.log):
                fresh &= kept.time > one.log.time.max()
        known = user >= 0
        if not (fresh & known).any():
            raise DataError(
                f"No event is left to judge by: of {len(kept):,}, {int((~fresh).sum()):,} are not "
                f"after the last one that is known, {int((fresh & ~known).sum()):,} are of people "
                "whom the run does not know."
            )
        use = fresh & known
        row = np.concatenate([rec.items.newest, len(rec.items) + np.arange(len(strange))])
        target = replace(
            kept.take(use), users=rec.log.users, user=user[use], item=row[kept.item[use]]
        )
        return cls(target, cleaned, int((~fresh).sum()), int((fresh & ~known).sum()))

    @property
    def people(self) -> list[str]:
        """Their ids."""
        return self.target.users.decode(np.unique(self.target.user))


def judge_later(
    rec: Recommender, later: Later, among: Collection[str] | None = None, ks: Sequence[int] = KS
) -> EvalReport:
    """Metrics of the lists that `rec` serves, by what these people (or those `among` them) did
    later; items out of stock, removed or turned down are in no list and count as relevant.
    """
    target = later.target
    if among is not None:
        kept = np.isin(target.user, rec.log.users.encode(list(among), missing="negative"))
        target = target.take(kept)
    wanted = Relevant.of(target)
    found = rec.found_for(wanted.user, max(ks)).index
    index = np.full((len(found), max(ks)), -1, np.int64)
    index[:, : found.shape[1]] = found[:, : max(ks)]
    counts = np.zeros(len(rec.items), np.int64)
    met = np.asarray(Sequences.of(rec.log).matrix().getnnz(axis=0))
    np.add.at(counts, rec.items.newest[: len(met)], met)
    per_user, metrics = measured(index, wanted.hits(index), wanted.count, ks, counts,
                                 len(rec.log.users))  # fmt: skip
    ids = tuple(rec.log.users.decode(wanted.user))
    return EvalReport(metrics, per_user, wanted.user, ids)
