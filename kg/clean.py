"""Cleaning: what cannot be used is counted and kept aside, never lost silently."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from kg.alike import ByValue
from kg.declined import Declined
from kg.errors import DataError
from kg.events import NOBODY, EventLog
from kg.ids import Vocab, but_for_zeros, zeros_told
from kg.schema import Behaviour, declines, says_no, says_shown
from kg.times import NO_TIME, spelled

TAKEN_BACK, ONLY_SHOWN = "taken back", "only shown"


class CleanConfig(BaseModel):
    """Rules of cleaning."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    drop_duplicates: bool = Field(
        default=True, description="Same user, item, behaviour, time and query: keep the first."
    )
    max_events_per_day: int = Field(
        default=2000, ge=1, description="A user with more events within one day is taken for a bot."
    )
    future_slack_days: float = Field(
        default=1.0, ge=0, description="Times later than now plus this are impossible."
    )
    drop_taken_back: bool = Field(
        default=True,
        description="Returns, refunds, dislikes and the like (`kg.schema.TAKEN_BACK`) are no sign "
        "of a liking.",
    )
    drop_shown: bool = Field(
        default=True,
        description="Nor are impressions and the like (`kg.schema.SHOWN`): nobody did anything.",
    )
    least_value: float | None = Field(
        default=None, description="Events of a lower value (a rating) are no sign of a liking."
    )


@dataclass(frozen=True, eq=False)
class CleanReport(ByValue):
    """What was read, kept and kept aside (by reason); `aside` holds the rows with their reason.
    `examples`, by reason, say more of it: a cell of time that cannot be used, names of behaviours.
    `declined` are those taken back by which somebody turned an item down.
    """

    read: int
    kept: int
    reasons: dict[str, int]
    aside: pl.DataFrame = field(repr=False)
    examples: Mapping[str, str] = field(default_factory=dict)
    declined: Declined = field(default_factory=Declined)

    def __str__(self) -> str:
        told = _told(self.reasons, self.examples) or "none"
        hidden = f"; {len(self.declined):,} hide an item from a person" if self.declined else ""
        return f"{self.read:,} events read, {self.kept:,} kept, kept aside: {told}{hidden}"


def _told(reasons: Mapping[str, int], examples: Mapping[str, str]) -> str:
    return ", ".join(
        f"{n:,} {reason}" + (f" ({examples[reason]})" if reason in examples else "")
        for reason, n in reasons.items()
    )


def clean(
    log: EventLog,
    items: Vocab,
    config: CleanConfig | None = None,
    *,
    now: float | None = None,
    written: pl.Series | None = None,
    least: int = 1,
) -> tuple[EventLog, CleanReport]:
    """The usable events, numbered by the catalogue's `items`, and a report of the rest.

    Kept aside, by the first reason that holds: no user, unknown item, no item (and no query), no
    time, impossible time (1970 or before, or later than `now`), only shown, duplicate, bot, taken
    back, low value. Duplicates and bots are looked for only where times are known: without them a
    repetition may be meant.
    `written` holds the cells of time by row of the file (`kg.events.EventFile`): what is kept aside
    then has them, not seconds.
    Raises `DataError` if fewer than `least` (1 or 0) are left; of 0, items turned down must be.
    """
    config = config or CleanConfig()
    code = _item_codes(log, items)
    reason = np.full(len(log), "", dtype="U16")

    def mark(name: str, where: np.ndarray) -> None:
        reason[(reason == "") & where] = name

    nobody = log.users.encode([NOBODY], missing="negative")[0]
    mark("no user", log.user == nobody)
    mark("unknown item", log.has_item & (code < 0))
    mark("no item", ~log.has_item & ~_has_query(log))
    if log.time is not None:
        latest = (clock.time() if now is None else now) + 86400 * config.future_slack_days
        mark("no time", log.time == NO_TIME)
        mark("impossible time", (log.time <= 0) | (log.time > latest))
    if config.drop_shown:
        mark(ONLY_SHOWN, _of_kinds(log, says_shown))  # no bot is who was shown much
    if config.drop_duplicates and log.time is not None:
        mark("duplicate", _duplicates(log, reason == ""))
    mark("bot", _bots(log, reason == "", config.max_events_per_day))
    if config.drop_taken_back:
        mark(TAKEN_BACK, _of_kinds(log, says_no))
    if config.least_value is not None and log.value is not None:
        mark("low value", log.value < config.least_value)  # not where there is none
    return _split_off(log, code, reason, items, written, least)


def _of_kinds(log: EventLog, fits: Callable[[Behaviour], bool]) -> np.ndarray:
    """bool [E]: the events of the behaviours that fit."""
    return np.array([fits(kind) for kind in log.behaviours], bool)[log.behaviour]


def _item_codes(log: EventLog, items: Vocab) -> np.ndarray:
    if len(log.items) == 0:
        return log.item.copy()
    translate = items.encode(log.items.ids, missing="negative")
    return np.where(log.has_item, translate[np.maximum(log.item, 0)], -1)


def _has_query(log: EventLog) -> np.ndarray:
    if log.query is None:
        return np.zeros(len(log), bool)
    return np.array([bool(text) for text in log.query], bool)


