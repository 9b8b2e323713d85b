"""Numbers that count the events of a group of items, such as its category, over the whole period.

Categories are few and large, so that their order is the same before and after the cut, mostly. What
tells is how near the numbers are to the counts themselves: a number that was known at the cut may
be near those of the training part, not twenty times nearer to those that count later events too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from kg.events import EventLog
from kg.split import Split

NEAR, TIMES = 0.02, 20.0
"""How far, as a share of their spread, numbers may be from counts that they are, and how many times
farther from those of the training part."""
NEAR_ENOUGH, TIMES_ENOUGH = 0.1, 4.0
"""The same for what is only told."""
EXACT = 1e-9
"""Nearer than so is the same number, but for rounding."""
GROUPS, LEAST, EVENTS, RANKS = 5, 3, 10, 30
"""From how many groups on they are sure, or looked at; how many events there must be for each; and
how many must have changed their rank for ranks to say anything."""
SHARE = 0.5
"""Of the items, those that share their group's number with another one."""


TRAINING = "the training part"
Parts = Mapping[tuple[int, str], np.ndarray]
"""Events per item float64 [N] by behaviour (all: -1) and part."""


@dataclass(frozen=True)
class Counted:
    """Of which part the events are counted, how far the numbers are from these counts and from
    those of the training part, and of how many groups; `sure` if it cannot be by chance.
    """

    part: str
    off: float
    before: float
    groups: int
    sure: bool


def parts_of(split: Split) -> Parts:
    """What a number may have counted: the training part, or what nobody knew at the cut."""
    kinds = range(len(split.train.behaviours))
    out: dict[tuple[int, str], np.ndarray] = {}
    for kind in (-1, *kinds) if len(kinds) > 1 else (-1,):
        train, valid, test = (
            _per_item(log, kind) for log in (split.train, split.valid, split.test)
        )
        out |= {
            (kind, TRAINING): train,
            (kind, "the training and validation parts"): train + valid,
            (kind, "the whole log"): train + valid + test,
            (kind, "the held-out parts"): valid + test,
            (kind, "the test part"): test,
        }
    return out


def _per_item(log: EventLog, kind: int) -> np.ndarray:
    of = log.has_item & ((log.behaviour == kind) | (kind < 0))
    return np.bincount(log.item[of], minlength=len(log.items)).astype(float)


def counted(value: np.ndarray, pairs: np.ndarray, parts: Parts) -> Counted | None:
    """What numbers float64 [N] of items, NaN without one, count of groups, by the edges int64 [2,
    E] of items and groups. None where they are no one number of each group, or might be known.
    """
    at, number = _groups(value, pairs)
    groups = len(np.unique(number))  # a category and the only one below it are no two
    if groups < LEAST:
        return None
    of = {key: np.bincount(pairs[1], events[pairs[0]])[at] for key, events in parts.items()}
    known = [counts for (_, part), counts in of.items() if part == TRAINING]
    found = []
    for (kind, part), counts in of.items():
        changed = np.sum(rankdata(counts) != rankdata(of[kind, TRAINING]))
        for off_by in (_off, _off_in_rank) if changed >= RANKS else (_off,):
            off, before = off_by(number, counts), min(off_by(number, one) for one in known)
            sure = off <= NEAR and before >= TIMES * off
            enough = groups >= GROUPS and off <= NEAR_ENOUGH and before >= TIMES_ENOUGH * off
            if before > EXACT and (sure or enough):
                many = groups >= GROUPS and counts.sum() >= EVENTS * len(at)
                found.append(Counted(part, off, before, groups, bool(sure and many)))
    return min(found, key=lambda one: (not one.sure, one.off), default=None)


def _groups(value: np.ndarray, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int64 [G], float64 [G]: the groups of several items with one number, and that number; none
    where most items are in no such group.
    """
    item, group = pairs[:, np.isfinite(value[pairs[0]])]
    size = np.bincount(group)
    low, high = np.full(len(size), np.inf), np.full(len(size), -np.inf)
    np.minimum.at(low, group, value[item])
    np.maximum.at(high, group, value[item])
    same = (size > 1) & (low == high)
    inside = len(np.unique(item[same[group]]))
    if inside < SHARE * np.isfinite(value).sum():
        same[:] = False
    at = np.flatnonzero(same)
    return at, low[at]


def _off(number: np.ndarray, counts: np.ndarray) -> float:
    """How far numbers are from the nearest straight line of the counts, or of their logarithms; 1
    is as far as from nothing.
    """
    return min(_from_line(number, counts), _from_line(number, np.log1p(counts)))


def _off_in_rank(number: np.ndarray, counts: np.ndarray) -> float:
    return _from_line(rankdata(number), rankdata(counts))


def _from_line(a: np.ndarray, b: np.ndarray) -> float:
    a, b = a - a.mean(), b - b.mean()
    if not a.any() or not b.any():
        return 1.0
    return float(np.linalg.norm(a - b * (a @ b) / (b @ b)) / np.linalg.norm(a))
