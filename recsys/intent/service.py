"""A first desk of customer service: answer where it is sure, ask where two are near, else pass on.

    desk = Desk(IntentClassifier.load("wants"), "answers.toml", close=0.2, least=0.6)
    desk.reply("I want my money back", {"amount": "12 €"}).text

It never guesses a fact and never says half a sentence: what it lacks, a person has to answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from kg.errors import DataError, UsageError, suggest
from kg.intents.labelled import LabelledTexts
from kg.wording.templates import Templates
from recsys.intent.classify import IntentClassifier, RecognisedIntent, Recognition
from recsys.intent.replies import Answers, filled, lacking

Kind = Literal["answer", "question", "handover"]


@dataclass(frozen=True)
class Reply:
    """What the desk says: its `text` to the customer, its `reason` to the colleagues.

    `intents` are the two most probable ones, `confidence` the probability of the first of them (of
    both for a question), 0 where there is none.
    """

    kind: Kind
    text: str
    intents: tuple[RecognisedIntent, ...]
    confidence: float
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self) | {"intents": [asdict(intent) for intent in self.intents]}


class Desk:
    """A classifier of one intent a text, and the answers to its intents (or their TOML file).

    With p ≥ q the probabilities of the two best intents of a message in scope: p - q < `close` and
    p + q ≥ `least` asks which is meant; else p ≥ `least` answers; else it is handed over, as it is
    where there is no answer in the language or a fact is missing. `coverage` shows what `least`
    costs. Raises `UsageError` for a share outside [0, 1] or a classifier of several intents a text,
    `DataError` for answers to an intent that the classifier does not know.
    """

    def __init__(
        self, classifier: IntentClassifier, answers: Answers | str | Path, *,
        close: float = 0.2, least: float = 0.5,
    ) -> None:  # fmt: skip
        self.classifier, self.close, self.least = classifier, close, least
        self.answers = answers if isinstance(answers, Answers) else Answers.read(answers)
        _check(classifier, self.answers, close, least)

    def reply(
        self, message: str, facts: Mapping[str, Any] | None = None, language: str | None = None
    ) -> Reply:
        """What to say to a message; the language is that of its letters (en or zh) unless given."""
        (found,) = self.classifier.predict([message], k=2)
        spoken = language or Templates.for_titles([message]).language
        kind, reason = self.decision(found)
        if kind == "answer":
            return self._answer(found, facts or {}, spoken, reason)
        if kind == "question" and spoken in self.answers.question:
            return self._question(found, spoken, reason)
        if kind == "question":
            reason = f"{reason}, and there is no question in {spoken!r}"
        return self._handover(found, spoken, reason)

    def decision(self, found: Recognition, least: float | None = None) -> tuple[Kind, str]:
        """What to do and why, before it is known whether there is an answer."""
        least = self.least if least is None else least
        if found.out_of_scope or len(found.intents) < 2:
            return "handover", "it is none of the intents"
        first, second = found.intents
        p, q = first.probability, second.probability
        if p - q < self.close and p + q >= least:
            return "question", f"{first.name!r} ({p:.2f}) and {second.name!r} ({q:.2f}) are close"
        if p < least:
            return "handover", f"{first.name!r} is probable to {p:.2f} only, below {least:.2f}"
        return "answer", f"{first.name!r} is probable to {p:.2f}"

    def _answer(
        self, found: Recognition, facts: Mapping[str, Any], language: str, reason: str
    ) -> Reply:
        best = found.intents[0]
        answer = self.answers.of.get(best.name)
        text = answer.text.get(language) if answer is not None else None
        if text is None:
            return self._handover(
                found, language, f"there is no answer to {best.name!r} in {language!r}"
            )
        if missing := lacking(text, facts):
            return self._handover(
                found, language, f"the answer to {best.name!r} lacks {', '.join(missing)}"
            )
        return Reply("answer", filled(text, facts), found.intents, best.probability, reason)

    def _question(self, found: Recognition, language: str, reason: str) -> Reply:
        names = [self._called(intent.name, language) for intent in found.intents]
        text = filled(
            self.answers.question[language], dict(zip(("first", "second"), names, strict=True))
        )
        both = sum(intent.probability for intent in found.intents)
        return Reply("question", text, found.intents, both, reason)

    def _called(self, intent: str, language: str) -> str:
        answer = self.answers.of.get(intent)
        return answer.followup.get(language, intent) if answer is not None else intent

    def _handover(self, found: Recognition, language: str, reason: str) -> Reply:
        said = self.answers.handover
        text = said[language] if language in said else said["en"]
        best = found.intents[0].probability if found.intents else 0.0
        return Reply("handover", text, found.intents, best, reason)


def coverage(
    desk: Desk, data: LabelledTexts, thresholds: Sequence[float] | None = None
) -> list[dict[str, Any]]:
    """A row for each `least` (0, .05, … 1 unless given): what share of texts would be answered,
    asked back and handed over, and what share of the answered is right (None where none is).

    Facts are taken as given. An answer is right where the text carries the intent; a label that the
    classifier does not know, such as that of texts out of scope, is never right.
    """
    found = desk.classifier.predict(data.texts, k=2)
    right = [_carries(data, row, one) for row, one in enumerate(found)]
    languages = [Templates.for_titles([text]).language for text in data.texts]
    rows = []
    for least in np.linspace(0, 1, 21).tolist() if thresholds is None else thresholds:
        kinds = [_kind(desk, one, least, said)
                 for one, said in zip(found, languages, strict=True)]  # fmt: skip
        answered = [ok for ok, kind in zip(right, kinds, strict=True) if kind == "answer"]
        rows.append({
            "least": round(float(least), 4), "texts": len(data),
            "answered": len(answered) / max(len(data), 1),
            "right": sum(answered) / len(answered) if answered else None,
            "asked": kinds.count("question") / max(len(data), 1),
            "handed_over": kinds.count("handover") / max(len(data), 1),
        })  # fmt: skip
    return rows


def _kind(desk: Desk, found: Recognition, least: float, language: str) -> Kind:
    kind, _ = desk.decision(found, least)
    if kind == "answer":
        answer = desk.answers.of.get(found.intents[0].name)
        return "answer" if answer is not None and language in answer.text else "handover"
    return "handover" if kind == "question" and language not in desk.answers.question else kind


def _carries(data: LabelledTexts, row: int, found: Recognition) -> bool:
    name = found.intents[0].name if found.intents else None
    return name in data.labels and bool(data.carries[row, data.labels.index(name)])


def _check(classifier: IntentClassifier, answers: Answers, close: float, least: float) -> None:
    for name, value in (("close", close), ("least", least)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
            raise UsageError(f"The {name!r} of a Desk must be a share in [0, 1]. Got {value!r}.")
    if classifier.many:
        raise UsageError(
            "The replies need a classifier of one intent a text, as they ask which of two is meant "
            "and answer one. Got a classifier of several: train one on a table that says the main "
            "intent of each text only, without '|'."
        )
    for intent in answers.of:
        if intent not in classifier.labels:
            raise DataError(
                f"[answers.{intent}] must name an intent of the classifier. Got {intent!r} instead."
                f"{suggest(intent, list(classifier.labels))}"
            )
