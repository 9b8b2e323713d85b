"""A behaviour sequence as one sentence that BERT can read: "bought X; searched 'red'; viewed Y".

The newest event stands first, because an encoder that cuts at 64 tokens drops the end of the text
and the newest events say most about what is wanted now.
"""

from __future__ import annotations

import string
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from kg.catalog import Catalog
from kg.errors import DataError, UsageError, suggest
from kg.events import EventLog
from kg.schema import Behaviour, behaviour_named
from kg.tables import existing_file

PLACEHOLDERS = ("item", "query", "value")
_SEPARATORS = {"en": "; ", "zh": "，"}


@dataclass(frozen=True)
class Phrase:
    """A parsed phrase: pairs (literal text, placeholder or None).

    Titles and queries are put in as they are and never parsed, so braces in them mean nothing.
    """

    parts: tuple[tuple[str, str | None], ...]

    @classmethod
    def parse(cls, name: str, text: str) -> Phrase:
        """`UsageError` names the behaviour and the placeholder that is not one of ours."""
        try:
            parsed = list(string.Formatter().parse(text))
        except ValueError as error:
            raise UsageError(f"The phrase of {name!r} is broken ({error}): {text!r}.") from None
        for _, key, form, conversion in parsed:
            if key is None or (key in PLACEHOLDERS and not form and not conversion):
                continue
            raise UsageError(
                f"The phrase of {name!r} may use {{item}}, {{query}} and {{value}}. Got "
                f"{{{key}}} instead.{suggest(key, list(PLACEHOLDERS))}"
            )
        return cls(tuple((literal, key) for literal, key, _, _ in parsed))

    def fill(self, item: str, query: str, value: float | None) -> str:
        """The phrase of one event; '' for an event with neither item nor query.

        Where the item is missing its query stands for it, and the other way round. A missing
        value (None or NaN) takes what follows it along: '评价X 4分' becomes '评价X'.
        """
        if not item and not query:
            return ""
        words = {"item": item or query, "query": query or item}
        if value is not None and value == value:
            words["value"] = str(int(value)) if value == int(value) else f"{value:.6g}"
            return "".join([text + (words[key] if key else "") for text, key in self.parts])
        out = [text + words.get(key or "", "") for text, key in self._without_value()]
        return "".join(out).replace("  ", " ").rstrip()

    def _without_value(self) -> tuple[tuple[str, str | None], ...]:
        """The parts up to the value, or all of them if an item or query stands after it."""
        keys = [key for _, key in self.parts]
        if "value" not in keys or {"item", "query"} & set(keys[keys.index("value") :]):
            return self.parts
        return self.parts[: keys.index("value") + 1]


@dataclass(frozen=True)
class Templates:
    """How events read: `phrases` by behaviour name over the defaults of `kg.schema.Behaviour`.

    A phrase may use {item}, {query} and {value}; a bare verb means "verb {item}". `separator` is
    '; ' in English and '，' in Chinese unless given. Raises `UsageError` for a wrong setting.
    """

    language: str = "en"
    phrases: Mapping[str, str] = field(default_factory=dict)
    separator: str | None = None
    opening: str = ""
    closing: str = ""
    newest_first: bool = True
    title_length: int = 80

    def __post_init__(self) -> None:
        if self.language not in _SEPARATORS:
            raise UsageError(
                f"The 'language' of Templates must be 'en' or 'zh'. Got {self.language!r} instead."
            )
        if self.title_length < 1:
            raise UsageError(
                f"The 'title_length' of Templates must be >= 1. Got {self.title_length} instead."
            )
        for name, text in self.phrases.items():
            Phrase.parse(name, text)

    def phrase(self, behaviour: Behaviour) -> Phrase:
        """The parsed phrase of this behaviour: ours of that name, or its own."""
        usual = {behaviour_named(key).name: text for key, text in self.phrases.items()}
        text = {**usual, **self.phrases}.get(behaviour.name)  # 'bought' is "purchase" too
        if text is not None:
            behaviour = Behaviour(behaviour.name, en=text, zh=text)
        return Phrase.parse(behaviour.name, behaviour.phrase(self.language))

    def cut(self, text: str) -> str:
        """A title or query on one line, cut to `title_length` characters."""
        line = " ".join(text.split())
        return line if len(line) <= self.title_length else line[: self.title_length - 1] + "…"

    def join(self, phrases: Sequence[str]) -> str:
        """One text from phrases, oldest first; '' if there are none."""
        told = [phrase for phrase in phrases if phrase]
        if not told:
            return ""
        separator = _SEPARATORS[self.language] if self.separator is None else self.separator
        ordered = told[::-1] if self.newest_first else told
        return f"{self.opening}{separator.join(ordered)}{self.closing}"

    @classmethod
    def read(cls, path: str | Path) -> Templates:
        """From TOML: the fields above, phrases as a table [phrases]; `DataError` names the key."""
        try:
            raw = tomllib.loads(existing_file(path).read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise DataError(f"{path} is not readable TOML: {error}.") from None
        _check_keys(raw, str(path))
        try:
            return cls(**raw)
        except UsageError as error:
            raise DataError(f"{path}: {error}") from None


_KINDS: dict[str, type] = {
    "phrases": dict, "newest_first": bool, "title_length": int,
}  # fmt: skip


def _check_keys(raw: Mapping[str, Any], where: str) -> None:
    """`DataError` for a key that is not a field of Templates, or a value of another type."""
    known = [f.name for f in fields(Templates)]
    for key, value in raw.items():
        if key not in known:
            raise DataError(
                f"{where}: unknown key {key!r}; the keys are {', '.join(known)}."
                f"{suggest(key, known)}"
            )
        kind = _KINDS.get(key, str)
        wrong = type(value) is not kind
        if not wrong and isinstance(value, dict):
            wrong = not all(isinstance(text, str) for text in value.values())
        if wrong:
            rule = "a table of texts" if kind is dict else f"of type {kind.__name__}"
            raise DataError(f"{where}: {key!r} must be {rule}. Got {value!r} instead.")


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


def verbalise_items(
    items: Sequence[int] | np.ndarray,
    catalog: Catalog,
    *,
    behaviour: str | Sequence[str] = "view",
    last: int = 8,
    templates: Templates | None = None,
) -> str:
    """One text for a live history: item codes [L], oldest first, with one behaviour or one each."""
    templates = templates or Templates()
    codes = np.asarray(items, np.int64).reshape(-1)
    names = [behaviour] * len(codes) if isinstance(behaviour, str) else list(behaviour)
    if len(names) != len(codes):
        raise UsageError(
            f"verbalise_items needs one behaviour per item ({len(codes)}). Got {len(names)}."
        )
    if codes.size and (codes.min() < 0 or codes.max() >= len(catalog)):
        raise UsageError(f"Item codes must be in [0, {len(catalog)}). Got {codes.tolist()}.")
    first = max(0, len(codes) - _at_least_one(last))
    forms = {name: templates.phrase(behaviour_named(name)) for name in set(names[first:])}
    phrases = [
        forms[name].fill(templates.cut(catalog.title(code)), "", None)
        for code, name in zip(codes[first:].tolist(), names[first:], strict=True)
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
