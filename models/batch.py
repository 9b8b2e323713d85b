"""Histories to padded batches, sorted by length so that little is padding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kg.profiles import Profiles
from kg.sequences import Sequences

GAP_EDGES = np.array([60, 3600, 86400, 7 * 86400, 30 * 86400, 180 * 86400])
"""Seconds between two events, in buckets: minute, hour, day, week, month, half a year."""
NUM_GAPS = len(GAP_EDGES) + 2
"""Bucket 0 means "no time known"."""


@dataclass(frozen=True)
class Batch:
    """B histories, oldest event first, padded at the end.

    item, behaviour, gap int64 [B, L]; mask bool [B, L], True at events; positive int64 [B, L], the
    next item at each event (meaningless where `target` bool [B, L] is False); user int64 [B].
    kind int64 [B, L]: the behaviour of that next item's event; None where there are no targets.
    count int64 [B, L]: the which occurrence of its item an event is; until int64 [B, L]: the place
    (as in `item`) of the next one; hours float32 [B, L] since the first event, NaN if not known.
    start int64 [B], the place in the whole history of the first event that is read.
    intent float32 [B, T], an intent embedding, known from position `known_from` int64 [B] on.
    query int64 [B, L]: the search that an event is, -1 for item events, whose `item` counts;
    `place` int64 [B, L] counts item events only, from the first that is read: both None where all
    events have items. `search` float32 [S, T] are the texts that `query` points to, if they are
    told with the history.
    who int64 [B]: whose history it is, as `Sequences.who`; `profile`: what is known of them, if it
    is told with the history.
    """

    item: Tensor
    behaviour: Tensor
    gap: Tensor
    count: Tensor
    until: Tensor
    hours: Tensor
    mask: Tensor
    positive: Tensor
    target: Tensor
    user: Tensor
    start: Tensor
    kind: Tensor | None = None
    intent: Tensor | None = None
    known_from: Tensor | None = None
    query: Tensor | None = None
    place: Tensor | None = None
    search: Tensor | None = None
    who: Tensor | None = None
    profile: Profiles | None = None

    @property
    def has_item(self) -> Tensor:
        """bool [B, L], True at events with an item."""
        return self.mask if self.query is None else self.mask & (self.query < 0)

    @property
    def last(self) -> Tensor:
        """int64 [B], the place of the last event of each history; 0 for an empty one."""
        return (self.mask.sum(1) - 1).clamp(min=0)


def pad(
    sequences: Sequences, rows: np.ndarray, start: np.ndarray, stop: np.ndarray
) -> dict[str, np.ndarray]:
    """The inputs [B, L] of a `Batch`, for the events start:stop of each row."""
    lengths = stop - start
    width = max(int(lengths.max(initial=0)), 1)
    column = np.arange(width)
    mask = column < lengths[:, None]  # [B, L]
    at = np.where(mask, sequences.offsets[rows][:, None] + start[:, None] + column, 0)
    if len(sequences.item) == 0:
        zeros = np.zeros(mask.shape, np.int64)
        return {"item": zeros, "behaviour": zeros, "gap": zeros, "count": zeros, "until": zeros,
                "hours": zeros.astype(np.float32), "mask": mask}  # fmt: skip
    gap = np.zeros(mask.shape, np.int64)
    hours = np.full(mask.shape, np.nan, np.float32)
    count, until = sequences.repeats
    if sequences.time is not None:
        first = (start[:, None] + column) == 0
        before = np.maximum(at - 1, 0)
        seconds = sequences.time[at] - sequences.time[before]
        bucket = 1 + np.searchsorted(GAP_EDGES, np.maximum(seconds, 0), side="right")
        gap = np.where(mask & ~first, bucket, 0)
        hours = ((sequences.time[at] - sequences.time[at[:, :1]]) / 3600).astype(np.float32)
    return {
        "item": np.where(mask, sequences.item[at], 0),
        "behaviour": np.where(mask, sequences.behaviour[at], 0),
        "gap": gap,
        "count": np.where(mask, count[at], 0),
        "until": np.where(mask, until[at] - start[:, None], 0),
        "hours": hours,
        "mask": mask,
    }


def to_batch(
    arrays: dict[str, np.ndarray], sequences: Sequences, rows: np.ndarray, start: np.ndarray
) -> Batch:
    """Inputs as tensors, without targets; `rows` and `start` int64 [B] say whose and from where."""
    who = sequences.who
    if sequences.whole is not None:
        arrays, start = _apart(arrays, sequences, rows, start)
    tensors: dict[str, Any] = {name: torch.from_numpy(array) for name, array in arrays.items()}
    none = torch.zeros_like(tensors["mask"])
    return Batch(
        **tensors,
        positive=tensors["item"],
        target=none,
        user=torch.from_numpy(rows.copy()),
        start=torch.from_numpy(start.copy()),
        who=None if who is None else torch.from_numpy(who[rows]),
    )


def _apart(
    arrays: dict[str, np.ndarray], sequences: Sequences, rows: np.ndarray, start: np.ndarray
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Searches apart from items, and `start` counted in item events, as are the places."""
    item, mask = arrays["item"], arrays["mask"]
    is_search = item >= sequences.num_items
    at = sequences.offsets[rows] + start
    begin = sequences.place[np.minimum(at, max(len(sequences.item) - 1, 0))]
    begin = np.where(mask[:, 0], begin + is_search[:, 0], 0)  # item events before the first read
    told = {
        "item": np.where(is_search, 0, item),
        "query": np.where(is_search, item - sequences.num_items, -1),
        "place": np.cumsum(mask & ~is_search, 1) - 1,
    }
    return arrays | told, begin


