"""The TOML file of a taxonomy, checked key by key (what it may hold: `kg.intents.taxonomy`)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from kg.errors import DataError, suggest
from kg.tables import bad_byte, existing_file
from kg.wording.templates import Templates


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    key: str
    name: str | dict[str, str]
    description: str | dict[str, str] = ""
    examples: list[str] | dict[str, list[str]] = []
    categories: list[str] = []
    parent: str | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    intent: list[_Table]


_LEAST = "at least one [[intent]] with a key and a name is needed"
_RULES = {
    "intent": "tables that begin with [[intent]]",
    "key": "a text",
    "name": 'a text, or one per language (name.zh = "…")',
    "description": 'a text, or one per language (description.zh = "…")',
    "examples": 'a list of texts, or one per language (examples.zh = ["…"])',
    "categories": "a list of texts",
    "parent": "the key of an intent",
}


def read_toml(file: Path, least: str = _LEAST) -> dict[str, Any]:
    """The values of a file in UTF-8, with or without a byte order mark; errors name the line.

    `least` says what must stand in it, for the error of an empty file.
    """
    if file.is_file() and not file.read_bytes().strip():
        raise DataError(f"{file} is empty: {least}.")
    raw = existing_file(file).read_bytes()
    try:
        return tomllib.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise bad_byte(file, line, raw[error.start]) from None
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{file} is not TOML: {error}.") from None


def intent_fields(raw: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The fields of each intent; `DataError` names the first intent and key that is wrong."""
    if not raw or raw.get("intent") == []:
        raise DataError(f"there is no intent: {_LEAST}.")
    try:
        return [_fields(table) for table in _File(**raw).intent]
    except ValidationError as error:
        raise DataError(_wrong(error, raw)) from None


def _wrong(error: ValidationError, raw: Mapping[str, Any]) -> str:
    """The first error in words; an unknown key goes first, for it may be the lacking one."""
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    where = first["loc"]
    inside = len(where) > 2 and isinstance(where[1], int)
    table = raw["intent"][where[1]] if inside else raw
    name, told = str(where[2 if inside else 0]), ""
    if inside:
        told = f"intent {int(where[1]) + 1}" + (f" ({table['key']!r})" if "key" in table else "")
    if first["type"] == "extra_forbidden":
        known = list(_Table.model_fields if inside else _File.model_fields)
        return f"the key {name!r}{' of ' if told else ''}{told} is not known.{suggest(name, known)}"
    if first["type"] == "missing":
        return f"{told or 'it'} must have {name!r}: {_RULES[name]}."
    of = f"{told}: " if told else ""
    return f"{of}{name!r} must be {_RULES[name]}. Got {table[name]!r:.80} instead."


def _fields(table: _Table) -> dict[str, Any]:
    examples = spoken(table.examples)
    return {
        "key": table.key, "names": spoken(table.name), "description": spoken(table.description),
        "examples": {code: tuple(texts) for code, texts in examples.items()},
        "categories": tuple(table.categories), "parent": table.parent,
    }  # fmt: skip


def spoken(value: Any) -> dict[str, Any]:
    """A text or list by language; one without a language takes that of its letters."""
    if isinstance(value, dict):
        return value
    texts: Sequence[str] = [value] if isinstance(value, str) else value
    return {Templates.for_titles(texts).language: value} if value else {}
