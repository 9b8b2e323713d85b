"""Which texts teach and which judge: those kept back, those out of scope, five parts by turns."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kg.intents.labelled import LabelledTexts
from models.intent.contract import Reading, TextClassifier
from models.intent.settings import TextTraining

FOLDS = 5


def apart(data: LabelledTexts, label: str | None) -> tuple[LabelledTexts, list[str]]:
    """The texts in scope, and those that carry this label."""
    if label is None or label not in data.labels:
        return data, []
    column = data.carries[:, data.labels.index(label)]
    return data.without(label), [data.texts[row] for row in np.flatnonzero(column)]


def divided(
    data: LabelledTexts, valid: LabelledTexts | None, label: str | None, config: TextTraining,
    rng: np.random.Generator,
) -> tuple[LabelledTexts, LabelledTexts, list[str]]:  # fmt: skip
    """What is learned from, what is checked, and texts that are out of scope (of this label).

    Without `valid` a share of `data` is checked, the same under the same generator.
    """
    inside, strangers = apart(data, label)
    if valid is not None:
        checked, more = apart(valid, label)
        return inside, checked, more or strangers
    held = held_out(inside.carries, config.validation, rng)
    return inside.take(~held), inside.take(held), strangers


def crossed_readings(
    data: LabelledTexts, learned: Callable[[LabelledTexts], TextClassifier],
    rng: np.random.Generator,
) -> tuple[LabelledTexts, Reading, np.ndarray]:  # fmt: skip
    """Texts that some other text shares its labels with, each read by what was learned from the
    other four fifths; and the fifth int64 [n] of each.
    """
    fold = fifths(data.carries, rng)
    rows = [np.flatnonzero(fold == number) for number in range(FOLDS)]
    rows = [part for part in rows if len(part)]
    if not rows:
        none = Reading(np.zeros((0, len(data.labels)), np.float32))
        return data.take(np.zeros(0, np.int64)), none, np.zeros(0, np.int64)
    readings = []
    for part in rows:
        rest = np.setdiff1d(np.arange(len(data)), part)
        readings.append(learned(data.take(rest)).read(data.take(part).texts))
    taken = np.concatenate(rows)
    return data.take(taken), Reading.joined(readings), fold[taken]


def fifths(carries: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """int64 [n]: a fifth for each row, labels spread evenly; -1 for the only row of a label."""
    fold = np.full(len(carries), -1)
    for label in np.argsort(carries.sum(axis=0), kind="stable"):
        free = rng.permutation(np.flatnonzero(carries[:, label] & (fold < 0)))
        fold[free] = (np.arange(len(free)) + rng.integers(FOLDS)) % FOLDS
    none = np.flatnonzero(~carries.any(axis=1))
    fold[none] = rng.integers(FOLDS, size=len(none))
    fold[(carries & (carries.sum(axis=0) == 1)).any(axis=1)] = -1
    return fold


def held_out(carries: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """bool [n]: about this share of the rows, drawn, but never the last row of a label.

    Labels on fewer than 3 rows lose none. Deterministic under the generator.
    """
    held = np.zeros(len(carries), bool)
    left = carries.sum(axis=0)
    spare = round(share * len(carries))
    for row in rng.permutation(len(carries)):
        if spare == 0:
            break
        if (left[carries[row]] > 2).all():
            held[row] = True
            left = left - carries[row]
            spare -= 1
    return held
