"""Losses against hand computations."""

import math

import numpy as np
import pytest
import torch

from models.losses import draw, full_softmax, multi_label, sampled_softmax
from models.repeat import Repeats

QUERY = torch.tensor([[1.0, 0.0], [0.5, -1.0]])
ITEMS = torch.tensor([[1.0, 2.0], [0.0, 1.0], [-1.0, 0.5], [2.0, 0.0]])
POSITIVE = torch.tensor([0, 2])


def by_hand(allowed: list[int]) -> float:
    total = 0.0
    for query, positive in zip(QUERY.tolist(), POSITIVE.tolist(), strict=True):
        s = [query[0] * a + query[1] * b for a, b in ITEMS.tolist()]
        total -= s[positive] - math.log(sum(math.exp(s[j]) for j in allowed))
    return total / 2


def test_full_softmax_by_hand_and_cold_items_are_no_negatives():
    every = torch.ones(4, dtype=torch.bool)
    assert full_softmax(QUERY, ITEMS, POSITIVE, every).item() == pytest.approx(
        by_hand([0, 1, 2, 3])
    )
    warm = torch.tensor([True, True, True, False])
    loss = full_softmax(QUERY, ITEMS, POSITIVE, warm)
    assert loss.item() == pytest.approx(by_hand([0, 1, 2]))
    moved = ITEMS.clone()
    moved[3] *= 100
    assert full_softmax(QUERY, moved, POSITIVE, warm).item() == loss.item()


def test_a_cold_item_gets_no_gradient():
    items = ITEMS.clone().requires_grad_()
    full_softmax(QUERY, items, POSITIVE, torch.tensor([True, True, True, False])).backward()
    assert not items.grad[3].any()
    assert items.grad[:3].any(dim=1).all()


@pytest.mark.parametrize("repeats", [False, True])
def test_sampled_equals_full_when_all_are_drawn(repeats):
    every = torch.ones(4, dtype=torch.bool)
    own = Repeats(torch.tensor([0, 0, 1]), torch.tensor([0, 3, 1]), torch.tensor([0.5, -1.0, 2.0]))
    row, positive = torch.tensor([0, 0, 1]), torch.tensor([0, 1, 2])
    weight = torch.tensor([0.5, 0.5, 2.0])
    rest = (own if repeats else None, weight, row)
    full = full_softmax(QUERY, ITEMS, positive, every, *rest)
    sampled = sampled_softmax(QUERY, ITEMS, positive, torch.tensor([3, 1, 2, 0]), 4, *rest)
    assert sampled.item() == pytest.approx(full.item(), rel=1e-6)


def test_the_sum_over_samples_is_the_whole_sum_on_average():
    torch.manual_seed(0)
    query, items, positive = torch.randn(1, 4), torch.randn(30, 4), torch.tensor([5])
    own = Repeats(torch.tensor([0, 0]), torch.tensor([2, 5]), torch.tensor([1.0, 0.5]))
    rng = np.random.default_rng(0)
    full = full_softmax(query, items, positive, torch.ones(30, dtype=torch.bool), own)
    sums = []
    for _ in range(3000):
        loss = sampled_softmax(query, items, positive, draw(6, 30, rng), 30, own)
        sums.append((loss - full).exp().item())  # sampled sum / whole sum
    assert np.mean(sums) == pytest.approx(1, abs=4 * np.std(sums) / 3000**0.5)
    assert np.std(sums) > 0.05


def test_a_sample_of_positives_alone_gives_no_nan():
    query = QUERY.clone().requires_grad_()
    loss = sampled_softmax(query[:1], ITEMS, POSITIVE[:1], torch.tensor([0]), 4)
    loss.backward()
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert not query.grad.any()


def test_the_scale_counts_the_allowed_items():
    one = torch.tensor([1])
    s = (QUERY[0] @ ITEMS.T).tolist()
    for allowed in (2, 4, 100):
        loss = sampled_softmax(QUERY[:1], ITEMS, POSITIVE[:1], one, allowed).item()
        want = math.log(math.exp(s[0]) + allowed * math.exp(s[1])) - s[0]
        assert loss == pytest.approx(want, rel=1e-6)


def test_drawn_numbers_are_different():
    rng = np.random.default_rng(0)
    assert sorted(draw(9, 5, rng).tolist()) == [0, 1, 2, 3, 4]
    assert len(set(draw(4, 6, rng).tolist())) == 4


def test_multi_label_by_hand():
    loss = multi_label(torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 0.0]]))
    assert loss.item() == pytest.approx((math.log(2) + math.log(1 + math.exp(2))) / 2)


def test_repeats_in_the_full_softmax_are_added_to_the_scores():
    own = Repeats(torch.tensor([0, 0, 1, 1]), torch.tensor([0, 3, 1, 2]), torch.randn(4))
    scores = QUERY @ ITEMS.T
    scores[own.row, own.item] += own.bonus
    want = torch.nn.functional.cross_entropy(scores, POSITIVE)
    every = torch.ones(4, dtype=torch.bool)
    found = full_softmax(QUERY, ITEMS, POSITIVE, every, own)
    assert found.item() == pytest.approx(want.item(), rel=1e-6)
    warm = torch.tensor([True, True, True, False])
    assert math.isfinite(full_softmax(QUERY, ITEMS, POSITIVE, warm, own).item())


def test_several_positives_of_a_row_share_its_sum():
    every = torch.ones(4, dtype=torch.bool)
    log = (QUERY @ ITEMS.T).log_softmax(1)
    row, positive = torch.tensor([0, 1, 1]), torch.tensor([3, 0, 2])
    weight = torch.tensor([1.0, 0.5, 0.5])
    found = full_softmax(QUERY, ITEMS, positive, every, weight=weight, row=row)
    want = -(log[0, 3] + (log[1, 0] + log[1, 2]) / 2) / 2
    torch.testing.assert_close(found, want)
