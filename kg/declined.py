"""What people turned down: an item that somebody disliked or dismissed is in no list of theirs.

It is no event of a log, for nothing is learned of it; it is remembered by the ids.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kg.alike import ByValue
from kg.events import EventLog


@dataclass(frozen=True, eq=False)
class Declined(ByValue):
    """D times that somebody turned an item down: ids `user` and `item` [D], and `time` int64 [D]
    in seconds, None where times are not known.
    """

    user: tuple[str, ...] = ()
    item: tuple[str, ...] = ()
    time: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.user)

    @classmethod
    def of(cls, log: EventLog) -> Declined:
        """All events of this log that have an item."""
        log = log.take(log.has_item)
        users, items = log.users.decode(log.user), log.items.decode(log.item)
        return cls(tuple(users), tuple(items), log.time)

    @classmethod
    def told(cls, stored: Mapping[str, Any] | None) -> Declined:
        """The inverse of `as_dict`; None is nobody."""
        if not stored:
            return cls()
        time = stored["time"]
        return cls(tuple(stored["user"]), tuple(stored["item"]),
                   None if time is None else np.array(time, np.int64))  # fmt: skip

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        time = None if self.time is None else self.time.tolist()
        return {"user": self.user, "item": self.item, "time": time}

    def joined(self, other: Declined) -> Declined:
        """Both; what is in both once."""
        if not len(other) or not len(self):
            return self if len(self) else other
        rows = dict.fromkeys([*self._rows(), *other._rows()])
        users, items, times = zip(*rows, strict=True)
        known = self.time is not None and other.time is not None
        return Declined(users, items, np.array(times, np.int64) if known else None)

    def without(self, gone: Collection[str]) -> Declined:
        """But for these people."""
        stays = [at for at, user in enumerate(self.user) if user not in gone]
        return Declined(
            tuple(self.user[at] for at in stays), tuple(self.item[at] for at in stays),
            None if self.time is None else self.time[stays],
        )  # fmt: skip

    def _rows(self) -> Sequence[tuple[str, str, int]]:
        times = [0] * len(self) if self.time is None else self.time.tolist()
        return list(zip(self.user, self.item, times, strict=True))

    def standing(self, log: EventLog) -> tuple[np.ndarray, np.ndarray]:
        """Users and items int64 [P], by the numbers of `log`, of what was turned down and not taken
        since: a later event with the item takes it back, where times are known.
        """
        user = log.users.encode(self.user, missing="negative")
        item = log.items.encode(self.item, missing="negative")
        known = (user >= 0) & (item >= 0)
        if self.time is not None and log.time is not None and known.any():
            own = user * len(log.items) + item
            keys = np.where(log.has_item, log.user * len(log.items) + log.item, -1)
            met = np.isin(keys, own[known])
            order = np.argsort(log.time[met], kind="stable")
            last = dict(zip(keys[met][order].tolist(), log.time[met][order].tolist(), strict=True))
            pairs = zip(own.tolist(), self.time.tolist(), strict=True)
            known &= [last.get(pair, time) <= time for pair, time in pairs]
        return user[known], item[known]
