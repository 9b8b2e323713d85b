"""How a log becomes parts, and which events of a part are the targets.

    loo          each user's last event is test, the one before it validation
    time         cut at two times: the last tenth of the events is test, the tenth before validation
    rolling:i/n  the last half in n slices: slice i is test, the one before validation, all before
                 that training; what comes later is not there
    given        the file's own split; without a validation part in it, each user's last training
                 purchase is validation, and what that user did from then on (and earlier with that
                 item, as in the test part) is no training event, but known before the test

Nobody and nothing is filtered: new users and new items stay.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import numpy as np

from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import Split, leave_one_out, temporal_split


@dataclass(frozen=True)
class Parts:
    """A split, and all that is known before its test part begins."""

    split: Split
    known: EventLog

    def of(self, part: str) -> tuple[EventLog, EventLog]:
        """(what is known when this part begins, the events of the part)."""
        if part == "valid":
            return self.split.train, self.split.valid
        return self.known, self.split.test


def make_parts(log: EventLog, protocol: str, label: np.ndarray | None = None) -> Parts:
    """`label` says for each event which part the file itself puts it in."""
    kind, _, which = protocol.partition(":")
    if kind == "given":
        if label is None:
            raise UsageError("The protocol 'given' needs a column 'split' in the file of events.")
        return _given(log, label)
    if kind == "rolling":
        split = _rolling(log, which)
    elif protocol in ("loo", "time"):
        split = leave_one_out(log) if protocol == "loo" else temporal_split(log)
    else:
        raise UsageError(
            f"The protocol must be loo, time, rolling:i/n or given. Got {protocol!r} instead."
        )
    return Parts(split, split.before_test())


def folder_of(protocol: str) -> str:
    """A name for a folder: 'rolling:2/5' becomes 'rolling-2-of-5'."""
    return protocol.replace(":", "-").replace("/", "-of-")


def targets(protocol: str, part: EventLog, known: EventLog, table: str) -> dict[str, EventLog]:
    """The targets of a table: `all` events of the part and, where a user can have several in some
    order, the `first`: those at the user's first time in the part (one basket has one time).

    In the table `new` what the user had before is no target. It leaves first, so that `first` is
    the first time with something new.
    """
    if table == "new":
        part = Sequences.of(known).unmet(part)
    part = part.take(part.has_item)
    if part.time is None or protocol in ("loo", "given"):
        return {"all": part}
    start = np.full(len(part.users), np.iinfo(np.int64).max)
    np.minimum.at(start, part.user, part.time)
    return {"all": part, "first": part.take(part.time == start[part.user])}


def _pairs(log: EventLog) -> np.ndarray:
    """int64 [E], one number per user and item."""
    return log.user * (len(log.items) + 1) + log.item


def _rolling(log: EventLog, which: str) -> Split:
    found = re.fullmatch(r"(\d+)/(\d+)", which)
    i, n = (int(part) for part in found.groups()) if found else (0, 0)
    if log.time is None or not 1 <= i <= n:
        raise UsageError(
            "rolling:i/n needs times and 1 <= i <= n, for instance rolling:1/5. "
            f"Got 'rolling:{which}' {'without' if log.time is None else 'with'} times."
        )
    stamps = np.sort(log.time)

    def at(slices: int) -> int:
        """The time at which so many slices of the last half are over."""
        place = int(len(stamps) * (0.5 + 0.5 * slices / n) + 1e-9)
        return int(stamps[place] if place < len(stamps) else stamps[-1] + 1)

    valid_at, test_at, end = at(i - 2), at(i - 1), at(i)
    return Split(
        log.take(log.time < valid_at),
        log.take((log.time >= valid_at) & (log.time < test_at)),
        log.take((log.time >= test_at) & (log.time < end)),
        by_time=True,
    )


def _given(log: EventLog, label: np.ndarray) -> Parts:
    if unknown := sorted(set(label.tolist()) - {"train", "valid", "test"}):
        raise DataError(f"The column 'split' may say train, valid, test. Got {unknown[0]!r}.")
    test, valid, train = label == "test", label == "valid", label == "train"
    if not valid.any():
        valid, train = _last_purchases(log, train)
    return Parts(Split(log.take(train), log.take(valid), log.take(test)), log.take(~test))


def _last_purchases(log: EventLog, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(validation, training) bool [E] from the training events."""
    names = np.array([kind.name for kind in log.behaviours])
    bought = np.flatnonzero(train & (names[log.behaviour] == "purchase"))
    last = np.full(len(log.users), len(log))
    last[log.user[bought]] = bought  # ascending, so the last one stays
    valid = np.zeros(len(log), bool)
    valid[last[last < len(log)]] = True
    rest = train & (np.arange(len(log)) < last[log.user])
    pairs = replace(log, query=None)
    return valid, rest & ~np.isin(_pairs(pairs), _pairs(pairs.take(valid)))
