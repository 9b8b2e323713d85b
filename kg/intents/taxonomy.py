"""Named intents of one's own: a small tree with names in any language, from one TOML file.

    [[intent]]
    key = "music"
    parent = "entertainment"                        # perhaps
    name.zh = "音乐"                                 # or name = "音乐"
    name.en = "Music"
    description.en = "Songs, albums and concerts"   # perhaps, as the two below
    examples.en = ["a jazz record", "concert tickets"]
    categories = ["music", "CDs & Vinyl", "音乐"]    # of the data: categories, genres, departments

A text without a language counts as Chinese where it holds a Han character, and else as English.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from kg.building.hierarchy import folded
from kg.errors import DataError, UsageError, suggest
from kg.intents.taxonomies import bundled_files
from kg.intents.taxonomy_file import intent_fields, read_toml

_LANGUAGE = re.compile("[a-z]{2,3}(-[A-Za-z0-9]+)*")
_Told = TypeVar("_Told")


@dataclass(frozen=True)
class Intent:
    """One named intent: a key, names by language, perhaps words on it (descriptions and examples
    by language), the categories that mean it, and the key of the intent that it belongs to.
    """

    key: str
    names: Mapping[str, str]
    description: Mapping[str, str] = field(default_factory=dict)
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    categories: tuple[str, ...] = ()
    parent: str | None = None

    def __post_init__(self) -> None:
        if not self.key.strip():
            raise DataError("The key of an intent must not be empty.")
        if not self.names or not all(name.strip() for name in self.names.values()):
            raise DataError(f"The intent {self.key!r} must have a name, and none that is empty.")
        if any(not folded(name) for name in self.categories):
            raise DataError(f"A category of the intent {self.key!r} must not be empty.")
        for code in [*self.names, *self.description, *self.examples]:
            if not _LANGUAGE.fullmatch(code):
                raise DataError(
                    f"A language of the intent {self.key!r} must be a code such as en or zh. "
                    f"Got {code!r} instead."
                )

    def name(self, language: str = "en") -> str:
        """What to call it in this language; without a name in it, in English or the first."""
        return _told_in(self.names, language, self.key)

    def text(self, language: str = "en") -> str:
        """Name, description and examples as one text, for an encoder to read."""
        stop, comma = ("。", "、") if language == "zh" else (". ", ", ")
        about = _told_in(self.description, language, "").strip().rstrip(".。")
        examples = comma.join(_told_in(self.examples, language, ()))
        return stop.join(part for part in (self.name(language), about, examples) if part)


def _told_in(words: Mapping[str, _Told], language: str, otherwise: _Told) -> _Told:
    for code in (language, "en", *words):
        if code in words:
            return words[code]
    return otherwise


@dataclass(frozen=True)
class Taxonomy:
    """L intents in the order of their file. `DataError` for a key or name that is not one's own,
    a parent that is not there, and parents that go round in a circle.
    """

    intents: tuple[Intent, ...]
    _index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.intents:
            raise DataError("A taxonomy must have at least one intent.")
        index: dict[str, int] = {}
        for number, intent in enumerate(self.intents):
            for word in (intent.key, *intent.names.values()):
                other = index.setdefault(folded(word), number)
                if other != number:
                    raise DataError(_clash(self.intents[other], intent, word))
        object.__setattr__(self, "_index", index)
        keys = self.keys
        for intent in self.intents:
            if intent.parent is not None and intent.parent not in keys:
                raise DataError(
                    f"The parent of the intent {intent.key!r} must be the key of an intent. Got "
                    f"{intent.parent!r} instead.{suggest(intent.parent, list(keys))}"
                )
        for intent in self.intents:
            self._check_circle(intent.key)

    def _check_circle(self, key: str) -> None:
        way = [key]
        while (above := self.find(way[-1]).parent) is not None:
            if above in way:
                told = " → ".join([*way[way.index(above) :], above])
                raise DataError(f"The parents of intents must not go round in a circle: {told}.")
            way.append(above)

    def __len__(self) -> int:
        return len(self.intents)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys, in order."""
        return tuple(intent.key for intent in self.intents)

    @property
    def languages(self) -> list[str]:
        """The languages in which at least one intent has a name, sorted."""
        return sorted({code for intent in self.intents for code in intent.names})

    def find(self, word: str) -> Intent:
        """The intent of this key or name in any language; capitals do not matter."""
        at = self._index.get(folded(word))
        if at is None:
            names = [name for i in self.intents for name in (i.key, *i.names.values())]
            raise UsageError(
                f"The intent {word!r} is not known: there are {len(self)} in this taxonomy."
                f"{suggest(word, names)}"
            )
        return self.intents[at]

    def name(self, key: str, language: str = "en") -> str:
        """What to call this intent."""
        return self.find(key).name(language)

    def ancestors(self, key: str) -> tuple[str, ...]:
        """Keys of the parent, its parent, and so on."""
        out: list[str] = []
        above = self.find(key).parent
        while above is not None:
            out.append(above)
            above = self.find(above).parent
        return tuple(out)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, as a file holds them and `parse` takes them."""
        return {"intent": [_plain(intent) for intent in self.intents]}

    @classmethod
    def parse(cls, raw: Mapping[str, Any], where: str) -> Taxonomy:
        """From plain values; `DataError` begins with `where` and names the intent and the key."""
        try:
            return cls(tuple(Intent(**fields) for fields in intent_fields(raw)))
        except DataError as error:
            raise DataError(f"{where}: {error}") from None

    @classmethod
    def read(cls, path: str | Path) -> Taxonomy:
        """From a TOML file, or by the name of one that comes with kgintent ("everyday")."""
        bundled = bundled_files()
        file = bundled.get(str(path)) or Path(path)
        if not file.exists():
            raise UsageError(
                f"There is no file {file}, and the taxonomies that come with kgintent are called "
                f"{', '.join(bundled)}.{suggest(str(path), list(bundled))}"
            )
        return cls.parse(read_toml(file), str(file))

    @classmethod
    def bundled(cls, name: str = "everyday") -> Taxonomy:
        """Ten intents of daily life, in Chinese and English."""
        return cls.read(name)


def describe(taxonomy: Taxonomy, language: str = "en") -> list[str]:
    """One text per intent [L] (name, description, examples), for similarity without labels."""
    return [intent.text(language) for intent in taxonomy.intents]


def _clash(one: Intent, other: Intent, word: str) -> str:
    if one.key == other.key:
        return f"Each key of an intent must stand once. Got {one.key!r} more than once."
    words = (one.key, *one.names.values())
    same = next(own for own in words if folded(own) == folded(word))
    how = "are the same" if same == word else "differ only in how they are written"
    return (
        f"Each intent must have names of its own: {same!r} of {one.key!r} and {word!r} of "
        f"{other.key!r} {how}."
    )


def _plain(intent: Intent) -> dict[str, Any]:
    out: dict[str, Any] = {"key": intent.key, "name": dict(intent.names)}
    out |= {"description": dict(intent.description), "categories": list(intent.categories)}
    out["examples"] = {code: list(texts) for code, texts in intent.examples.items()}
    return out if intent.parent is None else out | {"parent": intent.parent}
