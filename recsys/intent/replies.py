"""Answers by intent from a TOML file: templates in any language, with places for facts.

    question = "Is it about {first} or about {second}?"     # these two have defaults
    handover.zh = "我请同事来处理。"

    [answers.refund]
    text.en = "We pay {amount} back within {days} days."
    text.zh = "{amount}将在{days}天内退还。"
    followup = "your money back"          # what a question calls it; else the name of the intent

A text without a language takes that of its letters, as in `kg.intents.taxonomy_file`.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from kg.errors import DataError, suggest
from kg.intents.taxonomy_file import read_toml, spoken

QUESTION = {"en": "Is it about {first} or about {second}?", "zh": "您是想问{first}还是{second}？"}
HANDOVER = {"en": "I am passing this on to a colleague.", "zh": "我请同事来处理这个问题。"}
_LEAST = "at least one [answers.INTENT] with a text is needed"
_TEXT = "a text, or one per language (text.zh = …)"


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    text: str | dict[str, str]
    followup: str | dict[str, str] = {}


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    answers: dict[str, _Answer]
    question: str | dict[str, str] = {}
    handover: str | dict[str, str] = {}


@dataclass(frozen=True)
class Answer:
    """What is said of one intent, by language; `followup` is what a question calls the intent."""

    text: Mapping[str, str]
    followup: Mapping[str, str]


@dataclass(frozen=True)
class Answers:
    """All of a file: an `Answer` by intent, and what is said in doubt and at a handover."""

    of: Mapping[str, Answer]
    question: Mapping[str, str]
    handover: Mapping[str, str]

    @classmethod
    def read(cls, path: str | Path) -> Answers:
        """From TOML; `UsageError` for no such file, `DataError` names what is wrong in it."""
        raw = read_toml(Path(path), _LEAST)
        if not raw.get("answers"):
            raise DataError(f"{path} has no answers: {_LEAST}.")
        try:
            file = _File(**raw)
        except ValidationError as error:
            raise DataError(f"{path}: {_wrong(error)}") from None
        made = {
            intent: Answer(spoken(one.text), spoken(one.followup))
            for intent, one in file.answers.items()
        }
        found = cls(made, QUESTION | spoken(file.question), HANDOVER | spoken(file.handover))
        found._check(str(path))
        return found

    def _check(self, where: str) -> None:
        """`DataError` for a text whose places are not those that can be filled."""
        for intent, answer in self.of.items():
            for text in answer.text.values():
                parsed(text, f"{where}: the text of {intent!r}")
            for text in answer.followup.values():
                _only((), text, f"{where}: the followup of {intent!r}")
        for text in self.question.values():
            _only(("first", "second"), text, f"{where}: the question")
        for text in self.handover.values():
            _only((), text, f"{where}: the handover")


def parsed(text: str, where: str) -> list[tuple[str, str | None]]:
    """Pairs (literal text, name of the fact behind it or None); `DataError` for a broken place."""
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise DataError(f"{where} is broken ({error}): {text!r}.") from None
    for _, name, form, conversion in parts:
        if name is not None and (form or conversion or not name.isidentifier()):
            raise DataError(
                f"{where} may have places such as {{amount}}: a name of letters, digits and _. "
                f"Got {{{name}{'!' + conversion if conversion else ''}"
                f"{':' + form if form else ''}}} instead."
            )
    return [(literal, name) for literal, name, _, _ in parts]


def lacking(text: str, facts: Mapping[str, Any]) -> list[str]:
    """The facts that a text needs and that are not there: missing, None or blank."""
    names = dict.fromkeys(name for _, name in parsed(text, "A text") if name is not None)
    return [name for name in names if facts.get(name) is None or not str(facts[name]).strip()]


def filled(text: str, facts: Mapping[str, Any]) -> str:
    """The text with its facts, put in as they are: braces in them mean nothing.

    >>> filled("{a} and {b}", {"a": 1, "b": "{a}"})
    '1 and {a}'
    """
    return "".join(
        literal + ("" if name is None else str(facts[name]))
        for literal, name in parsed(text, "A text")
    )


def _only(names: tuple[str, ...], text: str, where: str) -> None:
    found = {name for _, name in parsed(text, where) if name is not None}
    if found != set(names):
        rule = " and ".join(f"{{{name}}}" for name in names) or "no place for a fact"
        raise DataError(f"{where} must have {rule}. Got {text!r} instead.")


def _wrong(error: ValidationError) -> str:
    """The first error in words; an unknown key goes first, for it may be the lacking one."""
    first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
    where = [str(part) for part in first["loc"]]
    inside = where[0] == "answers" and len(where) > 2
    key, told = (where[2], f" of {where[1]!r}") if inside else (where[0], "")
    if first["type"] == "extra_forbidden":
        known = list((_Answer if inside else _File).model_fields)
        return f"the key {key!r}{told} is not known.{suggest(key, known)}"
    if first["type"] == "missing":
        return f"the answer {where[1]!r} must have {key!r}: {_TEXT}."
    if where[0] == "answers" and not inside:
        return f"[answers.{where[-1]}] must be a table with a text. Got {first['input']!r:.80}."
    return f"{key!r}{told} must be {_TEXT}. Got {first['input']!r:.80} instead."
