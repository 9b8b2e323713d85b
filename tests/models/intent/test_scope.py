"""Calibration and the border of what is known, against answers worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import roc_auc_score

from models.intent.calibrate import Calibration, calibrated
from models.intent.contract import Reading
from models.intent.scope import Nearness, Scope, auroc, best_threshold, crossed_distances


def test_the_temperature_of_overconfident_logits_is_found():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(6000, 4)) * 2
    code = np.array([rng.choice(4, p=row) for row in softmax(z, axis=1)])
    found = calibrated(5 * z, np.eye(4, dtype=bool)[code], False)
    assert found.scale == pytest.approx(1 / 5, rel=0.06)


def test_scale_and_shift_of_several_labels_are_found():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(6000, 3)) * 2
    carries = rng.random(z.shape) < 1 / (1 + np.exp(-(0.5 * z - 1)))
    found = calibrated(z, carries, True)
    assert (found.scale, found.shift) == (pytest.approx(0.5, rel=0.1), pytest.approx(-1, abs=0.1))


def test_nothing_to_calibrate_on_changes_nothing():
    assert calibrated(np.zeros((0, 3)), np.zeros((0, 3), bool), False) == Calibration(False)
    p = Calibration(False).probabilities(np.zeros((2, 4)))
    np.testing.assert_allclose(p, 0.25)


def test_nearness_is_the_mahalanobis_distance():
    rng = np.random.default_rng(0)
    stretch = np.array([[3.0, 0.0], [0.0, 0.5]])
    code = rng.integers(2, size=4000)
    centre = np.array([[0.0, 0.0], [30.0, 0.0]])
    x = (centre[code] + rng.normal(size=(4000, 2)) @ stretch).astype(np.float32)
    near = Nearness.of(x, code)
    found = near.distance(np.array([[30, 1], [33, 0], [0, 0]], np.float32))
    np.testing.assert_allclose(found, [4, 1, 0], atol=0.25)  # (1/.5)², (3/3)², 0


def test_a_label_that_nobody_carries_is_no_centre():
    x = np.array([[0, 0], [0, 1], [5, 5], [5, 6]], np.float32)
    near = Nearness.of(x, np.array([0, 0, 2, 2]))
    assert near.means.shape[0] == 2


def test_crossed_distances_are_those_of_texts_never_seen():
    rng = np.random.default_rng(0)
    code, scale = np.arange(100) % 3, np.geomspace(10, 0.1, 200)
    centre = rng.normal(size=(3, 200))
    x, fresh = ((centre[code] + rng.normal(size=(100, 200))) * scale for _ in range(2))
    near = Nearness.of(x, code)
    expected = near.distance(fresh).mean()
    assert near.distance(x).mean() < 0.6 * expected
    found = crossed_distances(x, code, np.arange(100) // 3 % 5)
    assert found.mean() == pytest.approx(expected, rel=0.1)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30),
       st.lists(st.integers(0, 5), min_size=1, max_size=30))  # fmt: skip
def test_auroc_is_scikit_learns(inside, outside):
    a, b = np.array(inside, float), np.array(outside, float)
    truth = np.r_[np.ones(len(a)), np.zeros(len(b))]
    assert auroc(a, b) == pytest.approx(roc_auc_score(truth, np.r_[a, b]))


@given(st.integers(0, 2**31), st.floats(0, 0.2))
def test_the_threshold_costs_no_more_than_allowed(seed, reject):
    rng = np.random.default_rng(seed)
    inside, right = rng.random(200), rng.random(200) < 0.4
    outside = rng.random(50) - 0.3
    limit = best_threshold(inside, right, outside, reject)
    allowed = int(reject * right.sum())
    assert (inside[right] < limit).sum() <= allowed
    higher = np.sort(inside[right])[allowed] + 1e-9
    assert (outside < limit).sum() == (outside < higher).sum()


def test_nobody_is_refused_where_nothing_was_right():
    assert best_threshold(np.ones(3), np.zeros(3, bool), np.zeros(2)) == -np.inf


def test_energy_tells_a_text_of_two_intents_from_one_of_none():
    z = np.array([[5, 5, -9], [-5, -4, -9]], np.float32)
    p = Calibration(False).probabilities(z)
    assert Scope().confidence(Reading(z), p).argmax() == 1
    told = Scope(by="energy").confidence(Reading(z), p)
    np.testing.assert_allclose(told, [5 + np.log(2), -4 + np.log1p(np.exp(-1))], atol=0.01)


def test_joint_energy_adds_up_what_speaks_for_each_label():
    z = np.array([[2, 2, -9], [2, -2, -9], [-9, -9, -9]], np.float32)
    scope, some = Scope(by="joint_energy"), Calibration(True, 2.0, 1.0)
    told = scope.confidence(Reading(z), some.probabilities(z))
    two, minus = np.log(1 + np.exp(5)), np.log(1 + np.exp(-3))
    np.testing.assert_allclose(told, [2 * two, two + minus, 0], atol=1e-3)
    sure = scope.confidence(Reading(99 * z), some.probabilities(99 * z))
    assert np.isfinite(sure).all()


def test_confidence_is_the_largest_probability_or_the_nearness():
    p = np.array([[0.2, 0.8], [0.6, 0.4]], np.float32)
    vectors = np.array([[0, 0], [9, 9]], np.float32)
    np.testing.assert_allclose(Scope().confidence(Reading(p, vectors), p), [0.8, 0.6])
    near = Nearness(np.zeros((1, 2), np.float32), np.eye(2, dtype=np.float32))
    told = Scope(0, "nearness", near).confidence(Reading(p, vectors), p)
    np.testing.assert_allclose(told, [0, -162])
