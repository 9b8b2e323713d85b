"""Searches: events with a text and no item, kept beside the item events of the same histories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kg.alike import ByValue
from kg.errors import UsageError
from kg.events import EventLog
from kg.ids import Vocab


@dataclass(frozen=True)
class Search:
    """A search in a history that is told live: `["i1", Search("rain boots")]`; `UsageError` for an
    empty text.
    """

    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not self.text.strip():
            raise UsageError(f"The text of a search must not be empty. Got {self.text!r}.")


@dataclass(frozen=True, eq=False)
class Searches(ByValue):
    """S searches of U histories, oldest first: those of history u are offsets[u]:offsets[u + 1].

    after int64 [S]: how many item events of its history stand before each; text int64 [S] into
    `texts`; behaviour int64 [S]; time int64 [S] or None.
    """

    offsets: np.ndarray
    after: np.ndarray
    text: np.ndarray
    behaviour: np.ndarray
    time: np.ndarray | None
    texts: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.text)

    @property
    def row(self) -> np.ndarray:
        """int64 [S], the history that each search belongs to."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def take(self, rows: np.ndarray) -> Searches:
        """Those of these histories, in this order."""
        starts = self.offsets[rows]
        lengths = self.offsets[rows + 1] - starts
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        index = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        return replace(self._at(index), offsets=offsets)

    def among(self, keep: np.ndarray) -> Searches:
        """Only those of the mask bool [S]."""
        counts = np.bincount(self.row[keep], minlength=len(self.offsets) - 1)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return replace(self._at(np.flatnonzero(keep)), offsets=offsets)

    def _at(self, index: np.ndarray) -> Searches:
        time = None if self.time is None else self.time[index]
        return replace(
            self, after=self.after[index], text=self.text[index], behaviour=self.behaviour[index],
            time=time,
        )  # fmt: skip

    @classmethod
    def of(cls, log: EventLog) -> Searches | None:
        """The searches of every user of the log; None where it has none."""
        at = searched(log)
        if len(at) == 0:
            return None
        assert log.query is not None
        vocab = query_texts(log)
        items = np.bincount(log.user[log.has_item], minlength=len(log.users))
        before = (np.cumsum(log.has_item) - log.has_item)[at]
        user = log.user[at]
        return cls(
            np.concatenate([[0], np.cumsum(np.bincount(user, minlength=len(log.users)))]),
            before - (np.cumsum(items) - items)[user],
            vocab.encode(log.query[n] for n in at.tolist()), log.behaviour[at],
            None if log.time is None else log.time[at], vocab.ids,
        )  # fmt: skip

    @classmethod
    def single(cls, history: Sequence[object], behaviour: int) -> Searches | None:
        """Those of one live history; None where it has none."""
        found = [(n, event.text) for n, event in enumerate(history) if isinstance(event, Search)]
        if not found:
            return None
        vocab = Vocab.of((text for _, text in found), "search")
        after = np.array([n - number for number, (n, _) in enumerate(found)], np.int64)
        count = len(found)
        return cls(
            np.array([0, count], np.int64), after, vocab.encode(text for _, text in found),
            np.full(count, behaviour, np.int64), None, vocab.ids,
        )  # fmt: skip


def searched(log: EventLog) -> np.ndarray:
    """int64 [S]: the positions of the log's events that have a text and no item."""
    if log.query is None:
        return np.zeros(0, np.int64)
    at = np.flatnonzero(~log.has_item)
    return at[np.array([bool(log.query[n].strip()) for n in at.tolist()], bool)]


def query_texts(log: EventLog) -> Vocab:
    """The distinct texts that were searched for."""
    query = log.query or ()
    return Vocab.of((query[n] for n in searched(log).tolist()), "search")