def _duplicates(log: EventLog, among: np.ndarray) -> np.ndarray:
    assert log.time is not None
    frame = pl.DataFrame(
        {"u": log.user, "i": log.item, "b": log.behaviour, "t": log.time,
         "q": list(log.query) if log.query is not None else [""] * len(log),
         "at": np.arange(len(log))}
    ).filter(pl.Series(among))  # fmt: skip
    first = frame.unique(subset=["u", "i", "b", "t", "q"], keep="first", maintain_order=True)
    repeated = among.copy()
    repeated[first["at"].to_numpy()] = False
    return repeated


def _bots(log: EventLog, among: np.ndarray, limit: int) -> np.ndarray:
    if log.time is None:
        return np.zeros(len(log), bool)
    day = log.time // 86400
    frame = pl.DataFrame({"u": log.user, "d": day}).filter(pl.Series(among))
    busy = frame.group_by("u", "d").len().filter(pl.col("len") > limit)["u"].unique().to_numpy()
    return np.isin(log.user, busy)


def _split_off(
    log: EventLog, code: np.ndarray, reason: np.ndarray, items: Vocab, written: pl.Series | None,
    least: int,
) -> tuple[EventLog, CleanReport]:  # fmt: skip
    names, counts = np.unique(reason[reason != ""], return_counts=True)
    reasons = dict(zip(names.tolist(), counts.tolist(), strict=True))
    keep = reason == ""
    examples = _examples(log, reason, written) | _names(log, reason)
    if zeros := _without_zeros(log, code, items):
        examples["unknown item"] = zeros
    declined = Declined.of(log.take((reason == TAKEN_BACK) & _of_kinds(log, declines)))
    if not keep.any() and (least or not len(declined)):
        told = _told(reasons, examples)
        raise DataError(
            f"No valid event is left of {len(log)}: {told or 'the log is empty'}."
            + (_strangers(log, items) if 2 * reasons.get("unknown item", 0) >= len(log) else "")
            + (_NO_LIKING if {TAKEN_BACK, ONLY_SHOWN} & {*reasons} else "")
        )
    aside = log.take(~keep).to_frame()
    row = _rows(log)[~keep]
    aside = aside.with_columns(
        pl.col("user").replace(NOBODY, ""), pl.Series("row", row),
        pl.Series("reason", reason[~keep].tolist(), dtype=pl.String),
    )  # fmt: skip
    if written is not None:
        aside = aside.with_columns(written.gather(row - 1).alias("time"))
    elif log.time is not None:
        aside = aside.with_columns(pl.col("time").replace(int(NO_TIME), None))
    kept = _renumbered(log.take(keep), code[keep], items)
    return kept, CleanReport(len(log), int(keep.sum()), reasons, aside, examples, declined)


_NO_LIKING = (
    " What was only shown, taken back or turned down is no sign of a liking: give what people took "
    "or looked at as well, and call such events otherwise (view) if they are meant as one."
)


def _names(log: EventLog, reason: np.ndarray) -> dict[str, str]:
    """The behaviours that were kept aside for what they are called."""
    out = {}
    for name in (TAKEN_BACK, ONLY_SHOWN):
        codes = np.unique(log.behaviour[reason == name]).tolist()
        if codes:
            out[name] = ", ".join(log.behaviours[code].name for code in codes)
    return out


def _rows(log: EventLog) -> np.ndarray:
    return log.row if log.row is not None else np.arange(1, len(log) + 1)


def _examples(log: EventLog, reason: np.ndarray, written: pl.Series | None) -> dict[str, str]:
    """Of each way in which a time cannot be used: the first row of the file with a cell of it."""
    if log.time is None:
        return {}
    out, rows = {}, _rows(log)
    if written is None:  # no cells: times as they were read
        at = np.flatnonzero(reason == "impossible time")
        return {} if not at.size else {
            "impossible time": f"such as {spelled(log.time[at[0]])} in row {rows[at[0]]}"
        }  # fmt: skip
    for name in ("no time", "impossible time"):
        at = np.flatnonzero(reason == name)
        filled = at[written.gather(rows[at] - 1).fill_null("").to_numpy() != ""]
        if filled.size:
            first = int(filled[rows[filled].argmin()])
            read = "" if name == "no time" else f", read as {spelled(log.time[first])}"
            out[name] = f"such as {written[int(rows[first]) - 1]!r} in row {rows[first]}{read}"
    return out


def _without_zeros(log: EventLog, code: np.ndarray, items: Vocab) -> str:
    """A word where unknown items are known with other zeros in front, '' where none is."""
    strange = np.unique(log.item[log.has_item & (code < 0)])
    pairs = but_for_zeros(log.items.decode(strange), items.ids)
    return zeros_told(pairs) if pairs else ""


def _strangers(log: EventLog, items: Vocab) -> str:
    """What the events call items, and what the table of items does."""
    theirs, ours = log.items.ids[0], items.ids[0] if len(items) else ""
    return (f" The events name items such as {theirs!r}, the table of items such as {ours!r}: they "
            "must be the same ids.")  # fmt: skip


def _renumbered(log: EventLog, code: np.ndarray, items: Vocab) -> EventLog:
    """Users that lost all their events leave the vocabulary, as do behaviours nobody shows."""
    seen, user = np.unique(log.user, return_inverse=True)
    shown, behaviour = np.unique(log.behaviour, return_inverse=True)
    return EventLog(
        Vocab(tuple(log.users.decode(seen)), "user"), items,
        tuple(log.behaviours[b] for b in shown), user.astype(np.int64), code,
        behaviour.astype(np.int64), log.time, log.value, log.query, log.row, log.ordered,
    )  # fmt: skip
