"""Buying again: what is added to the score of an item that the history already holds.

A person's own frequency and recency predict a shop's next basket better than most models (Hu et
al. 2020, TIFU-kNN), and an inner product of two vectors cannot count. Every earlier event of an
item excites it again, by how long ago it was, and the excitations add up (a Hawkes process whose
kernel is learned in buckets; after SLRC, Wang et al. 2019); the query says how much a person
returns at all, and the item vector what is worn out or eaten up.
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
    """bonus = log sum_l exp(10 (place[p_l] + elapsed[t_l])) + 10 count[c] + w·q + r·v for each item
    of a history, the sum over its events l; 0 for other items.

    All start at 0: without evidence n events of an item raise its score by log n.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.count = nn.Parameter(torch.zeros(COUNTS))
        self.place = nn.Parameter(torch.zeros(PLACES))
        self.elapsed = nn.Parameter(torch.zeros(TIMES))
        self.person = nn.Linear(dim, 1, bias=False)
        self.item = nn.Linear(dim, 1, bias=False)
        nn.init.zeros_(self.person.weight)
        nn.init.zeros_(self.item.weight)

    def forward(
        self, batch: Batch, query: Tensor, items: Tensor, last: Tensor | None = None
    ) -> Repeats:
        """From every position (queries [B, L, D]), or from position `last` int64 [B] only (P = 1,
        queries [B, 1, D]). Item vectors [N, D].
        """
        length = batch.item.shape[1]
        event = torch.arange(length)
        at = event[None, :] if last is None else last[:, None]  # [1, L] or [B, 1]
        ago = at[:, :, None] - event  # [1 or B, P, L]
        known = (ago >= 0) & batch.has_item[:, None]
        holds = known & (at[:, :, None] < batch.until[:, None])
        now = batch.hours if last is None else batch.hours.gather(1, last[:, None])
        elapsed = now[:, :, None] - batch.hours[:, None]  # [B, P, L], NaN: not known
        time = torch.where(elapsed.isnan(), 0, 1 + doubling(elapsed.nan_to_num(), TIMES - 1))
        kernel = SPEED * (self.place[doubling(ago, PLACES)] + self.elapsed[time])
        bonus = _sum_by_item(kernel.masked_fill(~known, -torch.inf), batch.item)
        bonus = bonus + SPEED * self.count[doubling(batch.count, COUNTS)][:, None]
        worth = self.item(items)[batch.item].transpose(1, 2)  # [B, 1, L]
        return Repeats(bonus + self.person(query) + worth, holds)


def _sum_by_item(kernel: Tensor, item: Tensor) -> Tensor:
    """log of the sum of exp(kernel [B, P, M]) over the events M that have the item of event l,
    for every l: [B, P, L]; very low where there is none.
    """
    same = (item[:, :, None] == item[:, None]).to(kernel.dtype)  # [B, M, L]
    top = kernel.detach().amax(2, keepdim=True).clamp(min=-1e30)
    return ((kernel - top).exp() @ same).clamp(min=1e-30).log() + top


def doubling(value: Tensor, buckets: int) -> Tensor:
    """0 below 1; then 1: 1 to 2, 2: 2 to 4, 3: 4 to 8, …, at most `buckets` - 1; int64."""
    return value.float().clamp(min=0.5).log2().floor().long().add(1).clamp(0, buckets - 1)
