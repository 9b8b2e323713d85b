"""Buying again, learned by itself: how likely is an item that was met before to be met once more?

A small network over what a person's visits with one item say: how many, how long ago, how regular,
what the item is for others. The transformer and the kernel of `models.repeat` learn to tell what
comes next from all items at once, in which one person's own rhythm is a small voice; asked for
nothing but the next period, on periods of the past, it is heard. After Bhagat et al., Buy it again
(2018), whose models of regularity are curves of a chosen form. Only where times are known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional as F

from kg.events import EventLog
from kg.sequences import Sequences
from models.device import drawing
from models.repeat import PAUSE, Met, Past
from recsys.partners.trend import taken_lately

LIFT = 5.0
"""Added to the log-odds: an item of a chance below 1 in 150 loses by having been met."""
HALF_LIVES = (0.2, 0.8, 3.0, 10.0)
"""Of what a visit counts, in periods."""
COLUMNS = 10 + len(HALF_LIVES)
"""What a pair's features are beside the facts of its item."""
DECAY = 0.95
"""What a visit counts for each later one."""
LATELY = (0.01, 0.03, 0.1)
"""The shares of the log over which an item's trend is taken."""
LEAST = 1000
"""With fewer pairs of a person and an item there is nothing to learn from."""
MOST = 1_000_000
"""Pairs of a past period that are learned from: of more people, some are drawn."""
RATE = 2e-3
"""The highest learning rate."""
BLOCK = 4096
"""People whose pairs are held at a time."""


class HabitConfig(BaseModel):
    """How repeats are learned beside the model."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    windows: int = Field(
        3,
        ge=0,
        description="The last so many periods of the log are what is learned to foretell; "
        "0: no habits.",
    )
    habit_epochs: int = Field(4, ge=1)
    habit_dim: int = Field(64, ge=1, description="Width of the two hidden layers.")


class HabitNetwork(nn.Module):
    """Features float32 [G, F] to log-odds [G], by way of their mean and spread in training."""

    def __init__(self, features: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("spread", torch.ones(features))
        self.net = nn.Sequential(
            nn.Linear(features, dim), nn.GELU(), nn.Linear(dim, dim), nn.GELU(), nn.Linear(dim, 1)
        )

    def forward(self, features: Tensor) -> Tensor:
        scaled = (features - self.get_buffer("mean")) / self.get_buffer("spread")
        return self.net(scaled.clamp(-4, 4)).squeeze(-1)


@dataclass(frozen=True, eq=False)
class Habits:
    """weight · (g + LIFT) is added to the score of an item that was met: g are its log-odds to be
    met in the `period` (seconds) that begins at `now`, or right after the person's last event if
    that is later.

    facts float32 [N, 5] are what is known of each item at the end of the log that this was fitted
    to. `seed` draws the network's first weights and its batches.
    """

    network: HabitNetwork
    facts: np.ndarray
    now: float
    period: float
    weight: float
    seed: int
    config: HabitConfig

    @classmethod
    def fit(
        cls, log: EventLog, period: float, config: HabitConfig, seed: int, weight: float = 1.0
    ) -> Habits | None:
        """Learned from the last periods of the log; None where they hold too little, or none is
        asked for.
        """
        log = log.take(log.has_item)
        if log.time is None or period <= 0 or len(log) == 0 or config.windows == 0:
            return None
        parts = [_window(log, period, back, seed) for back in range(1, config.windows + 1)]
        x, y = (np.concatenate(column) for column in zip(*parts, strict=True))
        if len(y) < LEAST or y.all() or not y.any():
            return None
        network = _learned(x, y, config, seed)
        facts, now = item_facts(log), float(log.time.max())
        return cls(network, facts, now, period, weight, seed, config)

    def refit(self, log: EventLog) -> Habits | None:
        """The same settings, from this log."""
        return Habits.fit(log, self.period, self.config, self.seed, self.weight)

    def scores(self, histories: Sequences) -> sparse.csr_matrix:
        """float32 [U, N], what is added to the score of each item that was met."""
        shape = (len(histories), histories.num_items)
        parts = []
        for start in range(0, len(histories) if histories.time is not None else 0, BLOCK):
            rows = np.arange(start, min(start + BLOCK, len(histories)))
            row, item, x = features(histories.take(rows), self.facts, self.now, self.period)
            with torch.inference_mode():
                odds = self.network(torch.from_numpy(x)).numpy()
            parts.append((self.weight * (odds + LIFT), rows[row], item))
        if not parts:
            return sparse.csr_matrix(shape, dtype=np.float32)
        value, row, item = (np.concatenate(column) for column in zip(*parts, strict=True))
        return sparse.csr_matrix((value.astype(np.float32), (row, item)), shape=shape)


def item_facts(log: EventLog) -> np.ndarray:
    """float32 [N, 5] at the end of a log of item events: log(1 + events), the share of its people
    who came back to it, and its trend over `LATELY`.
    """
    _, met = _met(Sequences.of(log))
    people = np.bincount(met.item, minlength=len(log.items))
    again = np.bincount(met.item[met.count > 1], minlength=len(log.items))
    trends = [taken_lately(log, share) for share in LATELY]
    columns = [np.log1p(log.item_counts()), (again + 1) / (people + 5), *trends]
    return np.stack(columns, axis=1).astype(np.float32)


def features(
    histories: Sequences, facts: np.ndarray, now: float, period: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row and item int64 [G] of each pair that was met, and float32 [G, F] what is said of it.

    Items without facts (they came later) are left out. Times are in periods before `now`.
    """
    assert histories.time is not None
    some, met = _met(histories)
    row, item, count = some[met.row.numpy()], met.item.numpy(), met.count.numpy()
    group, ago = met.group.numpy(), met.ago.numpy()
    if len(row) == 0:
        return row, item, np.zeros((0, COLUMNS + facts.shape[1]), np.float32)
    ends = histories.offsets[some + 1] - 1
    visit = histories.visits(PAUSE)
    visits, absent = np.zeros((2, len(histories)))
    visits[some] = visit[ends] - visit[histories.offsets[some]] + 1
    absent[some] = np.maximum(now - histories.time[ends], 0) / period
    age = met.hours.numpy() * (3600 / period) + absent[row][group]
    begin = np.flatnonzero(np.diff(group, prepend=-1))
    nearest, farthest = np.minimum.reduceat(age, begin), np.maximum.reduceat(age, begin)
    gap, once = (farthest - nearest) / np.maximum(count - 1, 1), count == 1
    columns = [
        np.log(count), np.log1p(np.minimum.reduceat(ago, begin)), np.log(nearest + 0.01),
        np.log(gap + 0.01), once, np.where(once, 0, np.log(nearest / (gap + 0.01) + 0.05)),
        *(np.log(np.add.reduceat(0.5 ** (age / life), begin) + 0.01) for life in HALF_LIVES),
        np.log(np.add.reduceat(DECAY**ago, begin) + 0.01),
        np.log(histories.lengths[row]), np.log(count / visits[row]), np.log1p(absent[row]),
    ]  # fmt: skip
    known = item < len(facts)
    x = np.hstack([np.stack(columns, axis=1)[known], facts[item[known]]]).astype(np.float32)
    return row[known], item[known], x


