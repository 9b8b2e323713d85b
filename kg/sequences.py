"""Histories as one ragged array: the events of user u are `offsets[u]:offsets[u + 1]`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse

from kg.errors import DataError, UsageError
from kg.events import EventLog


@dataclass(frozen=True)
class Sequences:
    """U histories, oldest event first, E events with an item in all.

    offsets int64 [U + 1]; item, behaviour int64 [E]; time int64 [E] or None. who int64 [U]: the
    number of each person in the log that the histories come from, -1 for someone else.
    """

    offsets: np.ndarray
    item: np.ndarray
    behaviour: np.ndarray
    time: np.ndarray | None
    num_items: int
    who: np.ndarray | None = None

    def __post_init__(self) -> None:
        bounds = self.offsets
        if len(bounds) == 0 or bounds[0] != 0 or bounds[-1] != len(self.item):
            raise DataError(
                f"Sequences.offsets must begin with 0 and end with the {len(self.item)} events."
            )
        if (np.diff(bounds) < 0).any():
            raise DataError("Sequences.offsets must not fall.")
        for name in ("behaviour", "time"):
            column = getattr(self, name)
            if column is not None and len(column) != len(self.item):
                raise DataError(f"Sequences.{name} must have one entry per event.")

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> np.ndarray:
        """int64 [U]."""
        return np.diff(self.offsets)

    @property
    def row(self) -> np.ndarray:
        """int64 [E], the history that each event belongs to."""
        return np.repeat(np.arange(len(self)), self.lengths)

    @cached_property
    def repeats(self) -> tuple[np.ndarray, np.ndarray]:
        """How often, int64 [E]: the which occurrence of its item in its history an event is (1: the
        first); and until when, int64 [E]: the place in the history of the next one (2^62: none).
        """
        row = self.row
        key = row * max(self.num_items, 1) + self.item
        order = np.argsort(key, kind="stable")
        same = np.concatenate([[False], key[order][1:] == key[order][:-1]])[: len(key)]
        first = np.maximum.accumulate(np.where(same, 0, np.arange(len(key))))
        count, until = np.empty(len(key), np.int64), np.full(len(key), 2**62)
        count[order] = np.arange(len(key)) - first + 1
        place = np.arange(len(key)) - self.offsets[row]
        until[order[:-1][same[1:]]] = place[order[1:][same[1:]]]
        return count, until

    def next_visits(self, gap: float) -> tuple[np.ndarray, np.ndarray]:
        """Where each event's next visit begins, int64 [E] into the events, and how many events it
        has, int64 [E], 0 where none follows. A pause of more than `gap` seconds ends a visit.

        `UsageError` without times.
        """
        if self.time is None:
            raise UsageError("Visits can only be told apart where times are known.")
        events = len(self.time)
        if events == 0:
            return np.zeros(0, np.int64), np.zeros(0, np.int64)
        row = self.row
        fresh = np.concatenate([[True], (np.diff(self.time) > gap) | (np.diff(row) > 0)])
        start = np.flatnonzero(fresh)  # of each visit
        size = np.diff(np.append(start, events))
        follows = np.append(row[start[1:]] == row[start[:-1]], False)
        visit = np.cumsum(fresh) - 1
        after = np.minimum(visit + 1, len(start) - 1)
        return start[after], np.where(follows[visit], size[after], 0)

    @property
    def repeat_share(self) -> float:
        """The share of events whose item was in the history before; 0 without events."""
        return float((self.repeats[0] > 1).mean()) if len(self.item) else 0.0

    def items_of(self, row: int) -> np.ndarray:
        """int64 [L], the items of one history, oldest first."""
        return self.item[self.offsets[row] : self.offsets[row + 1]]

    def take(self, rows: np.ndarray) -> Sequences:
        """The histories of these rows, in this order."""
        starts, lengths = self.offsets[rows], self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        index = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        time = None if self.time is None else self.time[index]
        who = None if self.who is None else self.who[rows]
        return Sequences(
            offsets, self.item[index], self.behaviour[index], time, self.num_items, who
        )

    def matrix(self, weights: np.ndarray | None = None) -> sparse.csr_matrix:
        """float32 [U, N]: 1 where the user touched the item (or `weights` [E], summed)."""
        data = np.ones(len(self.item), np.float32) if weights is None else weights
        shape = (len(self), self.num_items)
        out = sparse.csr_matrix((data, self.item.copy(), self.offsets.copy()), shape=shape)
        out.sum_duplicates()
        if weights is None:
            out.data[:] = 1.0
        return out

    @classmethod
    def of(cls, log: EventLog) -> Sequences:
        """The histories of every user of the log; events without an item are left out."""
        keep = log.take(log.has_item) if not log.has_item.all() else log
        counts = keep.user_counts()
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        who = np.arange(len(log.users))
        return cls(offsets, keep.item, keep.behaviour, keep.time, len(log.items), who)

    @classmethod
    def single(cls, items: np.ndarray, num_items: int, behaviour: int = 0) -> Sequences:
        """One history given by its items alone (all of one behaviour, no times)."""
        items = np.asarray(items, np.int64)
        kinds = np.full(len(items), behaviour, np.int64)
        return cls(np.array([0, len(items)], np.int64), items, kinds, None, num_items)
