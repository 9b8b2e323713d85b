"""Ridge regression against scikit-learn, fold by fold, and what it is worth."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge as Plain

from models.ridge import FOLDS, LEAST, RIDGES, Ridge


def rows(noise: float, n: int = 200):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 6)) * [1, 2, 3, 1, 1, 1] + 5
    y = x @ rng.normal(size=(6, 3)) + 7 + noise * rng.normal(size=(n, 3))
    return x, y, rng.random(n) + 0.1


def slowly(x, y, counts):
    """(worth, prediction for x) by refitting for each penalty and fold."""
    a, b = x - np.average(x, 0, counts), y - np.average(y, 0, counts)
    scale = (counts[:, None] * a**2).sum() / a.shape[1]
    fold, worth = np.arange(len(x)) % FOLDS, {}
    for ridge in RIDGES:
        left = 0.0
        for held in range(FOLDS):
            own = fold != held
            plain = Plain(alpha=ridge * scale, fit_intercept=False)
            plain.fit(a[own], b[own], sample_weight=counts[own])
            left += (counts[~own, None] * (b[~own] - plain.predict(a[~own])) ** 2).sum()
        worth[ridge] = 1 - left / (counts[:, None] * b**2).sum()
    best = max(worth, key=worth.get)
    plain = Plain(alpha=best * scale, fit_intercept=False).fit(a, b, sample_weight=counts)
    return worth[best], plain.predict(a) + np.average(y, 0, counts)


@pytest.mark.parametrize("noise", [0.1, 3.0, 10.0])
def test_as_by_refitting_for_each_penalty_and_fold(noise):
    x, y, counts = rows(noise)
    found, (worth, said) = Ridge.fit(x, y, counts), slowly(x, y, counts)
    assert found.worth == pytest.approx(worth, abs=1e-9)
    np.testing.assert_allclose(found(x), said, rtol=1e-5)


def test_what_rows_count_is_relative():
    x, y, _ = rows(1.0, 100)
    plain, twice = Ridge.fit(x, y), Ridge.fit(x, y, np.full(100, 2.0))
    np.testing.assert_allclose(twice(x), plain(x), rtol=1e-6)
    assert twice.worth == pytest.approx(plain.worth)


def test_what_explains_nothing_is_none():
    rng = np.random.default_rng(0)
    x, y, _ = rows(0.1)
    assert Ridge.fit(x, rng.permutation(y)) is None
    assert Ridge.fit(x[: LEAST - 1], y[: LEAST - 1]) is None
    assert Ridge.fit(np.ones_like(x), y) is None
    assert Ridge.fit(x, np.ones_like(y)) is None
