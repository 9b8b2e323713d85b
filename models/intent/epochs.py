"""Epochs over tokenised texts: the loop that every network of this package learns by."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.device import device_of
from models.intent.objectives import Step
from models.intent.settings import TextTraining
from models.text.batches import length_batches, padded_ids

STEPS = 2500
"""How many steps there are about, where the settings leave the number of epochs open."""
_POOL = 50  # batches that are sorted by length among themselves


@dataclass(frozen=True)
class Tokens:
    """n texts as token ids, each its own length, and what each carries: bool or soft [n, L]."""

    ids: list[list[int]]
    carries: np.ndarray
    pad: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    def batch(self, at: Sequence[int] | np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """ids int64 [B, W], mask bool [B, W], target float32 [B, L] of these rows."""
        rows = [self.ids[i] for i in at]
        width = max(1, max(map(len, rows), default=1))
        ids, mask = padded_ids(rows, width, self.pad)
        real = torch.ones(ids.shape, dtype=torch.bool) if mask is None else torch.from_numpy(mask)
        target = torch.from_numpy(self.carries[np.asarray(at)].astype(np.float32))
        return torch.from_numpy(ids), real.bool(), target


@dataclass(frozen=True)
class TextEpoch:
    """One epoch: its number from 1 and of how many, the mean loss, seconds."""

    number: int
    of: int
    loss: float
    seconds: float


def train_epochs(
    network: nn.Module,
    data: Tokens,
    learn: Step,
    groups: list[dict[str, Any]],
    config: TextTraining,
    rng: np.random.Generator,
    *,
    bfloat16: bool = False,
    fresh: Callable[[], Tokens] | None = None,
    after: Callable[[int], None] | None = None,
) -> Iterator[TextEpoch]:
    """Train in place; stop asking and it stops. `groups` are those of AdamW, with their rates.

    `accumulate` batches make an update, the last ones of an epoch maybe fewer, and each text of
    them counts the same. The rate rises in a line for `warmup` of the updates, then falls in a line
    to 0. `fresh` makes what an epoch reads in place of `data`, as many texts; `after` hears the
    number of each update, before the gradients are cleared.
    """
    epochs = config.epochs or planned_epochs(len(data), config.batch_size)
    steps = -(-len(data) // config.batch_size)
    total = epochs * -(-steps // config.accumulate)
    optimiser = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, slope(total, config.warmup))
    learned = [part for group in groups for part in group["params"]]
    place, done = device_of(network), 0
    for epoch in range(1, epochs + 1):
        started, losses = time.perf_counter(), []
        network.train()
        read = data if fresh is None else fresh()
        batches = _batches(read, config.batch_size, rng)
        while group := list(islice(batches, config.accumulate)):
            rows = sum(map(len, group))
            for at in group:
                with _numbers(bfloat16, place):
                    ids, mask, target = (part.to(place) for part in read.batch(at))
                    losses.append(learn(ids, mask, target, len(at) / rows))
            torch.nn.utils.clip_grad_norm_(learned, config.clip)
            optimiser.step()
            done += 1
            if after:
                after(done)
            schedule.step()
            optimiser.zero_grad()
        network.eval()
        yield TextEpoch(epoch, epochs, float(np.mean(losses)), time.perf_counter() - started)


def planned_epochs(rows: int, batch: int) -> int:
    """About `STEPS` steps in all, in 3 to 40 epochs."""
    return int(np.clip(round(STEPS * batch / max(rows, 1)), 3, 40))


@torch.inference_mode()
def read_tokens(network: nn.Module, data: Tokens, budget: int = 8192) -> tuple[Any, Any]:
    """logits float32 [n, L] and vectors [n, D] of all rows, in batches of one length."""
    network.eval()
    place = device_of(network)

    def run(ids: Tensor, mask: Tensor) -> tuple[Any, Any]:
        logits, vectors = network(ids.to(place), mask.to(place))
        return logits.float().cpu().numpy(), vectors.float().cpu().numpy()

    return in_batches(run, data, budget)


def in_batches(
    run: Callable[[Tensor, Tensor], tuple[Any, Any]], data: Tokens, budget: int = 8192
) -> tuple[Any, Any]:
    """What `run` gives of ids [B, W] and mask [B, W], all rows in their order; rows of like length
    are read together (`length_batches`).
    """
    lengths = np.array([max(1, len(ids)) for ids in data.ids], np.int64)
    if not len(lengths):
        return np.zeros((0, data.carries.shape[1]), np.float32), np.zeros((0, 1), np.float32)
    found, order = [], []
    for rows, _ in length_batches(lengths, budget):
        ids, mask, _ = data.batch(rows)
        found.append(run(ids, mask))
        order.append(rows)
    back = np.argsort(np.concatenate(order))
    logits, vectors = (np.concatenate(part)[back] for part in zip(*found, strict=True))
    return logits, vectors


def _batches(data: Tokens, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """All rows once, in batches of like lengths: padding is work thrown away."""
    lengths = np.array([len(ids) for ids in data.ids])
    order = rng.permutation(len(data))
    batches: list[np.ndarray] = []
    for begin in range(0, len(order), size * _POOL):
        pool = order[begin : begin + size * _POOL]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches += [pool[at : at + size] for at in range(0, len(pool), size)]
    for number in rng.permutation(len(batches)):
        yield batches[number]


def slope(total: int, warmup: float) -> Callable[[int], float]:
    """Of `total` updates the share of the rate by number: up in a line, then down to 0."""
    rise = max(1, round(warmup * total))

    def factor(done: int) -> float:
        return (done + 1) / rise if done < rise else max(0.0, (total - done) / max(1, total - rise))

    return factor


def _numbers(bfloat16: bool, place: torch.device) -> AbstractContextManager[Any]:
    return torch.autocast(place.type, dtype=torch.bfloat16) if bfloat16 else nullcontext()
