"""What people of whom nothing is known are answered with: what is popular, and how recently."""

from __future__ import annotations

import numpy as np

from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import Split
from recsys.judging.evaluate import Relevant, top_k
from recsys.metrics.ranking import ndcg
from recsys.metrics.significance import surely

RECENT = (0.1, 0.3, 1.0)
"""Someone of whom nothing is known gets what was popular in one of these last shares of the events,
the first unless validation says otherwise."""
RECENT_EVENTS = 2000
"""And in no fewer events than these."""
STRANGERS = 50
"""So many people without a history, in the validation part, say how people without one choose; if
there are fewer, all people of that part do."""


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
    new = target.take(Sequences.of(split.train).lengths[target.user] == 0)
    wanted = Relevant.of(new)
    if len(wanted.user) < STRANGERS:
        wanted = Relevant.of(target)

    def score(share: float) -> np.ndarray:
        ranked = top_k(popularity(split.train, share)[None], 10).index[0]  # the same for all
        return ndcg(wanted.hits(ranked), wanted.count, 10)

    scores = {share: score(share) for share in RECENT}
    best = max(RECENT, key=lambda share: scores[share].mean())
    return best if surely(scores[best] - scores[RECENT[0]]) else RECENT[0]
