"""Buying again: what is added to the score of an item that the history already holds.

A person's own frequency and recency predict a shop's next basket better than most models (Hu et
al. 2020, TIFU-kNN), and an inner product of two vectors cannot count. Every earlier visit with an
item excites it again, by how many visits and how much time ago it was, and the excitations add up
with what the vectors say (a Hawkes process whose kernel is learned in buckets; after SLRC, Wang et
al. 2019); the query says how much a person returns at all, and the item vector what is worn out or
eaten up. Whole histories are read, however few of their events the transformer reads.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor, nn

from kg.sequences import Sequences
from models.segments import segment_logsumexp

PAUSE = 6 * 3600.0
"""A longer pause, in seconds, begins a new visit."""
COUNTS = 6
"""Buckets of in how many visits: 1, 2-3, 4-7, 8-15, 16-31, more."""
VISITS = 16
"""Buckets of how many visits ago: floor(2 log2(1 + n)), the last from 181 on."""
TIMES = 16
"""Buckets of how long ago: 0 no time known, 1 within the hour, then hours, doubling."""
SPEED = 10.0
"""The tables count this many times what they hold: Adam moves an entry by about the learning rate
a step, and a repeat may be worth several units of a logit."""


@dataclass(frozen=True)
class Met:
    """What had been met by P moments: G pairs of a moment and an item, E visits in which it was.

    row int64 [G] (ascending), item int64 [G]; count int64 [G] visits with it; group int64 [E]
    (ascending) into the pairs; ago int64 [E] visits and hours float32 [E] before the moment (NaN:
    not known).
    """

    row: Tensor
    item: Tensor
    count: Tensor
    group: Tensor
    ago: Tensor
    hours: Tensor

    def to(self, device: torch.device) -> Met:
        """The same on a device."""
        return Met(*(getattr(self, f.name).to(device) for f in fields(self)))


class Past:
    """Histories, in which what had been met by a moment is found quickly."""

    def __init__(self, histories: Sequences) -> None:
        self.histories = histories
        self.visit = histories.visits(PAUSE)
        row, item = histories.row, histories.item
        order = np.lexsort((self.visit, item, row))  # stable: of one visit the first event first
        again = np.zeros(len(order), bool)
        same = [np.diff(x[order]) == 0 for x in (self.visit, item)]
        again[1:] = same[0] & same[1]
        self.order = order[~again]  # an item counts once a visit
        counts = np.bincount(row[self.order], minlength=len(histories))
        self.offsets = np.concatenate([[0], np.cumsum(counts)])

    def until(self, at: np.ndarray) -> Met:
        """Moments int64 [P], each right after an event (its place among all; below 0: before any,
        when nothing had been met).
        """
        histories = self.histories
        row = np.searchsorted(histories.offsets, at, side="right") - 1
        begin = self.offsets[np.maximum(row, 0)]
        size = np.where(at < 0, 0, self.offsets[np.maximum(row, 0) + 1] - begin)
        moment = np.repeat(np.arange(len(at)), size)
        first = np.cumsum(size) - size
        event = self.order[np.arange(len(moment)) - np.repeat(first - begin, size)]
        known = event <= at[moment]
        moment, event = moment[known], event[known]
        item, now = histories.item[event], at[moment]
        fresh = np.ones(len(event), bool)
        fresh[1:] = (np.diff(moment) > 0) | (np.diff(item) != 0)
        group = np.cumsum(fresh) - 1
        hours = np.full(len(event), np.nan, np.float32)
        if histories.time is not None:
            hours = ((histories.time[now] - histories.time[event]) / 3600).astype(np.float32)
        arrays = (moment[fresh], item[fresh], np.bincount(group), group,
                  self.visit[now] - self.visit[event], hours)  # fmt: skip
        return Met(*(torch.from_numpy(array) for array in arrays))


@dataclass(frozen=True)
class Repeats:
    """What is added to the scores of P queries: row, item int64 [G], bonus float32 [G]; each pair
    of a row and an item once.
    """

    row: Tensor
    item: Tensor
    bonus: Tensor


class RepeatBonus(nn.Module):
    """bonus = log( exp(q·v + a) + exp(e) ) - q·v for each item that was met, 0 for other items:
    the intensity of a Hawkes process, what would be done anyway and what its visits excite.

    a = 10 rest + r·v,  e = log sum_m exp(10 (visits[a_m] + elapsed[t_m])) + 10 count[c] + w·q + s·v

    The sum is over the visits m with the item. So what the vectors say of an item counts as long as
    little is known of it, and after many visits habit alone does. All start at 0.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.visits = nn.Parameter(torch.zeros(VISITS))
        self.elapsed = nn.Parameter(torch.zeros(TIMES))
        self.count = nn.Parameter(torch.zeros(COUNTS))
        self.rest = nn.Parameter(torch.zeros(()))
        self.person = nn.Linear(dim, 1, bias=False)
        self.item = nn.Linear(dim, 2, bias=False)
        nn.init.zeros_(self.person.weight)
        nn.init.zeros_(self.item.weight)

    def forward(self, met: Met, query: Tensor, items: Tensor) -> Repeats:
        """Queries [P, D] and item vectors [N, D]; `met.item` points into them."""
        ago = (2 * (1 + met.ago.float()).log2()).floor().long().clamp(max=VISITS - 1)
        time = torch.where(met.hours.isnan(), 0, 1 + doubling(met.hours.nan_to_num(), TIMES - 1))
        kernel = SPEED * (self.visits[ago] + self.elapsed[time])
        excited = segment_logsumexp(kernel, met.group, len(met.row))
        excited = excited + SPEED * self.count[doubling(met.count, COUNTS + 1) - 1]
        anyway, more = self.item(items)[met.item].float().unbind(-1)
        excited = excited + self.person(query).ravel()[met.row] + more
        alike = (query[met.row] * items[met.item]).sum(-1).float()
        whole = torch.logaddexp(alike + SPEED * self.rest + anyway, excited)
        return Repeats(met.row, met.item, whole - alike)


def doubling(value: Tensor, buckets: int) -> Tensor:
    """0 below 1; then 1: 1 to 2, 2: 2 to 4, 3: 4 to 8, …, at most `buckets` - 1; int64."""
    return value.float().clamp(min=0.5).log2().floor().long().add(1).clamp(0, buckets - 1)
