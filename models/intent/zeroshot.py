"""Named intents without a single label: how near a text is to what each intent is said to be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np

from kg.errors import UsageError
from models.intent.contract import Reading
from models.tensors import load_tensors, save_tensors
from models.text import TextEncoder
from models.text.encoder import Vectors, unit_rows

TEMPERATURE = 0.1
METHOD, FILE = "zero-shot", "intents.safetensors"


def zero_shot(
    text: np.ndarray,
    intent: np.ndarray,
    *,
    mean: np.ndarray | None = None,
    temperature: float = TEMPERATURE,
) -> np.ndarray:
    """float32 [n, L], p(l | text) = softmax over l of cos(t - m, i_l - mean(i)) / temperature.

    text [n, T] and intent [L, T] are vectors of one encoder; intents from their descriptions
    (`kg.intents.taxonomy.describe`). The means are taken away because the vectors of an encoder
    such as e5 share a direction that says nothing (all cosines lie in .7 to .9) and would drown
    what tells intents apart (Mu and Viswanath, All-but-the-Top, ICLR 2018, the first of their
    steps). `mean` m [T] is that of many texts, of the kind that is asked; without it the mean of
    the intents stands for it. The probabilities are not calibrated: the temperature decides how
    sure they look. A text without a vector (zero) gives 1 / L everywhere; L must be at least 2.
    """
    text, intent = np.asarray(text, np.float32), np.asarray(intent, np.float32)
    if text.ndim != 2 or intent.ndim != 2 or text.shape[1] != intent.shape[1]:
        raise UsageError(
            "zero_shot needs vectors [n, T] and [L, T] of one width. "
            f"Got {list(text.shape)} and {list(intent.shape)} instead."
        )
    if len(intent) < 2:
        raise UsageError(f"zero_shot needs at least 2 intents. Got {len(intent)} instead.")
    if not temperature > 0:
        raise UsageError(
            f"The 'temperature' of zero_shot must be above 0. Got {temperature} instead."
        )
    near = _nearness(text, intent, intent.mean(0) if mean is None else mean) / temperature
    raised = np.exp(near - near.max(1, keepdims=True, initial=-1.0 / temperature))
    return (raised / raised.sum(1, keepdims=True)).astype(np.float32)


def _nearness(text: np.ndarray, intent: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """[n, L], cos(t - m, i_l - mean(i)); 0 for a text without a vector."""
    told = text.any(1, keepdims=True)
    return np.asarray(unit_rows((text - mean) * told) @ unit_rows(intent - intent.mean(0)).T)


class ZeroShotClassifier:
    """z_l = cos(v - m, i_l - mean(i)) / `TEMPERATURE`, as `zero_shot` has it, for the encoder's
    vector v of a text and those of what each intent is said to be.
    """

    many = False

    def __init__(
        self, labels: tuple[str, ...], encoder: TextEncoder, intents: Vectors, mean: Vectors
    ) -> None:
        """intents [L, D], mean [D]."""
        self.labels, self.encoder, self.intents, self.mean = labels, encoder, intents, mean

    def read(self, texts: Sequence[str]) -> Reading:
        vectors = self.encoder.encode(texts)
        logits = _nearness(vectors, self.intents, self.mean) / TEMPERATURE
        return Reading(logits.astype(np.float32), vectors, known=np.asarray(vectors.any(1)))

    def save(self, folder: Path) -> None:
        save_tensors(folder / FILE, {"intents": self.intents, "mean": self.mean})

    @classmethod
    def load(
        cls, folder: Path, labels: tuple[str, ...], many: bool, encoder: TextEncoder | None = None
    ) -> Self:
        assert encoder is not None, "it reads by an encoder"
        shapes = {"intents": (len(labels), encoder.dim), "mean": (encoder.dim,)}
        return cls(labels, encoder, **load_tensors(folder / FILE, shapes))
