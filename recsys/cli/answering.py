"""`kgintent recommend`: who asks, what the list is steered by, and what it then holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from kg.amounts import read_amounts
from kg.errors import UsageError
from kg.searches import Search
from recsys.cli.bulk import write_all
from recsys.cli.output import columns_of, ids_of, say, show
from recsys.recommender import Recommender
from recsys.serving.answers import Recommendation, intent_mix


class Steering(NamedTuple):
    """--intent, --avoid and --quota as they were given."""

    intent: list[str] | None
    avoid: list[str] | None
    quota: str | None

    @property
    def asked(self) -> bool:
        """Whether one of them was."""
        return any(told is not None for told in self)

    def wishes(self) -> dict[str, Any]:
        """The arguments of `Recommender.recommend`."""
        quota: Any = self.quota
        if quota is not None and quota != "auto":
            told = columns_of(quota, "--quota")
            quota = {name: _number(name, value) for name, value in told.items()}
        return {"intent": self.intent, "avoid": self.avoid, "intent_quota": quota}


class Filters(NamedTuple):
    """--where, --only and --without as they were given."""

    where: list[str] | None = None
    only: str | None = None
    without: str | None = None

    def wishes(self) -> dict[str, Any]:
        """The arguments of `recommend`, `recommend_all` and `similar`."""
        where = None if not self.where else dict(_condition(text) for text in self.where)
        if where is not None and len(where) < len(self.where or ()):
            raise UsageError("Each name of --where must stand once: join its values by |.")
        return {"where": where, "only": ids_of(self.only), "without": ids_of(self.without)}


def _condition(text: str) -> tuple[str, Any]:
    """NAME and the values or the range of it."""
    name, mark, told = text.partition("=")
    if not (mark and name.strip() and told.strip()):
        raise UsageError(f"--where must be NAME=VALUE|VALUE or NAME=10..50. Got {text!r} instead.")
    low, dots, high = told.partition("..")
    if dots:
        ends = [_amount(end.strip()) if end.strip() else None for end in (low, high)]
        if not any(end is not None and np.isnan(end) for end in ends) and ends != [None, None]:
            return name.strip(), tuple(ends)
    return name.strip(), [value.strip() for value in told.split("|") if value.strip()]


def _amount(text: str) -> float:
    """A number as people write it in their tables; NaN for what is none."""
    values = read_amounts(pl.Series([text])).values
    return float("nan") if values is None else float(values[0])


def recommend_all(
    run: Path, who: tuple[str | None, ...], wishes: dict[str, Any], out: Path | None, k: int,
    filter_seen: bool | None, json: bool,
) -> None:  # fmt: skip
    """Every user."""
    if any(told is not None for told in who):
        raise UsageError("Say one of --all and who it is (--user, --history, …).")
    write_all(Recommender.load(run), out, k, filter_seen, wishes, json)


def wished(
    steering: Steering, filters: Filters, diversity: float, at_most: str | None
) -> dict[str, Any]:
    """The arguments of `recommend` and `recommend_all`."""
    wishes = steering.wishes() | filters.wishes() | {"diversity": diversity}
    if at_most is not None:
        wishes["at_most"] = {
            name: _number(name, value, "--at-most must be counts such as category=2")
            for name, value in columns_of(at_most, "--at-most").items()
        }
    return wishes


def recommend_one(
    run: Path, user: str | None, history: list[str] | None, profile: str | None,
    search: str | None, steering: Steering, wishes: dict[str, Any], out: Path | None, k: int,
    filter_seen: bool | None, json: bool,
) -> None:  # fmt: skip
    """One list; steered, with the intents of each item, and with their mix on stderr."""
    if out is not None:
        raise UsageError("-o needs --all.")
    rec = Recommender.load(run)
    past: list[Any] | None = history
    if search is not None:
        if user is not None:
            raise UsageError("--search goes with --history or stands alone, not with --user.")
        past = [*(past or []), Search(search)]
    told = None if profile is None else columns_of(profile, "--profile")
    found = rec.recommend(user, history=past, profile=told, k=k, filter_seen=filter_seen, **wishes)
    rows: list[dict[str, Any]] = [
        {"item": r.item, "title": r.title, "score": r.score} for r in found
    ]
    if steering.asked:
        rows = [row | {"intents": ", ".join(r.intents)} for row, r in zip(rows, found, strict=True)]
        _tell(rec, steering, found)
    show(rows, json)


def _tell(rec: Recommender, steering: Steering, found: list[Recommendation]) -> None:
    """How many items belong to what was asked for, and the mix of the list."""
    words = steering.intent or []
    numbers = [number for word in words if (number := rec.carried.find(word)) is not None]
    names = {rec.carried.names[number] for number in numbers}
    if names:
        having = sum(not names.isdisjoint(r.intents) for r in found)
        rest = "" if having == len(found) else "; the others are the nearest to them by text"
        say(f"{having} of {len(found)} carry {' or '.join(sorted(names))}{rest}.")
    for word in words if not names else ():
        say(f"{word!r} is no named intent: what is near to it by text.{rec.carried.near(word)}")
    mix = ", ".join(f"{name} {share:.0%}" for name, share in intent_mix(found).items())
    say(f"The list holds: {mix or 'no named intent'}.")


SHARES = "--quota must be shares or counts such as Drama=0.5,Comedy=0.3 or auto"


def _number(name: str, text: str, rule: str = SHARES) -> float:
    """A count where it is written as a whole number, else a share."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    raise UsageError(f"{rule}. Got {name}={text} instead.")
