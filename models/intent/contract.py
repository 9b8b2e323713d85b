"""What a text classifier is: texts in, one number a label out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self, runtime_checkable

import numpy as np

from models.text.encoder import Vectors


@dataclass(frozen=True)
class Reading:
    """What a classifier says of n texts: logits float32 [n, L], and, where it has an embedding,
    vectors float32 [n, D] that tell how near a text is to those it learned from. Where several
    methods read, `parts` holds the logits of each. `known` bool [n]: whether a text holds anything
    that was met in training; None where a method takes any text for something.
    """

    logits: Vectors
    vectors: Vectors | None = None
    parts: tuple[Vectors, ...] = ()
    known: np.ndarray | None = None

    @classmethod
    def joined(cls, readings: Sequence[Reading]) -> Reading:
        """What was said of these texts and of those, by one method; at least one reading."""
        vectors = [reading.vectors for reading in readings if reading.vectors is not None]
        parts = zip(*(reading.parts for reading in readings), strict=True)
        known = [reading.known for reading in readings if reading.known is not None]
        return cls(
            np.concatenate([reading.logits for reading in readings]),
            np.concatenate(vectors) if vectors else None,
            tuple(np.concatenate(part) for part in parts),
            np.concatenate(known) if known else None,
        )


@runtime_checkable
class TextClassifier(Protocol):
    """Texts to logits. Join it to the contract: `models.testing.check_text_classifier`.

    Where `many`, each label is its own yes or no (sigmoid); else one of them is meant (softmax).
    """

    labels: tuple[str, ...]
    many: bool

    def read(self, texts: Sequence[str]) -> Reading:
        """Logits of n texts, the same whatever else is read beside them."""

    def save(self, folder: Path) -> None:
        """Put all that was learned into files of this folder, without pickle."""

    @classmethod
    def load(cls, folder: Path, labels: tuple[str, ...], many: bool) -> Self:
        """What `save` left there; `DataError` names a file that does not fit."""


def one_hot(code: np.ndarray, labels: int) -> np.ndarray:
    """bool [n, labels], true at each code int64 [n]."""
    return np.arange(labels) == code[:, None]
