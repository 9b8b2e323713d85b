"""A behaviour sequence as one sentence that BERT can read: "bought X; searched 'red'; viewed Y".

The newest event stands first, because an encoder that cuts at 64 tokens drops the end of the text
and the newest events say most about what is wanted now.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kg.catalog import Catalog
from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.schema import behaviour_named
from kg.wording.templates import Templates


def verbalise_users(
    log: EventLog, catalog: Catalog, *, last: int = 8, templates: Templates | None = None
) -> list[str]:
    """One text per user of `log.users` (U texts) from the last `last` events; '' for no events.

    `DataError` if the log is not numbered by the catalogue, `UsageError` for a `last` below 1.
    """
    stop = np.cumsum(log.user_counts())
    return _texts(log, catalog, stop - log.user_counts(), stop, last, templates or Templates())


def verbalise_prefixes(
    log: EventLog,
    catalog: Catalog,
    ends: np.ndarray,
    *,
    last: int = 8,
    templates: Templates | None = None,
) -> list[str]:
    """One text per position e of `ends` (int64 [n] into the log): what came before event e.

    Only the same user's events strictly before e are read, at most `last`; '' for a first event.
    """
    ends = checked_positions(log, ends)
    begin = ends - prefix_lengths(log)[ends]
    return _texts(log, catalog, begin, ends, last, templates or Templates())


def phrases_of_users(
    log: EventLog, catalog: Catalog, *, last: int = 8, templates: Templates | None = None
) -> list[list[str]]:
    """What `verbalise_users` joins, oldest first: a phrase for each of the last events, by user."""
    stop = np.cumsum(log.user_counts())
    begin = np.maximum(stop - log.user_counts(), stop - _at_least_one(last))
    told = _phrases(log, catalog, _covered(len(log), begin, stop), templates or Templates())
    return [told[a:b] for a, b in zip(begin.tolist(), stop.tolist(), strict=True)]


def verbalise_items(
    items: Sequence[int] | np.ndarray,
    catalog: Catalog,
    *,
    behaviour: str | Sequence[str] = "view",
    query: Sequence[str] | None = None,
    last: int = 8,
    templates: Templates | None = None,
) -> str:
    """One text for a live history: item codes [L], oldest first, with one behaviour or one each.

    -1 is a search, for the text that `query` [L] has there.
    """
    templates = templates or Templates()
    codes = np.asarray(items, np.int64).reshape(-1)
    names = [behaviour] * len(codes) if isinstance(behaviour, str) else list(behaviour)
    if len(names) != len(codes):
        raise UsageError(
            f"verbalise_items needs one behaviour per item ({len(codes)}). Got {len(names)}."
        )
    asked = [""] * len(codes) if query is None else list(query)
    lowest = 0 if query is None else -1
    if codes.size and (codes.min() < lowest or codes.max() >= len(catalog)):
        raise UsageError(f"Item codes must be in [0, {len(catalog)}). Got {codes.tolist()}.")
    first = max(0, len(codes) - _at_least_one(last))
    forms = {name: templates.phrase(behaviour_named(name)) for name in set(names[first:])}
    phrases = [
        forms[name].fill(
            templates.cut(catalog.title(code)) if code >= 0 else "", templates.cut(text), None
        )
        for code, name, text in zip(
            codes[first:].tolist(), names[first:], asked[first:], strict=True
        )
    ]
    return templates.join(phrases)


def prefix_lengths(log: EventLog) -> np.ndarray:
    """int64 [E]: how many events of the same user stand before each event of the log."""
    counts = log.user_counts()
    return np.arange(len(log)) - np.repeat(np.cumsum(counts) - counts, counts)


def checked_positions(log: EventLog, ends: np.ndarray) -> np.ndarray:
    """`ends` as int64 [n]; `UsageError` unless each is a position of the log."""
    ends = np.asarray(ends, np.int64).reshape(-1)
    if ends.size and (ends.min() < 0 or ends.max() >= len(log)):
        bad = int(ends[(ends < 0) | (ends >= len(log))][0])
        raise UsageError(f"Each of 'ends' must be an event in [0, {len(log)}). Got {bad} instead.")
    return ends


def _at_least_one(last: int) -> int:
    if last < 1:
        raise UsageError(f"'last' must be an int >= 1: events per text. Got {last} instead.")
    return last


def _texts(
    log: EventLog, catalog: Catalog, begin: np.ndarray, stop: np.ndarray, last: int,
    templates: Templates,
) -> list[str]:  # fmt: skip
    if log.items is not catalog.ids and log.items != catalog.ids:
        raise DataError(
            "The log and the catalogue must number the same items: call clean(log, catalog.ids)."
        )
    begin = np.maximum(begin, stop - _at_least_one(last))
    phrases = _phrases(log, catalog, _covered(len(log), begin, stop), templates)
    windows = zip(begin.tolist(), stop.tolist(), strict=True)
    return [templates.join(phrases[a:b]) for a, b in windows]


def _covered(length: int, begin: np.ndarray, stop: np.ndarray) -> np.ndarray:
    """int64: the positions inside at least one window; neighbouring prefixes share phrases."""
    steps = np.bincount(begin, minlength=length + 1) - np.bincount(stop, minlength=length + 1)
    return np.flatnonzero(np.cumsum(steps) > 0)


def _phrases(log: EventLog, catalog: Catalog, at: np.ndarray, templates: Templates) -> list[str]:
    """The phrase of each event at these positions ('' elsewhere), [E]."""
    forms = [templates.phrase(kind) for kind in log.behaviours]
    values = [None] * len(at) if log.value is None else log.value[at].tolist()
    titles = _titles(log.item[at], catalog, templates)
    out = [""] * len(log)
    for row, code, form, value in zip(
        at.tolist(), log.item[at].tolist(), log.behaviour[at].tolist(), values, strict=True
    ):
        query = templates.cut(log.query[row]) if log.query is not None else ""
        out[row] = forms[form].fill(titles.get(code, ""), query, value)
    return out


def _titles(items: np.ndarray, catalog: Catalog, templates: Templates) -> dict[int, str]:
    return {
        code: templates.cut(catalog.title(code)) for code in np.unique(items).tolist() if code >= 0
    }
