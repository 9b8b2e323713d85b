"""The intent head on a toy it can learn, and one it cannot."""

import numpy as np
import pytest
import torch

from models.intent import IntentConfig, fit_intent_head
from models.intent.head import held_groups

CONFIG = IntentConfig(hidden=32, epochs=40)


def toy(rng, rows=1500, width=12, labels=4):
    """Rows and labels: label j is likely where the first entries say so."""
    x = rng.normal(size=(rows, width)).astype(np.float32)
    p = 1 / (1 + np.exp(-(4 * x[:, :labels] - 2)))
    return x, (rng.random(p.shape) < p).astype(np.float32), p


def log_loss(y, p):
    p = np.clip(p, 1e-6, 1 - 1e-6)
    return float(-(y * np.log(p) + (1 - y) * np.log(1 - p)).mean())


def calibration_error(y, p, bins=10):
    which = np.minimum((p * bins).astype(int), bins - 1).ravel()
    gaps = [abs(y.ravel()[which == b].mean() - p.ravel()[which == b].mean()) * (which == b).mean()
            for b in range(bins) if (which == b).any()]  # fmt: skip
    return float(np.sum(gaps))


def test_a_separable_toy_is_learned_and_calibrated():
    rng = np.random.default_rng(0)
    x, y, _ = toy(rng)
    head = fit_intent_head(x, y, np.repeat(np.arange(300), 5), CONFIG, rng)
    fresh, truth, best = toy(np.random.default_rng(1), 3000)
    p = head.probabilities(fresh)
    assert (p.shape, p.dtype) == (truth.shape, np.float32)
    base = log_loss(truth, np.broadcast_to(y.mean(0), truth.shape))
    assert log_loss(truth, p) < 0.65 * base
    assert log_loss(truth, p) < log_loss(truth, best) + 0.08
    assert calibration_error(truth, p) < 0.03


def test_noise_gives_the_base_rate():
    rng = np.random.default_rng(2)
    x = rng.normal(size=(800, 6)).astype(np.float32)
    y = (rng.random((800, 3)) < 0.2).astype(np.float32)
    p = fit_intent_head(x, y, np.arange(800), CONFIG, rng).probabilities(x)
    assert abs(p.mean() - 0.2) < 0.05
    assert p.std() < 0.1


def test_no_group_is_divided():
    rng = np.random.default_rng(4)
    group = rng.integers(0, 40, 400)
    held = held_groups(group, rng)
    shares = np.array([held[group == g].mean() for g in np.unique(group)])
    assert set(shares.tolist()) == {0.0, 1.0}
    assert shares.sum() == 4  # a tenth of the groups
    assert not held_groups(np.zeros(3), rng).any()


def test_what_there_was_lately_is_heard():
    """The label of the last event comes again; the embedding says nothing."""
    rng = np.random.default_rng(6)
    last = rng.integers(4, size=1500)
    recent = np.eye(4, dtype=np.float32)[last][:, None]
    again = np.where(rng.random(1500) < 0.8, last, rng.integers(4, size=1500))
    labels = np.eye(4, dtype=np.float32)[again]
    x = rng.normal(size=(1500, 6)).astype(np.float32)
    head = fit_intent_head(x, labels, np.arange(1500), CONFIG, rng, recent)
    p = head.probabilities(x, recent)
    assert (p.argmax(1) == last).mean() > 0.95
    assert p.max(1).mean() == pytest.approx(0.85, abs=0.05)


def test_same_seed_same_head_and_the_callers_randomness_is_left_alone():
    x, y, _ = toy(np.random.default_rng(5), 200)
    torch.manual_seed(11)
    want = torch.rand(3)
    torch.manual_seed(11)
    config, group = IntentConfig(epochs=2), np.arange(200)
    a, b = (fit_intent_head(x, y, group, config, np.random.default_rng(9)) for _ in range(2))
    np.testing.assert_array_equal(a.probabilities(x), b.probabilities(x))
    assert torch.equal(torch.rand(3), want)


@pytest.mark.parametrize("rows", [1, 2])
def test_one_user_or_one_row_does_not_crash(rows):
    x = np.ones((rows, 3), np.float32)
    y = np.ones((rows, 2), np.float32)
    head = fit_intent_head(x, y, np.zeros(rows, np.int64), CONFIG, np.random.default_rng(0))
    assert np.isfinite(head.probabilities(x)).all()
