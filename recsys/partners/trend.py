"""What is taken lately: added to the score of every item, known people and strangers alike.

A model learns what goes with what over the whole log and cannot know that an item has just arrived,
sold out or come into season. The events of the last days say so: each item's share of them against
its share of all. How far that counts is chosen on validation; 0 leaves it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from kg.events import EventLog


class TrendConfig(BaseModel):
    """What validation may choose from."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    lately: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (0.01, 0.03, 0.1), description="The last shares of the events; empty: no trend."
    )


@dataclass(frozen=True)
class Trend:
    """The sum of w · t_j over some last shares of the events is added to the score of item j, t_j
    being what `taken_lately` says of it in such a share.
    """

    shares: tuple[float, ...]
    weights: tuple[float, ...]

    def values(self, log: EventLog) -> np.ndarray:
        """float32 [N], what is added at the end of this log."""
        pairs = zip(self.shares, self.weights, strict=True)
        return np.sum([np.float32(w) * taken_lately(log, share) for share, w in pairs], axis=0)


def taken_lately(log: EventLog, share: float) -> np.ndarray:
    """t float32 [N] at the end of this log, t_j = log( (r_j + 1) / (share c_j + 1) ), c_j the
    events of item j and r_j those in the last `share` of all; 0 for a new item, and for all where
    times are not known.
    """
    counts = log.item_counts()
    with_item = log.take(log.has_item)
    kept = int(len(with_item) * share)
    if with_item.time is None or kept == 0:
        return np.zeros(len(counts), np.float32)
    since = np.partition(with_item.time, -kept)[-kept]
    recent = with_item.take(with_item.time >= since)
    share = len(recent) / len(with_item)  # of one time all are taken or none
    return np.log((recent.item_counts() + 1) / (share * counts + 1)).astype(np.float32)