def _met(histories: Sequences) -> tuple[np.ndarray, Met]:
    """Who has a history, int64 [H], and what each of these had met by its end."""
    some = np.flatnonzero(histories.lengths)
    return some, Past(histories).until(histories.offsets[some + 1] - 1)


def _window(log: EventLog, period: float, back: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features [G, F] of the pairs met before the period that many periods from the end, of people
    who were there in it, and whether they met again in it, bool [G].
    """
    assert log.time is not None
    cut = float(log.time.max()) - back * period
    before = log.take(log.time <= cut)
    then = log.take((log.time > cut) & (log.time <= cut + period))
    histories = Sequences.of(before)
    people = np.intersect1d(np.unique(then.user), np.flatnonzero(histories.lengths))
    rng = np.random.default_rng([seed, back])
    fitting = MOST / max(histories.lengths[people].sum(), 1)  # pairs are no more than events
    if fitting < 1:
        people = np.sort(rng.choice(people, int(len(people) * fitting), replace=False))
    row, item, x = features(histories.take(people), item_facts(before), cut, period)
    pairs = people[row] * len(log.items) + item
    return x, np.isin(pairs, then.user * len(log.items) + then.item)


def _learned(x: np.ndarray, y: np.ndarray, config: HabitConfig, seed: int) -> HabitNetwork:
    """Fitted by the mean cross-entropy, the learning rate rising and falling once."""
    rng = np.random.default_rng(seed)
    size = int(np.clip(len(y) // 200, 64, 2048))
    with drawing(int(rng.integers(2**31))), torch.enable_grad():
        network = HabitNetwork(x.shape[1], config.habit_dim)
        network.get_buffer("mean").copy_(torch.from_numpy(x.mean(0)))
        network.get_buffer("spread").copy_(torch.from_numpy(x.std(0) + 1e-6))
        steps = config.habit_epochs * -(-len(y) // size)
        optimiser = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0.01)
        plan = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
        told, wanted = torch.from_numpy(x), torch.from_numpy(y.astype(np.float32))
        for _ in range(config.habit_epochs):
            for batch in torch.from_numpy(rng.permutation(len(y))).split(size):
                odds = network(told[batch])
                loss = F.binary_cross_entropy_with_logits(odds, wanted[batch])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                plan.step()
    return network.eval().requires_grad_(False)
