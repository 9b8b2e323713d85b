"""Several methods that read a text together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Self

import numpy as np

from models.intent.calibrate import best_scales
from models.intent.contract import Reading, TextClassifier
from models.tensors import load_tensors, save_tensors

SIGN = "+"
"""Stands between the methods of a blend's name."""
FILE = "blend.safetensors"


class BlendedClassifier:
    """z = Σ_m a_m z_m over the methods m, each with its own part.

    A text's vectors are those of the first part that has any. What an encoder takes a text to mean
    and which words stand in it are mistaken in different texts.
    """

    def __init__(
        self, parts: Mapping[str, TextClassifier], weights: Sequence[float] | None = None
    ) -> None:
        """`parts` by method, of the same labels; `weights` are the a_m, all 1 unless given."""
        first = next(iter(parts.values()))
        self.labels, self.many, self.parts = first.labels, first.many, dict(parts)
        self.weights = [1.0] * len(parts) if weights is None else list(weights)

    def read(self, texts: Sequence[str]) -> Reading:
        readings = [part.read(texts) for part in self.parts.values()]
        vectors = next((told.vectors for told in readings if told.vectors is not None), None)
        heard = [told.known for told in readings if told.known is not None]
        known = np.any(heard, axis=0) if len(heard) == len(readings) else None
        parts = tuple(told.logits for told in readings)
        return self.weighed(Reading(_NOTHING, vectors, parts, known))

    def weighed(self, reading: Reading) -> Reading:
        """The same reading with the logits that these weights make of its parts."""
        logits = sum(a * z for a, z in zip(self.weights, reading.parts, strict=True))
        return replace(reading, logits=np.asarray(logits, np.float32))

    def fitted(self, reading: Reading, carries: np.ndarray) -> Self:
        """With the weights of the lowest log loss on texts that no part has learned: `reading` of
        them and what they carry, bool [n, L].
        """
        return type(self)(self.parts, best_scales(reading.parts, carries, self.many)[0])

    def weighing_as(self, other: TextClassifier) -> Self:
        """With the weights of another blend of the same methods."""
        assert isinstance(other, BlendedClassifier), "only a blend has weights"
        return type(self)(self.parts, other.weights)

    def with_part(self, old: str, new: str, part: TextClassifier) -> Self:
        """With another part in the place of the one of method `old`."""
        parts = {new if name == old else name: one for name, one in self.parts.items()}
        return type(self)(parts | {new: part}, self.weights)

    def on_threads(self, threads: int) -> Self:
        """The same, reading on so many threads where a part has threads of its own."""
        parts = {name: part.on_threads(threads) if hasattr(part, "on_threads") else part
                 for name, part in self.parts.items()}  # fmt: skip
        return type(self)(parts, self.weights)

    def save(self, folder: Path) -> None:
        for name, part in self.parts.items():
            (folder / name).mkdir()
            part.save(folder / name)
        save_tensors(folder / FILE, {"weights": np.array(self.weights)})

    @classmethod
    def load(
        cls, folder: Path, labels: tuple[str, ...], many: bool,
        parts: Mapping[str, TextClassifier] | None = None,
    ) -> Self:  # fmt: skip
        assert parts is not None, "the parts of a blend are read back one by one"
        weights = load_tensors(folder / FILE, {"weights": (len(parts),)})["weights"]
        return cls(parts, weights.tolist())


def parts_of(model: TextClassifier) -> tuple[TextClassifier, ...]:
    """Those of a blend, or the model itself."""
    return tuple(model.parts.values()) if isinstance(model, BlendedClassifier) else (model,)


_NOTHING = np.zeros((0, 0), np.float32)
