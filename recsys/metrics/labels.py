"""How good are predicted labels (intents): `y_true` bool [n, L] against `p` float [n, L] in [0, 1].

A row may carry several labels or none. A label is predicted where p >= threshold. A ratio with
nothing to divide by is 0, as in scikit-learn with `zero_division=0`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from kg.errors import DataError, UsageError

Average = Literal["micro", "macro"]


def accuracy(y_true: np.ndarray, p: np.ndarray, threshold: float = 0.5) -> float:
    """Share of the rows whose predicted set equals the true set (subset accuracy)."""
    return float((_predicted(y_true, p, threshold) == y_true).all(axis=1).mean())


def top1_accuracy(y_true: np.ndarray, p: np.ndarray) -> float:
    """Share of the rows whose most probable label (the first of equals) is a true one."""
    _check(y_true, p)
    return float(y_true[np.arange(len(p)), p.argmax(axis=1)].mean())


def precision(
    y_true: np.ndarray, p: np.ndarray, threshold: float = 0.5, average: Average = "micro"
) -> float:
    """TP / (TP + FP): over all labels together ("micro"), or the mean over labels ("macro")."""
    tp, fp, _ = _counts(y_true, p, threshold, average)
    return float(_ratio(tp, tp + fp).mean())


def recall(
    y_true: np.ndarray, p: np.ndarray, threshold: float = 0.5, average: Average = "micro"
) -> float:
    """TP / (TP + FN): over all labels together ("micro"), or the mean over labels ("macro")."""
    tp, _, fn = _counts(y_true, p, threshold, average)
    return float(_ratio(tp, tp + fn).mean())


def f1(
    y_true: np.ndarray, p: np.ndarray, threshold: float = 0.5, average: Average = "micro"
) -> float:
    """2 TP / (2 TP + FP + FN); "macro" is the mean of the labels' F1, not F1 of the means."""
    tp, fp, fn = _counts(y_true, p, threshold, average)
    return float(_ratio(2 * tp, 2 * tp + fp + fn).mean())


class Reliability(NamedTuple):
    """Per bin of probabilities, [bins]: how many they are, their mean, and the share that is true;
    mean and share of an empty bin are nan.
    """

    size: np.ndarray
    said: np.ndarray
    true: np.ndarray


def reliability(y_true: np.ndarray, p: np.ndarray, bins: int = 10) -> Reliability:
    """What a reliability diagram draws, `true` over `said`, of all n * L probabilities.

    Bin b holds b/bins <= p < (b+1)/bins, the last one p = 1 too. For the diagram of the best label
    alone give that one column: whether it is right [n, 1] and its probability [n, 1].
    """
    _check(y_true, p)
    if bins < 1:
        raise UsageError(f"The 'bins' of probabilities must be at least 1. Got {bins} instead.")
    chance = p.astype(np.float64).reshape(-1)
    which = np.minimum((chance * bins).astype(np.int64), bins - 1)
    size = np.bincount(which, minlength=bins)
    said, true = (np.bincount(which, weights=w, minlength=bins) for w in (chance, y_true.ravel()))
    with np.errstate(invalid="ignore"):
        return Reliability(size, said / size, true / size)


def calibration_error(y_true: np.ndarray, p: np.ndarray, bins: int = 10) -> float:
    """ECE = sum_b (n_b / m) |mean(y in b) - mean(p in b)| over the bins of `reliability`, of all
    m = n * L probabilities. Naeini et al., Obtaining well calibrated probabilities using Bayesian
    binning, 2015.
    """
    size, said, true = reliability(y_true, p, bins)
    return float(np.nansum(size * np.abs(true - said)) / size.sum())


def _counts(
    y_true: np.ndarray, p: np.ndarray, threshold: float, average: Average
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True positives, false positives and false negatives, float64 [L] ("macro") or [1]."""
    if average not in ("micro", "macro"):
        raise UsageError(f"'average' must be 'micro' or 'macro'. Got {average!r} instead.")
    said = _predicted(y_true, p, threshold)
    each = [(y_true & said).sum(0), (~y_true & said).sum(0), (y_true & ~said).sum(0)]
    if average == "micro":
        each = [count.sum(keepdims=True) for count in each]
    tp, fp, fn = (count.astype(np.float64) for count in each)
    return tp, fp, fn


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _predicted(y_true: np.ndarray, p: np.ndarray, threshold: float) -> np.ndarray:
    """bool [n, L]."""
    _check(y_true, p)
    return np.asarray(p >= threshold)


def _check(y_true: np.ndarray, p: np.ndarray) -> None:
    if y_true.dtype != bool or y_true.ndim != 2 or y_true.shape != p.shape or p.size == 0:
        raise UsageError(
            "A label metric needs 'y_true' bool [n, L] and 'p' [n, L] with at least one entry. "
            f"Got {y_true.dtype} {list(y_true.shape)} and {p.dtype} {list(p.shape)} instead."
        )
    if not (p.min() >= 0 and p.max() <= 1):
        raise DataError(
            f"The 'p' of a label metric must be probabilities in [0, 1]. "
            f"Got {p.min()} to {p.max()} instead."
        )
