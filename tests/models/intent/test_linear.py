"""The linear layer at its minimum, its weights and masks, and what is held out."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from models.intent.folds import held_out
from models.intent.linear import balanced_weights, choose_strength, classification_loss, fit_linear


def blobs(rows=300, width=5, labels=3, seed=0):
    rng = np.random.default_rng(seed)
    code = rng.integers(labels, size=rows)
    x = rng.normal(size=(rows, width)) + 1.5 * np.eye(labels, width)[code]
    return x.astype(np.float32), code


def test_equals_scikit_learn():
    x, code = blobs()
    w, b = fit_linear(x, np.eye(3, dtype=bool)[code], False, 2.0)
    expected = LogisticRegression(C=2.0, tol=1e-8, max_iter=2000).fit(x, code).predict_proba(x)
    found = torch.from_numpy(x @ w.T + b).softmax(1).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_each_of_several_labels_equals_scikit_learn():
    x, code = blobs()
    carries = np.stack([code == 0, code < 2], axis=1)
    w, b = fit_linear(x, carries, True, 2.0)
    for label in range(2):
        one = LogisticRegression(C=2.0, tol=1e-8, max_iter=2000).fit(x, carries[:, label])
        np.testing.assert_allclose(w[label], one.coef_[0], atol=0.02)
        assert b[label] == pytest.approx(one.intercept_[0], abs=0.02)


def test_a_rare_label_counts_more_with_weights():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 2)).astype(np.float32)
    carries = np.eye(2, dtype=bool)[(np.arange(200) >= 190).astype(int)]
    plain, even = (
        fit_linear(x, carries, False, 1.0, weight=weight)[1]
        for weight in (None, balanced_weights(carries))
    )
    assert plain[0] - plain[1] > 1
    assert abs(even[0] - even[1]) < 0.7
    np.testing.assert_allclose(balanced_weights(carries), [200 / 380, 10.0], rtol=1e-5)


def test_what_the_mask_forbids_stays_zero():
    x, code = blobs()
    mask = np.zeros((3, 5), bool)
    mask[:, :2] = True
    w, _ = fit_linear(x, np.eye(3, dtype=bool)[code], False, mask=mask)
    assert (w[:, 2:] == 0).all()
    assert (w[:, :2] != 0).all()


def test_the_loss_by_hand():
    logits, target = torch.tensor([[0.0, 1.0]]), torch.tensor([[1.0, 0.0]])
    told = classification_loss(logits, target, False)
    assert told.item() == pytest.approx(np.log(1 + np.e))
    smooth = classification_loss(logits, target, False, smoothing=0.5).item()
    assert smooth == pytest.approx(0.75 * np.log(1 + np.e) + 0.25 * np.log(1 + 1 / np.e))
    several = classification_loss(logits, target, True).item()
    assert several == pytest.approx((np.log(2) + np.log(1 + np.e)) / 2)


def test_noise_asks_for_a_stronger_ridge_than_signal():
    x, code = blobs(rows=400)
    rng = np.random.default_rng(0)
    held = rng.random(400) < 0.3
    signal = choose_strength(0.3 * x, np.eye(3, dtype=bool)[code], False, held)
    noise = choose_strength(0.3 * x, np.eye(3, dtype=bool)[rng.permutation(code)], False, held)
    assert noise < 3 <= signal
    assert choose_strength(x, np.eye(3, dtype=bool)[code], False, np.zeros(400, bool)) == 10.0


def test_no_label_loses_its_last_examples():
    carries = np.eye(4, dtype=bool)[[0] * 50 + [1] * 3 + [2] * 2 + [3]]
    held = held_out(carries, 0.4, np.random.default_rng(0))
    assert held.sum() <= round(0.4 * 56)
    assert held.sum() >= 15
    left = carries[~held].sum(axis=0)
    assert left[1] >= 2
    assert left[2:].tolist() == [2, 1]
