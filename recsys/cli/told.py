"""What `kgintent build` says of the files that it reads: which columns it took, and for what."""

from __future__ import annotations

import time as clock
from collections.abc import Mapping

import numpy as np

from kg.catalog import CatalogFile
from kg.events import RATED, EventFile, EventLog
from kg.intents.stage import BUYING
from kg.schema import BEHAVIOURS, behaviour_named
from kg.times import NO_TIME, spelled
from recsys.cli.output import say

EARLIEST = 631152000
"""1990, in UTC seconds: logs are younger, numbers that are no seconds since 1970 look older."""

RATING = behaviour_named("rating")
RATINGS = RATED | {"ratings", "score", "stars", "overall", "星级", "星級"}
"""Columns of values that may say that something was not liked."""


def roles_told(roles: Mapping[str, str], always: Mapping[str, str]) -> str:
    """'user <- who, time <- none (why)': all that are there, and of `always` ({role: what its lack
    means}) those that are not.
    """
    found = [f"{role} <- {name}" for role, name in roles.items()]
    lacking = [f"{role} <- none" + (f" ({why})" if why else "")
               for role, why in always.items() if role not in roles]  # fmt: skip
    return ", ".join([*found, *lacking])


def say_item_columns(where: object, file: CatalogFile) -> None:
    """The columns of a table of items, and where there is nothing to read."""
    untitled = "items are called by their ids"
    if "text" not in file.roles:
        untitled += " and have no text; --columns title=COLUMN names one"
    say(f"{where}: {roles_told(file.roles, {'title': untitled, 'text': ''})}")
    say_table(where, file, f"{len(file.catalog):,} items")


def say_table(where: object, file: CatalogFile, counted: str) -> None:
    """The attributes of a table, what was not used, and why, and what is doubtful."""
    told = ", ".join(f"{a.name} ({len(a.values):,})" for a in file.catalog.attributes) or "none"
    say(f"{where}: {counted}; attributes: {told}")
    say_unused(file)


def say_unused(file: CatalogFile) -> None:
    """Columns that nothing is made of, why, and cells that were not taken as they stand."""
    for why in dict.fromkeys(file.unused.values()):
        names = ", ".join(name for name, reason in file.unused.items() if reason == why)
        say(f"  not used, {why}: {names}")
    for note in file.notes:
        say(f"  {note}.")


def say_event_columns(where: object, file: EventFile, use_time: bool) -> None:
    """The columns of a table of events, and times that are hardly meant so."""
    if not file.roles:  # sequences have no columns
        return
    lack = "rows are taken in file order" if file.log.ordered else "histories have no order"
    told = roles_told(file.roles, {"behaviour": "", "time": lack if use_time else "--no-time"})
    rest = f"; not used: {', '.join(file.unused)}" if file.unused else ""
    say(f"{where}: {told}{rest}")
    say_odd_times(file)


def say_odd_times(file: EventFile) -> None:
    """A word where most times lie before 1990 or more than a year ahead."""
    time, rows = file.log.time, file.log.row
    if time is None or file.times is None or rows is None:
        return
    known = time != NO_TIME
    latest = clock.time() + 366 * 86400
    odd = known & ((time < EARLIEST) | (time > latest))
    if 2 * int(odd.sum()) <= int(known.sum()):
        return
    first = int(np.flatnonzero(odd)[rows[odd].argmin()])
    say(f"  Most times lie before 1990 or more than a year ahead. "
        f"{file.times[int(rows[first]) - 1]!r} in row {rows[first]} was read as "
        f"{spelled(time[first])}: numbers are taken for seconds, milli- or microseconds since "
        "1970. Write other times as 2026-11-03 14:05.")  # fmt: skip


def say_events(log: EventLog) -> None:
    """How many events of each behaviour, which span of time they are of, and whether none of them
    is a step to buy.
    """
    counts = np.bincount(log.behaviour, minlength=len(log.behaviours)).tolist()
    kinds = ", ".join(f"{b.name} {n:,}" for b, n in zip(log.behaviours, counts, strict=True))
    span = ""
    if log.time is not None and len(log):
        first, last = (spelled(end)[:-9] for end in (log.time.min(), log.time.max()))
        span = f"; times: {first} … {last}"
    say(f"  behaviour: {kinds}{span}")
    there = [b.name for b, n in zip(log.behaviours, counts, strict=True) if n]
    known = {name: behaviour_named(name) for name in there}
    if BUYING.isdisjoint(kind.name for kind in known.values()):
        own = [name for name, kind in known.items() if kind not in BEHAVIOURS]
        more = f" Not known by name: {', '.join(own[:5])}{' …' * (len(own) > 5)}." if own else ""
        say(f"  None of them is a cart, checkout or purchase: `intents` will not say buying.{more}")


def say_ratings(log: EventLog, column: str) -> None:
    """A word where values are ratings: a low one is an event like any other."""
    if log.value is None or not (column.lower() in RATINGS or RATING in log.behaviours):
        return
    values = log.value[~np.isnan(log.value)]
    if len(values) and values.min() < values.max():
        say(f"  {column} ({values.min():g} to {values.max():g}): an event counts whatever its "
            "value; --least-value X leaves out those below X.")  # fmt: skip
