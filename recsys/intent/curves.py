"""Learning curves of texts: how accurate with how many labels, chosen by which strategy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kg.errors import UsageError, suggest
from kg.intents.labelled import LabelledTexts
from models.intent.active import STRATEGIES, Model, learning_curve
from models.intent.calibrate import Calibration
from models.intent.contract import one_hot
from models.intent.linear import fit_linear
from models.text import TextCache, encode_texts, load_encoder
from recsys.intent.classify import ENCODER


def label_curves(
    train: LabelledTexts, held: LabelledTexts,
    strategies: Sequence[str] = ("random", "margin_diverse"), *,
    start: int = 50, step: int = 50, rounds: int = 5, encoder: str | Path = ENCODER,
    seed: int = 0, cache: str | Path | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows of "strategy", "labels" and "accuracy" on the texts `held`: a regression on the vectors
    of the untouched encoder, after `start` labels of `train` (the same ones for each strategy) and
    after each of `rounds` times `step` more that the strategy takes.

    `UsageError` for an unknown strategy, and unless each text has one label.
    """
    for name in strategies:
        checked_strategy(name)
    if uneven := sum(int((part.carries.sum(axis=1) != 1).sum()) for part in (train, held)):
        raise UsageError(
            f"A learning curve needs texts of one label each. Got {uneven:,} of "
            f"{len(train) + len(held):,} with several or none: leave them out, or give each one."
        )
    reader, kept = load_encoder(encoder), None if cache is None else TextCache(cache)
    x, y = (encode_texts(reader, list(part.texts), kept) for part in (train, held))
    truth = held.over(train.labels).carries
    mean, spread = x.mean(axis=0), x.std() + 1e-9

    def fit(vectors: np.ndarray, code: np.ndarray) -> Model:
        carries = one_hot(code, len(train.labels))
        w, b = fit_linear((vectors - mean) / spread, carries, False, 1.0)

        def probabilities(some: np.ndarray) -> np.ndarray:
            return Calibration(many=False).probabilities(((some - mean) / spread) @ w.T + b)

        return probabilities

    def score(model: Model) -> float:
        best = model(y).argmax(axis=1)
        return float(truth[np.arange(len(y)), best].mean())

    rows: list[dict[str, Any]] = []
    for name in strategies:
        rng = np.random.default_rng(seed)
        curve = learning_curve(
            x, train.code, fit, score, STRATEGIES[name], start, step, rounds, rng
        )
        rows += [{"strategy": name, "labels": n, "accuracy": value} for n, value in curve]
    return rows


def usual_strategy(vectors: bool) -> str:
    """What to take where nobody says: it needs the texts' vectors, or does without."""
    return "margin_diverse" if vectors else "margin"


def checked_strategy(name: str) -> str:
    """The name of a strategy, or `UsageError`."""
    if name not in STRATEGIES:
        raise UsageError(
            f"The strategy must be one of {', '.join(STRATEGIES)}. Got {name!r} instead."
            f"{suggest(name, list(STRATEGIES))}"
        )
    return name
