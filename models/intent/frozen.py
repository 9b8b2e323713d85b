"""An untouched encoder and one linear layer on its vectors: minutes of work, hard to beat."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from kg.intents.labelled import LabelledTexts
from models.intent.contract import Reading, one_hot
from models.intent.folds import held_out
from models.intent.linear import balanced_weights, choose_strength, fit_linear
from models.intent.names import FEW, names_help, spoken
from models.intent.settings import TextTraining
from models.tensors import load_tensors, save_tensors
from models.text import TextEncoder
from models.text.encoder import Vectors

FILE = "linear.safetensors"


class FrozenClassifier:
    """z = W ((v - m) / s) + b for the encoder's vector v of length 1; m, s of training."""

    def __init__(
        self, labels: tuple[str, ...], many: bool, encoder: TextEncoder,
        mean: Vectors, spread: Vectors, weight: Vectors, bias: Vectors,
    ) -> None:  # fmt: skip
        """mean, spread [D], weight [L, D], bias [L]."""
        self.labels, self.many, self.encoder = labels, many, encoder
        self.mean, self.spread, self.weight, self.bias = mean, spread, weight, bias

    def read(self, texts: Sequence[str]) -> Reading:
        return self.of_vectors(self.encoder.encode(texts))

    def of_vectors(self, vectors: Vectors) -> Reading:
        """The same from the encoder's vectors [n, D]."""
        scaled = (vectors - self.mean) / self.spread
        return Reading((scaled @ self.weight.T + self.bias).astype(np.float32), vectors)

    def save(self, folder: Path) -> None:
        parts = {"mean": self.mean, "spread": self.spread, "weight": self.weight, "bias": self.bias}
        save_tensors(folder / FILE, parts)

    @classmethod
    def load(
        cls, folder: Path, labels: tuple[str, ...], many: bool, encoder: TextEncoder | None = None
    ) -> Self:
        assert encoder is not None, "a frozen classifier reads by an encoder"
        width, count = encoder.dim, len(labels)
        shapes = {"mean": (width,), "spread": (width,), "weight": (count, width), "bias": (count,)}
        return cls(labels, many, encoder, **load_tensors(folder / FILE, shapes))


def fit_frozen(
    encoder: TextEncoder, data: LabelledTexts, config: TextTraining, rng: np.random.Generator
) -> FrozenClassifier:
    """The ridge is chosen on a tenth of the texts, then fitted to all of them.

    Where there are few texts the labels' names are read too, an example of each, if that helps
    (`models.intent.names`).
    """
    vectors, names = encoder.encode(data.texts), None
    if len(data) <= FEW * len(data.labels):
        names = encoder.encode([spoken(label) for label in data.labels])
    return FrozenClassifier(
        data.labels, data.many, encoder, *regression(vectors, data, config, rng, names)
    )


def regression(
    vectors: Vectors, data: LabelledTexts, config: TextTraining, rng: np.random.Generator,
    names: Vectors | None = None,
) -> tuple[Vectors, Vectors, Vectors, Vectors]:  # fmt: skip
    """mean, spread [D], weight [L, D] and bias [L] of z = W ((v - mean) / spread) + b, from the
    vectors [n, D] of the texts and maybe the labels' `names` [L, D], 0 where one says nothing.
    """
    mean = vectors.mean(axis=0)
    spread = np.full_like(mean, vectors.std() + 1e-9)  # one scale: directions keep their weight
    x, carries = (vectors - mean) / spread, data.carries
    weight = balanced_weights(carries) if config.class_weights else None
    held = held_out(carries, 0.1, rng)
    if names is not None and len(said := np.flatnonzero(names.any(axis=1))):
        own, called = (names[said] - mean) / spread, one_hot(said, len(names))
        if names_help(own, called, x, carries, data.many, rng):
            x, carries = np.concatenate([x, own]), np.concatenate([carries, called])
            held = np.append(held, np.zeros(len(said), bool))
    strength = choose_strength(x, carries, data.many, held, weight)
    return mean, spread, *fit_linear(x, carries, data.many, strength, weight=weight)
