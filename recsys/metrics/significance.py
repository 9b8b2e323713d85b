"""Is one model better than another, or were the users kind to it?

What is compared are plain arrays: values per user as `EvalReport.per_user` holds them. Two models
are compared on the same users, so that what makes a user hard for both of them cancels out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from kg.errors import DataError, UsageError

BLOCK = 2_000_000
"""The numbers in one stack of resamples, at most (but at least one resample)."""


class Comparison(NamedTuple):
    """mean(a) - mean(b), its 95 % interval, and the two-sided p of "no difference"."""

    difference: float
    low: float
    high: float
    p: float


def paired_bootstrap(
    a: np.ndarray, b: np.ndarray, rng: np.random.Generator | int, rounds: int = 10_000
) -> Comparison:
    """Compare values float64 [U] of two models, entry u of both being user u; `EvalReport.gain`
    sees to that by the users' ids. `rng` may be a seed.

    d_u = a_u - b_u. A round draws U users with replacement and takes the mean m of their d. The
    interval is the 2.5 and 97.5 percentile of the B = `rounds` means, and
    p = min(1, 2 min((1 + #{m <= 0}) / (B + 1), (1 + #{m >= 0}) / (B + 1))),
    which is about where the percentile interval begins to exclude 0; the smallest p is 2 / (B + 1).
    Efron and Tibshirani, An introduction to the bootstrap, 1993, chapters 13 and 15; the + 1 after
    Davison and Hinkley, Bootstrap methods and their application, 1997. Users with the same d are
    drawn together, by how many of them come: the same distribution in less time.
    """
    d = _differences(a, b, rounds)
    if isinstance(rng, bool) or not isinstance(rng, np.random.Generator | int | np.integer):
        raise UsageError(
            f"The 'rng' of paired_bootstrap must be a numpy Generator or a seed. Got {rng!r}."
        )
    rng = np.random.default_rng(rng)
    values, counts = np.unique(d, return_counts=True)
    means = np.empty(rounds)
    step = max(1, BLOCK // len(values))
    for start in range(0, rounds, step):
        size = min(step, rounds - start)
        drawn = rng.multinomial(len(d), counts / len(d), size=size)  # [size, V]
        means[start : start + size] = drawn @ values / len(d)
    means[np.abs(means) <= 1e-12 * np.abs(values).max()] = 0.0  # a sum that only rounding moved
    low, high = np.percentile(means, [2.5, 97.5])
    tails = [(1 + (means <= 0).sum()) / (rounds + 1), (1 + (means >= 0).sum()) / (rounds + 1)]
    p = min(1.0, 2 * float(min(tails)))
    return Comparison(float(d.mean()), float(low), float(high), p)


def holm(p_values: np.ndarray) -> np.ndarray:
    """p values float64 [M] of M tests, adjusted for being M; in the order given.

    With p_(1) <= ... <= p_(M): adjusted p_(i) = max over j <= i of min(1, (M - j + 1) p_(j)).
    Rejecting where the adjusted value is <= alpha errs in any test with probability <= alpha,
    however the tests hang together. Holm, A simple sequentially rejective multiple test
    procedure, 1979.
    """
    p = np.asarray(p_values, np.float64)
    if p.ndim != 1:
        raise UsageError(f"The 'p_values' of holm must be [M]. Got {list(p.shape)} instead.")
    if not ((p >= 0) & (p <= 1)).all():  # also false for NaN
        wrong = p[~((p >= 0) & (p <= 1))][0]
        raise DataError(f"Every p value of holm must lie in [0, 1]. Got {wrong} instead.")
    order = np.argsort(p, kind="stable")
    factor = len(p) - np.arange(len(p))
    out = np.empty(len(p))
    out[order] = np.minimum(1.0, np.maximum.accumulate(factor * p[order]))
    return out


def _differences(a: np.ndarray, b: np.ndarray, rounds: int) -> np.ndarray:
    """float64 [U], once the arguments are known to make sense."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 1 or a.shape != b.shape:
        raise UsageError(
            "The 'a' and 'b' of paired_bootstrap must both be [U], the same users. "
            f"Got {list(a.shape)} and {list(b.shape)} instead."
        )
    if rounds < 1:
        raise UsageError(
            f"The 'rounds' of paired_bootstrap must be at least 1. Got {rounds} instead."
        )
    if len(a) < 2:
        raise DataError(f"paired_bootstrap needs at least 2 users. Got {len(a)} instead.")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise DataError(
            "The values of paired_bootstrap must be finite: leave a user without one out of both."
        )
    return a - b


SURE = 2.0
"""Standard errors of the mean; the best of some tries is often ahead of none by luck."""


def surely(gain: np.ndarray) -> bool:
    """Whether the mean of the gains float64 [U], one per user, is more than `SURE` standard errors
    above 0: for a choice among a few settings that must not follow luck.
    """
    return len(gain) > 1 and bool(gain.mean() > SURE * gain.std() / len(gain) ** 0.5)


def sure_weight(weights: Sequence[float], score: Callable[[float], np.ndarray]) -> float:
    """Of these the one of the best mean score, the first of equals; 0 unless it is surely better
    than 0. `score` gives float64 [U], one value per user.
    """
    scores = {weight: score(weight) for weight in weights}
    best = max(scores, key=lambda weight: scores[weight].mean())
    return best if surely(scores[best] - score(0.0)) else 0.0