def training_batches(
    sequences: Sequences,
    max_length: int,
    targets: int,
    rng: np.random.Generator,
    visits: tuple[np.ndarray, np.ndarray] | None = None,
) -> Iterator[Batch]:
    """One epoch: every history with two or more events once, next item at every event.

    With `visits` (`Sequences.next_visits`) the target of an event is an item of the next visit,
    drawn evenly, and events of the last visit have none.

    A history longer than `max_length` + 1 gives its last window, or half of the time a random one.
    Batches are cut from histories sorted by length, each with about `targets` next items, so that
    every next item weighs the same in an epoch; they come in random order.
    """
    for (batch,) in training_groups(sequences, max_length, targets, rng, visits):
        yield batch


def training_groups(
    sequences: Sequences,
    max_length: int,
    targets: int,
    rng: np.random.Generator,
    visits: tuple[np.ndarray, np.ndarray] | None = None,
    parts: int = 1,
) -> Iterator[list[Batch]]:
    """`training_batches`, up to `parts` of them at a time: together the batch of as many times the
    targets that the same `rng` gives.
    """
    rows = np.flatnonzero(sequences.lengths >= 2)
    window = np.minimum(sequences.lengths[rows], max_length + 1)
    slack = sequences.lengths[rows] - window
    random_start = rng.integers(0, slack + 1)
    start = np.where(rng.random(len(rows)) < 0.5, random_start, slack)
    order = np.lexsort((rng.random(len(rows)), window))
    if len(order) == 0:
        return
    filled = (np.cumsum(window[order] - 1) - 1) // max(targets, 1)
    groups = np.split(np.arange(len(order)), _changes(filled // parts))
    for group in rng.permutation(len(groups)):
        places = groups[group]
        out = []
        for pick in np.split(order[places], _changes(filled[places])):
            batch = _with_targets(sequences, rows[pick], start[pick], start[pick] + window[pick])
            out.append(batch if visits is None else _of_next_visit(batch, sequences, visits, rng))
        yield out


def groups_per_epoch(sequences: Sequences, max_length: int, targets: int, parts: int = 1) -> int:
    """How many groups `training_groups` gives: the same in every epoch."""
    lengths = sequences.lengths[sequences.lengths >= 2]
    last = np.cumsum(np.sort(np.minimum(lengths - 1, max_length))) - 1
    return len(np.unique(last // max(targets, 1) // parts))


def _changes(numbers: np.ndarray) -> np.ndarray:
    """Where an ascending row of numbers takes the next value."""
    return np.flatnonzero(np.diff(numbers)) + 1


def _with_targets(
    sequences: Sequences, rows: np.ndarray, start: np.ndarray, stop: np.ndarray
) -> Batch:
    arrays = pad(sequences, rows, start, stop)
    inputs = {name: array[:, :-1] for name, array in arrays.items()}
    has_item = arrays["item"] < sequences.num_items
    target = torch.from_numpy(arrays["mask"][:, 1:] & has_item[:, 1:])  # a search is no target
    inputs["mask"] = inputs["mask"] & arrays["mask"][:, 1:]  # the last event has no next
    inputs = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
    batch = to_batch(inputs, sequences, rows, start)
    positive = torch.from_numpy(np.where(has_item, arrays["item"], 0)[:, 1:].copy())
    kind = torch.from_numpy(arrays["behaviour"][:, 1:].copy())
    return replace(batch, positive=positive, target=target, kind=kind)


def _of_next_visit(
    batch: Batch,
    sequences: Sequences,
    visits: tuple[np.ndarray, np.ndarray],
    rng: np.random.Generator,
) -> Batch:
    sequences = sequences.whole or sequences
    column = np.arange(batch.item.shape[1])
    place = column if batch.place is None else batch.place.numpy()
    first = sequences.offsets[batch.user.numpy()] + batch.start.numpy()
    at = first[:, None] + place  # [B, L], of the latest item event
    known = batch.mask.numpy() & (place + batch.start.numpy()[:, None] >= 0)
    at = np.where(known, at, 0)
    begin, size = visits[0][at], visits[1][at]
    target = known & (size > 0)
    drawn = begin + (rng.random(at.shape) * size).astype(np.int64)
    drawn = np.where(target, drawn, 0)
    positive = torch.from_numpy(np.where(target, sequences.item[drawn], 0))
    kind = torch.from_numpy(sequences.behaviour[drawn])
    return replace(batch, positive=positive, target=torch.from_numpy(target), kind=kind)


def history_batches(
    sequences: Sequences, max_length: int, batch_size: int
) -> Iterator[tuple[np.ndarray, Batch]]:
    """(rows, batch) of every history's last `max_length` events, shortest first."""
    order = np.argsort(np.minimum(sequences.lengths, max_length), kind="stable")
    for i in range(0, len(order), batch_size):
        rows = order[i : i + batch_size]
        stop = sequences.lengths[rows]
        start = np.maximum(stop - max_length, 0)
        yield rows, to_batch(pad(sequences, rows, start, stop), sequences, rows, start)
