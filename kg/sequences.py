"""Histories as one ragged array: the events of user u are `offsets[u]:offsets[u + 1]`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy import sparse

from kg.alike import ByValue
from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.searches import Searches


@dataclass(frozen=True, eq=False)
class Sequences(ByValue):
    """U histories, oldest event first, E events with an item in all.

    offsets int64 [U + 1]; item, behaviour int64 [E]; time int64 [E] or None. who int64 [U]: the
    number of each person in the log that the histories come from, -1 for someone else.

    `searches` stand beside the events and are in no other array: whoever wants one sequence of
    both asks for `interleaved`, of which `whole` is the origin. Where not `ordered` each history
    is a bag, and the order of its events means nothing.
    """

    offsets: np.ndarray
    item: np.ndarray
    behaviour: np.ndarray
    time: np.ndarray | None
    num_items: int
    who: np.ndarray | None = None
    searches: Searches | None = None
    whole: Sequences | None = None
    ordered: bool = True

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

    def visits(self, pause: float) -> np.ndarray:
        """int64 [E], the visit of each event, counted through all histories. A pause of more than
        `pause` seconds ends a visit; without times every event is one.
        """
        if self.time is None:
            return np.arange(len(self.item))
        fresh = np.diff(self.row, prepend=-1) > 0
        fresh[1:] |= np.diff(self.time) > pause
        return np.cumsum(fresh) - 1

    def periods(self, pause: float, length: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
        """What follows each visit, as events from:to, int64 [E] each, told at its last event; empty
        at the other events and where no visit follows.

        The period is the next visit, and what lies within `length` seconds of the visit's end.
        `UsageError` without times.
        """
        if self.time is None:
            raise UsageError("Visits can only be told apart where times are known.")
        begin, stop = np.zeros((2, len(self.item)), np.int64)
        row, visit = self.row, self.visits(pause)
        end = np.flatnonzero(np.diff(visit, append=-1))  # the last event of each visit
        follows = np.flatnonzero(row[end[:-1]] == row[end[1:]])
        at, after = end[follows], end[follows + 1] + 1
        if length > 0 and len(at):
            first, span = self.time.min(), float(self.time.max() - self.time.min()) + length + 1
            clock = row * span + (self.time - first)  # ascending, whole seconds in float64
            within = np.searchsorted(clock, clock[at] + length, side="right")
            after = np.maximum(after, np.minimum(within, self.offsets[1:][row[at]]))
        begin[at], stop[at] = at + 1, after
        return begin, stop

    @property
    def repeat_share(self) -> float:
        """The share of events whose item was in the history before; 0 without events."""
        if len(self.item) == 0:
            return 0.0
        return 1 - len(np.unique(self.row * self.num_items + self.item)) / len(self.item)

    @property
    def search_share(self) -> float:
        """The share of item events that come right after a search; 0 without events."""
        found = self.searches
        if found is None or len(self.item) == 0:
            return 0.0
        followed = found.after < self.lengths[found.row]
        events = (self.offsets[found.row] + found.after)[followed]
        return len(np.unique(events)) / len(self.item)

    def items_of(self, row: int) -> np.ndarray:
        """int64 [L], the items of one history, oldest first."""
        return self.item[self.offsets[row] : self.offsets[row + 1]]

    def unmet(self, target: EventLog) -> EventLog:
        """The events with an item that is not in the history of its user (row u: user u)."""
        target = target.take(target.has_item)
        met = self.row * self.num_items + self.item
        return target.take(~np.isin(target.user * self.num_items + target.item, met))

    def take(self, rows: np.ndarray) -> Sequences:
        """The histories of these rows, in this order."""
        starts, lengths = self.offsets[rows], self.lengths[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        index = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        time = None if self.time is None else self.time[index]
        who = None if self.who is None else self.who[rows]
        searches = None if self.searches is None else self.searches.take(rows)
        return Sequences(
            offsets, self.item[index], self.behaviour[index], time, self.num_items, who, searches,
            ordered=self.ordered,
        )  # fmt: skip

    def shuffled(self, rng: np.random.Generator, first: np.ndarray | None = None) -> Sequences:
        """The same histories, each in an order that is drawn; the first `first` int64 [U] events
        of each stay the first ones, in whatever order. Times are left out.
        """
        place = np.arange(len(self.item)) - self.offsets[self.row]
        late = np.zeros(len(place), bool) if first is None else place >= first[self.row]
        order = np.lexsort((rng.random(len(place)), late, self.row))
        return replace(
            self, item=self.item[order], behaviour=self.behaviour[order],
            time=None, ordered=False,
        )  # fmt: skip

    def interleaved(self, code: np.ndarray) -> Sequences:
        """Item events and searches in one sequence, in the order in which they happened.

        code int64 [Q]: the number of each text of `searches`, which stands as `num_items` + number
        among the items; searches whose text has a number below 0 are left out.
        """
        if self.searches is None:
            return self
        found = self.searches.among(code[self.searches.text] >= 0)
        place = np.arange(len(self.item)) - self.offsets[self.row]
        row = np.concatenate([found.row, self.row])
        # a search that came after n item events stands before the event of place n
        order = np.lexsort((np.repeat([0, 1], [len(found), len(place)]),
                            np.concatenate([found.after, place]), row))  # fmt: skip
        item = np.concatenate([self.num_items + code[found.text], self.item])[order]
        behaviour = np.concatenate([found.behaviour, self.behaviour])[order]
        time = None
        if self.time is not None and found.time is not None:
            time = np.concatenate([found.time, self.time])[order]
        offsets = self.offsets + found.offsets
        return Sequences(
            offsets, item, behaviour, time, self.num_items, self.who, whole=self,
            ordered=self.ordered,
        )  # fmt: skip

    @cached_property
    def place(self) -> np.ndarray:
        """int64 [E]: the place in the history of the latest item event up to each event; -1 where
        there is none. It counts item events only.
        """
        items = np.cumsum(self.item < self.num_items)
        before = np.concatenate([[0], items])[self.offsets[:-1]]
        return items - 1 - before[self.row]

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
        """The histories of every user of the log; searches stand beside them."""
        keep = log.take(log.has_item) if not log.has_item.all() else log
        counts = keep.user_counts()
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        who = np.arange(len(log.users))
        return cls(offsets, keep.item, keep.behaviour, keep.time, len(log.items), who,
                   Searches.of(log), ordered=log.ordered)  # fmt: skip

    @classmethod
    def single(
        cls, items: np.ndarray, num_items: int, behaviour: int = 0,
        searches: Searches | None = None,
    ) -> Sequences:  # fmt: skip
        """One history given by its items (all of one behaviour, no times) and perhaps searches."""
        items = np.asarray(items, np.int64)
        kinds = np.full(len(items), behaviour, np.int64)
        bounds = np.array([0, len(items)], np.int64)
        return cls(bounds, items, kinds, None, num_items, searches=searches)
