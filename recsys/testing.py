"""Contracts that any recommender of this package, or of yours, must keep: one call in a test."""

from __future__ import annotations

import numpy as np

from kg.events import EventLog
from kg.sequences import Sequences
from recsys.baselines.base import Baseline


def check_recommender(model: Baseline, log: EventLog) -> None:
    """Raises `AssertionError` naming the first promise that `model`, fitted to `log`, breaks.

    Shape [U, N] and float32 without NaN; a batch scores as its rows do alone and in another order;
    an empty history still gets a finite score for some item; nothing given in is changed.
    """
    histories = Sequences.of(log)
    before = _copies(histories)
    scores = model.scores(histories)
    assert model.name, "The name must not be empty."
    _check_scores(scores, len(histories), len(log.items))
    _check_rows(model, histories, scores)
    _check_empty(model, len(log.items))
    again = model.scores(histories)
    assert np.array_equal(scores, again), "The same histories must give the same scores."
    for name, array in before.items():
        assert np.array_equal(getattr(histories, name), array), f"scores() changed {name}."


def _check_scores(scores: np.ndarray, rows: int, items: int) -> None:
    assert scores.shape == (rows, items), f"Scores must be [{rows}, {items}]. Got {scores.shape}."
    assert scores.dtype == np.float32, f"Scores must be float32. Got {scores.dtype}."
    assert not np.isnan(scores).any(), "Scores must not be NaN."
    assert not np.isposinf(scores).any(), "Scores must not be +inf."


def _check_rows(model: Baseline, histories: Sequences, scores: np.ndarray) -> None:
    for row in range(min(len(histories), 5)):
        alone = model.scores(histories.take(np.array([row])))
        assert alone.shape == scores[:1].shape, "One history must give one row."
        assert _close(alone[0], scores[row]), f"Row {row} alone must score as in the batch."
    back = np.arange(len(histories))[::-1]
    assert _close(model.scores(histories.take(back)), scores[back]), (
        "Histories in another order must give the same scores in that order."
    )


def _check_empty(model: Baseline, items: int) -> None:
    scores = model.scores(Sequences.single(np.zeros(0, np.int64), items))
    _check_scores(scores, 1, items)
    assert np.isfinite(scores).any(), "An empty history must get a finite score for some item."
    none = Sequences.single(np.zeros(0, np.int64), items).take(np.zeros(0, np.int64))
    _check_scores(model.scores(none), 0, items)


def _close(a: np.ndarray, b: np.ndarray) -> bool:
    return bool(np.allclose(a, b, rtol=1e-4, atol=1e-5))


def _copies(histories: Sequences) -> dict[str, np.ndarray]:
    names = ("offsets", "item", "behaviour", "time")
    arrays = {name: getattr(histories, name) for name in names}
    return {name: array.copy() for name, array in arrays.items() if array is not None}
