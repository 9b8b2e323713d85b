"""Train, validation and test without a look into the future.

`leave_one_out` holds out the last event of each user; it is the literature's protocol, and still
lets the model see other users' later events. `temporal_split` cuts the whole log at one time and
is the honest one where times are known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from kg.errors import DataError, UsageError, check_one_of
from kg.events import EventLog
from kg.sequences import Sequences

HoldOut = Literal["last", "time", "none"]
HOLD_OUTS: tuple[HoldOut, ...] = ("none", "last", "time")
Part = Literal["valid", "test"]
REPEATS = 0.05
"""From this share of events with an item that was met before, repeats are counted."""
KNOWN = 0.5
"""From this share of its people on who were there before, the end of the log is validation."""


_VOCABS = ("users", "items", "behaviours")


@dataclass(frozen=True)
class Split:
    """Three logs over the same vocabularies; `valid` or `test` may be empty. No event of them is in
    `train` too (events are told apart by their rows, where these are known).

    `by_time`: each part begins at one time for everybody, so that nothing of it is known then.
    `lasting`: the `period` where no validation part tells it (see `refitted`).
    """

    train: EventLog
    valid: EventLog
    test: EventLog
    by_time: bool = False
    lasting: float | None = None

    def __post_init__(self) -> None:
        if len(self.train) == 0:
            raise DataError("The training part of a split must hold at least one event.")
        for name, part in (("valid", self.valid), ("test", self.test)):
            if any(getattr(part, column) != getattr(self.train, column) for column in _VOCABS):
                raise DataError(
                    "The parts of a split must be over the same users, items and behaviours, as "
                    f"EventLog.take leaves them: {name} and train are not."
                )
            if held := _shared(part, self.train):
                raise UsageError(
                    "The training part of a split must hold no event that is held out. "
                    f"{held:,} of the {len(part):,} events of {name} are in train too."
                )

    @property
    def period(self) -> float:
        """Seconds from the first to the last validation event; 0 where times are not known."""
        if self.lasting is not None:
            return self.lasting
        times = self.valid.time
        return 0.0 if times is None or len(times) == 0 else float(np.ptp(times))

    @property
    def cut(self) -> int | None:
        """The second of the last training event: a fact dated later is not learned from. None
        where times are not known.
        """
        return None if self.train.time is None else int(self.train.time.max())

    def before_test(self) -> EventLog:
        """Train and validation events together: what is known when the test begins."""
        return merged(self.train, self.valid)

    def refitted(self) -> Split:
        """For a training on all that is known before the test part: none is left to validate on."""
        none = self.valid.take(np.zeros(0, np.int64))
        return replace(self, train=self.before_test(), valid=none, lasting=self.period)

    def part(self, name: Part) -> tuple[EventLog, EventLog]:
        """(what is known when this part begins, its events)."""
        check_one_of(name, ("valid", "test"), "The part of a split")
        if name == "valid":
            return self.train, self.valid
        return self.before_test(), self.test


def _shared(one: EventLog, other: EventLog) -> int:
    """How many events of `one` are in `other` too: of the same row, user, item and time. Rows of
    several files may be equal, and logs without rows say nothing.
    """
    if one.row is None or other.row is None:
        return 0
    rows = one.row[np.isin(one.row, other.row)]
    if len(rows) == 0:
        return 0
    names = ["row", "user", "item"]
    names += ["time"] if one.time is not None and other.time is not None else []

    def keys(log: EventLog) -> list[tuple[int, ...]]:
        return list(zip(*(getattr(log, name).tolist() for name in names), strict=True))

    known = set(keys(other.take(np.isin(other.row, rows))))
    return sum(key in known for key in keys(one.take(np.isin(one.row, rows))))


def merged(first: EventLog, second: EventLog) -> EventLog:
    """The events of both logs (one vocabulary), sorted again; ties keep `first` before `second`."""
    if any(getattr(first, name) != getattr(second, name) for name in _VOCABS):
        raise DataError("Only logs over the same users, items and behaviours can be merged.")
    if len(second) == 0:
        return first
    user = np.concatenate([first.user, second.user])

    def both(name: str) -> np.ndarray | None:
        a, b = getattr(first, name), getattr(second, name)
        return None if a is None or b is None else np.concatenate([a, b])

    time = both("time")
    order = np.lexsort((user,) if time is None else (time, user))
    query = None
    if first.query is not None and second.query is not None:
        joined = first.query + second.query
        query = tuple(joined[i] for i in order.tolist())

    def sort(column: np.ndarray | None) -> np.ndarray | None:
        return None if column is None else column[order]

    item, behaviour = both("item"), both("behaviour")
    assert item is not None
    assert behaviour is not None
    return EventLog(
        first.users, first.items, first.behaviours, user[order], item[order], behaviour[order],
        sort(time), sort(both("value")), query, sort(both("row")), first.ordered,
    )  # fmt: skip


def leave_one_out(
    log: EventLog, *, valid: bool = True, test: bool = True, minimum: int = 1
) -> Split:
    """Each user's last item event is test, the one before it validation, the rest training.

    A user keeps at least `minimum` training events; one with too few gives nothing away. A search
    without an item goes where the item event before it goes, so that no part holds what came
    later: mask with `has_item` to get the targets. Tied times keep the order of the file.
    """
    from_end = _from_end(log)
    held = int(valid) + int(test)
    enough = np.bincount(log.user[log.has_item], minlength=len(log.users)) >= minimum + held
    target = enough[log.user]
    is_test = target & (from_end == 0) if test else np.zeros(len(log), bool)
    is_valid = target & (from_end == int(test)) if valid else np.zeros(len(log), bool)
    return Split(log.take(~(is_test | is_valid)), log.take(is_valid), log.take(is_test))


def _from_end(log: EventLog) -> np.ndarray:
    """int64 [E]: how many later item events the same user has."""
    total = np.bincount(log.user[log.has_item], minlength=len(log.users))
    running = np.cumsum(log.has_item)
    ends = np.cumsum(total)[log.user]
    return np.asarray(ends - running)


def temporal_split(log: EventLog, test: float = 0.1, valid: float = 0.1) -> Split:
    """Cut the log at two times: the last `test` share of events, and `valid` before it.

    Events of one time stay together in the later part, which may so grow beyond its share.
    Raises `UsageError` for a log without times or shares outside [0, 1), `DataError` if no
    training event is left.
    """
    if log.time is None:
        raise UsageError("temporal_split needs times; use leave_one_out for a log without them.")
    if not (0 <= test < 1 and 0 <= valid < 1 and test + valid < 1):
        raise UsageError(
            f"The shares 'test' and 'valid' must lie in [0, 1) and sum to less than 1. "
            f"Got {test} and {valid} instead."
        )
    if len(log) == 0:
        raise DataError("The log to split must hold at least one event.")
    stamps = np.sort(log.time)

    def cut(share: float) -> int:
        """The time from which on the last `share` of the events lie."""
        place = int(len(stamps) * (1 - share) + 1e-9)  # 10 * (1 - 0.3) must not become 6
        return int(stamps[place] if place < len(stamps) else stamps[-1] + 1)

    test_at = cut(test)
    valid_at = cut(test + valid) if valid > 0 else test_at
    is_test, is_train = log.time >= test_at, log.time < valid_at
    parts = (log.take(is_train), log.take(~is_train & ~is_test), log.take(is_test))
    return Split(*parts, by_time=True)


def make_split(log: EventLog, hold_out: HoldOut) -> Split:
    """last: each user's last event is test and the one before validation; time: the last tenth of
    the log is test, the tenth before validation. none: no test part; validation is each user's last
    event or, where people meet items again and times are known, the last tenth of the log: for when
    is then part of the question. That needs people who come back: where most of those in the last
    tenth were not there before (users are sessions, say), it is the last event of each too.
    `UsageError` for another word.
    """
    check_one_of(hold_out, HOLD_OUTS, "'hold_out'")
    if hold_out == "time":
        return temporal_split(log)
    timed = hold_out == "none" and log.time is not None and np.ptp(log.time) > 0
    if timed and Sequences.of(log).repeat_share >= REPEATS:
        split = temporal_split(log, test=0)
        if known_share(split) >= KNOWN:
            return split
    return leave_one_out(log, test=hold_out == "last")


def known_share(split: Split) -> float:
    """Of the people with an item in the validation part, the share with one in the training part; 0
    where nobody is in it.
    """
    held = np.unique(split.valid.user[split.valid.has_item])
    before = np.unique(split.train.user[split.train.has_item])
    return float(np.isin(held, before).mean()) if len(held) else 0.0
