"""How much each word or event of a text moved a label, and the text without some of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from kg.errors import UsageError, suggest
from models.intent.augment import SEPARATORS
from models.intent.calibrate import Calibration
from models.intent.contract import TextClassifier
from models.intent.pieces import Piece, joined, words
from models.text.spans import Span

UNITS = ("words", "events")


class Weighed(NamedTuple):
    """Characters [start, end) of a text, and what they add to the logit of a label."""

    start: int
    end: int
    text: str
    weight: float


@dataclass(frozen=True)
class Attribution:
    """The pieces of a text in their order, each with what it adds to the label's logit.

    `error` is how far the weights of gradients are from adding up to what they should, None for
    other methods.
    """

    text: str
    label: str
    pieces: tuple[Weighed, ...]
    logit: float
    method: str
    error: float | None = None

    @property
    def ranked(self) -> list[int]:
        """Numbers of the pieces, those that speak most for the label first."""
        return sorted(range(len(self.pieces)), key=lambda at: -self.pieces[at].weight)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self) | {"pieces": [piece._asdict() for piece in self.pieces]}


def spans_of(text: str, units: str = "words") -> list[Span]:
    """Where the words of a text stand (signs, where no spaces part words), or its events.

    Events are cut at '; ' where the text has one, else at '，' (`kg.wording.templates`); a title
    that holds the separator is cut too. `UsageError` for another unit.

    >>> spans_of("viewed a; bought b", "events"), spans_of("红色 nail")
    ([(0, 8), (10, 18)], [(0, 1), (1, 2), (3, 7)])
    """
    if units not in UNITS:
        raise UsageError(
            f"The 'units' of an explanation must be one of {', '.join(UNITS)}. "
            f"Got {units!r} instead.{suggest(units, list(UNITS))}"
        )
    if units == "words":
        parts = [(piece.gap, piece.text) for piece in words(text)]
    else:
        cut = SEPARATORS[SEPARATORS[0] not in text]
        first, *rest = text.split(cut)
        parts = [("", first), *((cut, part) for part in rest)]
    spans, at = [], 0
    for gap, part in parts:
        start, at = at + len(gap), at + len(gap) + len(part)
        if part.strip():
            spans.append((start, at))
    return spans


def kept(text: str, spans: Sequence[Span], at: Sequence[int]) -> str:
    """What is left of a text when only these of its pieces [m], by number, stay.

    >>> kept("viewed a; bought b; viewed c", spans_of("viewed a; bought b; viewed c", "events"),
    ...      [0, 2])
    'viewed a; viewed c'
    """
    before = [0, *(end for _, end in spans)]
    pieces = [Piece(text[last:start], text[start:end])
              for last, (start, end) in zip(before, spans, strict=False)]  # fmt: skip
    return joined([pieces[number] for number in sorted(at)])


def deletion_curve(
    classifier: TextClassifier, found: Attribution, order: Sequence[int]
) -> np.ndarray:
    """float32 [n + 1]: the label's probability without the first 0, 1, … n pieces of `order` [n].

    The faster it falls, the better the order tells what counts: Samek et al. 2017,
    arXiv:1509.06321 ("pixel flipping"), here with pieces left out.
    """
    spans = [(piece.start, piece.end) for piece in found.pieces]
    texts = [kept(found.text, spans, order[gone:]) for gone in range(len(order) + 1)]
    column = classifier.labels.index(found.label)
    return Calibration(classifier.many).probabilities(classifier.read(texts).logits)[:, column]
