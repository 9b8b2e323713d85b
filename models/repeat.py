"""Buying again: what is added to the score of an item that the history already holds.

A person's own frequency and recency predict a shop's next basket better than most models (Hu et
al. 2020, TIFU-kNN), and an inner product of two vectors cannot count. Three tables with one number
per bucket say what a repeat is worth; the query may raise or lower all repeats of a person.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.batch import Batch

COUNTS = 6
"""Buckets of how often: 0, 1, 2-3, 4-7, 8-15, more."""
PLACES = 9
"""Buckets of how many events ago: 0, 1, 2-3, 4-7, …, 128 and more."""
SPEED = 10.0
"""The tables count this many times what they hold: Adam moves an entry by about the learning rate
a step, and a repeat may be worth several units of a logit."""
TIMES = 16
"""Buckets of how long ago: 0 no time known, 1 within the hour, then hours, doubling."""


@dataclass(frozen=True)
class Repeats:
    """What each event of a history adds to the score of its item, seen from each position.

    bonus float32 [B, P, L] for position p and event l; holds bool [B, P, L], True where event l is
    the latest of its item up to position p (an item counts once).
    """

    bonus: Tensor
    holds: Tensor


class RepeatBonus(nn.Module):
    """bonus = 10 (count[c] + place[p] + elapsed[t]) + w·q for each item of a history; 0 for others.

    All start at 0: without evidence a repeat is scored like any other item.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.count = nn.Parameter(torch.zeros(COUNTS))
        self.place = nn.Parameter(torch.zeros(PLACES))
        self.elapsed = nn.Parameter(torch.zeros(TIMES))
        self.person = nn.Linear(dim, 1, bias=False)
        nn.init.zeros_(self.person.weight)

    def forward(self, batch: Batch, query: Tensor, last: Tensor | None = None) -> Repeats:
        """From every position (queries [B, L, D]), or from position `last` int64 [B] only (P = 1,
        queries [B, 1, D]).
        """
        length = batch.item.shape[1]
        event = torch.arange(length)
        at = event[None, :] if last is None else last[:, None]  # [1, L] or [B, 1]
        ago = at[:, :, None] - event  # [1 or B, P, L]
        holds = (ago >= 0) & (at[:, :, None] < batch.until[:, None]) & batch.has_item[:, None]
        now = batch.hours if last is None else batch.hours.gather(1, last[:, None])
        elapsed = now[:, :, None] - batch.hours[:, None]  # [B, P, L], NaN: not known
        time = torch.where(elapsed.isnan(), 0, 1 + doubling(elapsed.nan_to_num(), TIMES - 1))
        bonus = self.count[doubling(batch.count, COUNTS)][:, None]
        bonus = bonus + self.place[doubling(ago, PLACES)] + self.elapsed[time]
        return Repeats(SPEED * bonus + self.person(query), holds)


def doubling(value: Tensor, buckets: int) -> Tensor:
    """0 below 1; then 1: 1 to 2, 2: 2 to 4, 3: 4 to 8, …, at most `buckets` - 1; int64."""
    return value.float().clamp(min=0.5).log2().floor().long().add(1).clamp(0, buckets - 1)
