"""Histories to padded batches, sorted by length so that little is padding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
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
class Wanted:
    """What comes after P moments: K pairs of a moment and an item.

    row int64 [K] into the moments, ascending; item, behaviour int64 [K] of its event; share float32
    [K], which is 1 in sum for each moment.
    """

    row: Tensor
    item: Tensor
    behaviour: Tensor
    share: Tensor

    @classmethod
    def of(cls, row: np.ndarray, item: np.ndarray, behaviour: np.ndarray) -> Wanted:
        """The items of a moment share evenly."""
        share = (1 / np.maximum(np.bincount(row), 1))[row].astype(np.float32)
        return cls(*(torch.from_numpy(array) for array in (row, item, behaviour, share)))

    def to(self, device: torch.device) -> Wanted:
        """The same on a device."""
        return Wanted(*(getattr(self, f.name).to(device) for f in fields(self)))

    def and_(self, more: Wanted) -> Wanted:
        """Both, with the moments of `more` after those of this."""
        pairs = [(getattr(self, f.name), getattr(more, f.name)) for f in fields(self)]
        return Wanted(*(torch.cat(pair) for pair in pairs))


NOTHING = Wanted.of(*np.zeros((3, 0), np.int64))


@dataclass(frozen=True)
class Batch:
    """B histories, oldest event first, padded at the end.

    item, behaviour, gap int64 [B, L]; mask bool [B, L], True at events; user int64 [B].
    start int64 [B], the place in the whole history of the first event that is read.
    target bool [B, L]: the P moments, right after an event, from which `wanted` is to be told.
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
    mask: Tensor
    target: Tensor
    user: Tensor
    start: Tensor
    wanted: Wanted
    intent: Tensor | None = None
    known_from: Tensor | None = None
    query: Tensor | None = None
    place: Tensor | None = None
    search: Tensor | None = None
    who: Tensor | None = None
    profile: Profiles | None = None

    def to(self, device: torch.device) -> Batch:
        """The same on a device; the profile, which is numpy's, stays."""
        if self.item.device == device:
            return self
        told = {f.name: getattr(self, f.name) for f in fields(self)}
        moved: dict[str, Any] = {
            k: v.to(device) for k, v in told.items() if isinstance(v, Tensor | Wanted)
        }
        return replace(self, **moved)

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
        return {"item": zeros, "behaviour": zeros, "gap": zeros, "mask": mask}
    gap = np.zeros(mask.shape, np.int64)
    if sequences.time is not None:
        first = (start[:, None] + column) == 0
        before = np.maximum(at - 1, 0)
        seconds = sequences.time[at] - sequences.time[before]
        bucket = 1 + np.searchsorted(GAP_EDGES, np.maximum(seconds, 0), side="right")
        gap = np.where(mask & ~first, bucket, 0)
    return {
        "item": np.where(mask, sequences.item[at], 0),
        "behaviour": np.where(mask, sequences.behaviour[at], 0),
        "gap": gap,
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
    return Batch(
        **tensors,
        target=torch.zeros_like(tensors["mask"]),
        wanted=NOTHING,
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


Periods = tuple[np.ndarray, np.ndarray]
"""`Sequences.periods`: the events from:to after each event, int64 [E] each."""


def training_batches(
    sequences: Sequences,
    max_length: int,
    targets: int,
    rng: np.random.Generator,
    periods: Periods | None = None,
) -> Iterator[Batch]:
    """One epoch: every history with two or more events once, next item at every event.

    With `periods` the moments are the ends of visits, and wanted is each item of the period after;
    and searches, of which the next item event is wanted.

    A history longer than `max_length` + 1 gives its last window, or half of the time a random one.
    Batches are cut from histories sorted by length, each with about `targets` moments, so that
    every moment weighs the same in an epoch; they come in random order.
    """
    for (batch,) in training_groups(sequences, max_length, targets, rng, periods):
        yield batch


def training_groups(
    sequences: Sequences,
    max_length: int,
    targets: int,
    rng: np.random.Generator,
    periods: Periods | None = None,
    parts: int = 1,
) -> Iterator[list[Batch]]:
    """`training_batches`, up to `parts` of them at a time: together the batch of as many times the
    targets that the same `rng` gives.
    """
    windows, filled = _windows(sequences, max_length, targets, rng, periods)
    groups = np.split(np.arange(len(filled)), _changes(filled // parts))
    for group in rng.permutation(len(groups)) if len(filled) else ():
        places, out = groups[group], []
        for pick in np.split(places, _changes(filled[places])):
            batch = _with_next(sequences, *windows[:, pick])
            out.append(batch if periods is None else _with_period(batch, sequences, periods))
        yield out


def groups_per_epoch(
    sequences: Sequences, max_length: int, targets: int, periods: Periods | None = None,
    parts: int = 1,
) -> int:  # fmt: skip
    """How many groups `training_groups` gives: the same in every epoch, but with `periods` about
    so many, as a window holds more moments than another.
    """
    rng = np.random.default_rng(0)
    filled = _windows(sequences, max_length, targets, rng, periods)[1]
    return len(np.unique(filled // parts))


def _windows(
    sequences: Sequences, max_length: int, targets: int, rng: np.random.Generator,
    periods: Periods | None,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """One of each history, shortest first: row, start and stop int64 [3, W], and the number of its
    batch int64 [W].
    """
    rows = np.flatnonzero(sequences.lengths >= 2)
    window = np.minimum(sequences.lengths[rows], max_length + 1)
    slack = sequences.lengths[rows] - window
    random_start = rng.integers(0, slack + 1)
    start = np.where(rng.random(len(rows)) < 0.5, random_start, slack)
    moments = window - 1
    if periods is not None:
        ahead = np.concatenate([[0], np.cumsum(periods[1] > periods[0])])
        at = np.concatenate([[0], np.cumsum(sequences.item < sequences.num_items)])
        begin = sequences.offsets[rows] + start
        end = begin + window - 1
        searches = (end - begin) - (at[end] - at[begin])
        moments = ahead[at[end]] - ahead[at[begin]] + searches
    order = np.lexsort((rng.random(len(rows)), window))
    filled = np.maximum(np.cumsum(moments[order]) - 1, 0) // max(targets, 1)
    return np.stack([rows, start, start + window])[:, order], filled


def _changes(numbers: np.ndarray) -> np.ndarray:
    """Where an ascending row of numbers takes the next value."""
    return np.flatnonzero(np.diff(numbers)) + 1


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


def moments(batch: Batch, sequences: Sequences) -> np.ndarray:
    """int64 [P]: the item event after which each target of the batch is asked, by its place among
    all item events of the histories; -1 before the first of a history.
    """
    row, column = np.nonzero(batch.target.numpy())
    place = column if batch.place is None else batch.place.numpy()[row, column]
    own = place + batch.start.numpy()[row]
    whole = sequences.whole or sequences
    return np.where(own < 0, -1, whole.offsets[batch.user.numpy()[row]] + own)


def _with_next(
    sequences: Sequences, rows: np.ndarray, start: np.ndarray, stop: np.ndarray
) -> Batch:
    arrays = pad(sequences, rows, start, stop)
    inputs = {name: array[:, :-1] for name, array in arrays.items()}
    has_item = arrays["item"] < sequences.num_items
    target = arrays["mask"][:, 1:] & has_item[:, 1:]  # a search is no target
    inputs["mask"] = inputs["mask"] & arrays["mask"][:, 1:]  # the last event has no next
    inputs = {name: np.ascontiguousarray(array) for name, array in inputs.items()}
    batch = to_batch(inputs, sequences, rows, start)
    item, behaviour = arrays["item"][:, 1:][target], arrays["behaviour"][:, 1:][target]
    wanted = Wanted.of(np.arange(len(item)), item, behaviour)
    return replace(batch, target=torch.from_numpy(target), wanted=wanted)


def _with_period(batch: Batch, sequences: Sequences, periods: Periods) -> Batch:
    """The same histories, asked at the ends of visits, and at searches for the next event."""
    batch = replace(batch, target=batch.mask.clone())
    at = moments(batch, sequences)
    begin, stop = (np.where(at < 0, 0, bound[at]) for bound in periods)
    if batch.query is not None:
        begin, stop = _next_of_searches(batch, sequences, at, begin, stop)
    target = batch.target.numpy().copy()
    target[target] = begin < stop
    begin, size = begin[begin < stop], (stop - begin)[begin < stop]
    row = np.repeat(np.arange(len(size)), size)
    event = np.arange(len(row)) + np.repeat(begin - (np.cumsum(size) - size), size)
    whole = sequences.whole or sequences
    _, once = np.unique(row * whole.num_items + whole.item[event], return_index=True)
    row, event = row[once], event[once]
    wanted = Wanted.of(row, whole.item[event], whole.behaviour[event])
    return replace(batch, target=torch.from_numpy(target), wanted=wanted)


def _next_of_searches(
    batch: Batch, sequences: Sequences, at: np.ndarray, begin: np.ndarray, stop: np.ndarray
) -> Periods:
    """The events from:to of each moment, int64 [P] each: of a search the one after it."""
    assert batch.query is not None
    whole = sequences.whole or sequences
    row, column = np.nonzero(batch.target.numpy())
    searched = batch.query.numpy()[row, column] >= 0
    user = batch.user.numpy()[row]
    following = np.where(at < 0, whole.offsets[user], at + 1)
    last = np.minimum(following + 1, whole.offsets[user + 1])
    return np.where(searched, following, begin), np.where(searched, last, stop)
