"""What is taken lately: added to the score of every item, known people and strangers alike.

A model learns what goes with what over the whole log and cannot know that an item has just arrived,
sold out or come into season. The events of the last days say so: each item's share of them against
its share of all. How far that counts is chosen on validation; 0 leaves it out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from kg.events import EventLog
from recsys.metrics.significance import sure_weight


class TrendConfig(BaseModel):
    """What validation may choose from."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    lately: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (0.01, 0.03, 0.1), description="Tried: the last share of the events; empty: no trend."
    )
    trend_weights: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        (0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0), description="Tried on validation, beside 0."
    )


@dataclass(frozen=True)
class Trend:
    """weight · t_j is added to the score of item j, t_j = log( (r_j + 1) / (share c_j + 1) ).

    c_j are its events, r_j those in the last `share` of all; a new item has t = 0. `mixed` is the
    weight in lists where items met before compete with others, `weight` in lists of others alone.
    """

    share: float
    weight: float
    mixed: float

    def of(self, *, mixed: bool) -> float:
        """The weight in such lists."""
        return self.mixed if mixed else self.weight

    def values(self, log: EventLog) -> np.ndarray:
        """t float32 [N] at the end of this log; zeros where times are not known."""
        counts = log.item_counts()
        with_item = log.take(log.has_item)
        kept = int(len(with_item) * self.share)
        if with_item.time is None or kept == 0:
            return np.zeros(len(counts), np.float32)
        since = np.partition(with_item.time, -kept)[-kept]
        recent = with_item.take(with_item.time >= since)
        share = len(recent) / len(with_item)  # of one time all are taken or none
        return np.log((recent.item_counts() + 1) / (share * counts + 1)).astype(np.float32)

    def bias(self, log: EventLog, *, mixed: bool) -> np.ndarray | None:
        """float32 [N], what is added at the end of this log; None: nothing."""
        weight = np.float32(self.of(mixed=mixed))
        return None if weight == 0 else weight * self.values(log)


Score = Callable[[Trend, bool], np.ndarray]
"""The validation scores of a trend, per user, in mixed lists (True) or in lists of items not met
before.
"""


def choose_trend(config: TrendConfig, score: Score, *, mixed: bool) -> Trend | None:
    """The share and weight of the best mean score in lists of items not met before, then the weight
    in mixed lists where `mixed`; None where none surely helps.
    """
    tried = [Trend(share, w, 0.0) for share in config.lately for w in config.trend_weights]
    if not tried:
        return None
    best = max(tried, key=lambda trend: score(trend, False).mean())
    return weighed(best, config, score, mixed=mixed)


def weighed(trend: Trend, config: TrendConfig, score: Score, *, mixed: bool) -> Trend | None:
    """The same share with the weights of the best scores, 0 where none surely helps."""
    tried, beside = config.trend_weights, 0.0
    own = sure_weight(tried, lambda w: score(replace(trend, weight=w), False))
    if mixed:
        beside = sure_weight(tried, lambda w: score(replace(trend, mixed=w), True))
    return replace(trend, weight=own, mixed=beside) if own or beside else None
