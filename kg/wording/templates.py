"""Phrases and templates: how one event reads, and how phrases are joined to a text."""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from kg.errors import DataError, UsageError, suggest
from kg.schema import Behaviour, behaviour_named
from kg.tables import existing_file

PLACEHOLDERS = ("item", "query", "value")
_SEPARATORS = {"en": "; ", "zh": "，"}
_HAN = re.compile("[\u4e00-\u9fff]")


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
    def named(cls, name: str | Path) -> Templates:
        """By language ('en', 'zh') or from a TOML file."""
        return cls(str(name)) if str(name) in _SEPARATORS else cls.read(name)

    @classmethod
    def for_titles(cls, titles: Iterable[str]) -> Templates:
        """Chinese where more than half of the titles hold a Han character, else English."""
        told = [bool(_HAN.search(title)) for title in titles if title]
        return cls("zh" if 2 * sum(told) > len(told) else "en")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as `Templates(**values)` takes them."""
        return {**asdict(self), "phrases": dict(self.phrases)}

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
