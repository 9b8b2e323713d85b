"""Label metrics: by hand and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from kg.errors import DataError, UsageError
from recsys.metrics import labels

TRUE = np.array([[True, False, True], [False, True, False], [False, False, False]])
P = np.array([[0.9, 0.2, 0.4], [0.6, 0.7, 0.1], [0.1, 0.3, 0.2]])


def test_values_by_hand():
    assert labels.accuracy(TRUE, P) == pytest.approx(1 / 3)
    assert labels.top1_accuracy(TRUE, P) == pytest.approx(2 / 3)
    assert labels.precision(TRUE, P) == pytest.approx(2 / 3)
    assert labels.recall(TRUE, P) == pytest.approx(2 / 3)
    assert labels.f1(TRUE, P, average="macro") == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert labels.accuracy(TRUE, P, threshold=0.95) == pytest.approx(1 / 3)


@pytest.mark.parametrize("average", ["micro", "macro"])
@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.99])
def test_equals_scikit_learn(average, threshold):
    rng = np.random.default_rng(3)
    p = rng.random((50, 6))
    true = rng.random((50, 6)) < p * 0.6
    true[:, 5] = False  # a label that never occurs
    said = p >= threshold
    for ours, theirs in (
        (labels.precision, sk.precision_score),
        (labels.recall, sk.recall_score),
        (labels.f1, sk.f1_score),
    ):
        expected = theirs(true, said, average=average, zero_division=0)
        assert ours(true, p, threshold, average) == pytest.approx(expected)
    assert labels.accuracy(true, p, threshold) == pytest.approx(sk.accuracy_score(true, said))


def test_calibration_error_by_hand():
    p = np.array([[0.05, 0.05, 1.0, 0.95]])
    true = np.array([[False, True, True, False]])
    assert labels.calibration_error(true, p) == pytest.approx((abs(1 - 0.1) + abs(1 - 1.95)) / 4)


def test_reliability_by_hand():
    p = np.array([[0.1, 0.3], [0.4, 1.0]], np.float32)
    true = np.array([[False, False], [True, True]])
    found = labels.reliability(true, p, bins=4)
    assert found.size.tolist() == [1, 2, 0, 1]
    np.testing.assert_allclose(found.said, [0.1, 0.35, np.nan, 1.0], rtol=1e-6)
    np.testing.assert_allclose(found.true, [0.0, 0.5, np.nan, 1.0])


def test_calibration_error_equals_the_loop_over_bins():
    rng = np.random.default_rng(4)
    p = rng.random((40, 5)).astype(np.float32)
    true = rng.random((40, 5)) < p**2
    total = 0.0
    for b in range(10):
        inside = (p >= b / 10) & (p < (b + 1) / 10)
        if inside.any():
            total += inside.mean() * abs(true[inside].mean() - p[inside].mean())
    assert labels.calibration_error(true, p) == pytest.approx(total, abs=1e-6)


def test_a_calibrated_forecast_has_a_small_error():
    rng = np.random.default_rng(5)
    p = rng.random((20000, 2))
    assert labels.calibration_error(rng.random(p.shape) < p, p) < 0.01


@given(st.integers(0, 2**32 - 1), st.integers(1, 8), st.integers(1, 5))
def test_every_metric_lies_between_0_and_1(seed, n, width):
    rng = np.random.default_rng(seed)
    true, p = rng.random((n, width)) < 0.4, rng.random((n, width))
    values = [labels.accuracy(true, p), labels.top1_accuracy(true, p)]
    values += [labels.calibration_error(true, p)]
    for average in ("micro", "macro"):
        values += [f(true, p, 0.5, average) for f in (labels.precision, labels.recall, labels.f1)]
    assert all(0 <= value <= 1 for value in values)


def test_misuse_is_named():
    with pytest.raises(UsageError, match=r"float64 \[2, 3\] instead"):
        labels.accuracy(TRUE, P[:2])
    with pytest.raises(UsageError, match="Got int64"):
        labels.f1(TRUE.astype(int), P)
    with pytest.raises(DataError, match=r"probabilities in .* to 9.0"):
        labels.calibration_error(TRUE, P * 10)
    with pytest.raises(DataError, match="probabilities"):
        labels.top1_accuracy(TRUE, P * np.nan)
    with pytest.raises(UsageError, match=r"'micro' or 'macro'. Got 'weighted'"):
        labels.f1(TRUE, P, average="weighted")
    with pytest.raises(UsageError, match=r"'bins'.*Got 0"):
        labels.calibration_error(TRUE, P, bins=0)
