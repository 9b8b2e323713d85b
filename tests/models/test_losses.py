"""Losses against hand computations."""

import math

import pytest
import torch

from models.losses import full_softmax, multi_label, sampled_softmax

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


def test_sampled_equals_full_when_all_others_are_drawn_once():
    query, positive = QUERY[:1], POSITIVE[:1]
    every = torch.ones(4, dtype=torch.bool)
    full = full_softmax(query, ITEMS, positive, every)
    sampled = sampled_softmax(query, ITEMS, positive, torch.tensor([3, 1, 2]), 4)
    assert sampled.item() == pytest.approx(full.item(), rel=1e-6)
    twice = sampled_softmax(query, ITEMS, positive, torch.tensor([1, 2, 3, 3, 2, 1]), 4)
    assert twice.item() == pytest.approx(full.item(), rel=1e-6)


def test_a_negative_that_is_the_positive_is_ignored():
    some = torch.tensor([0, 1, 3])  # 0 is the positive of the first row only
    scale = math.log(3 / 3)
    loss = sampled_softmax(QUERY, ITEMS, POSITIVE, some, 4)
    s = (QUERY @ ITEMS.T).tolist()
    first = math.log(sum(math.exp(s[0][j] + scale * (j != 0)) for j in (0, 1, 3))) - s[0][0]
    second = math.log(sum(math.exp(s[1][j]) for j in (2, 0, 1, 3))) - s[1][2]
    assert loss.item() == pytest.approx((first + second) / 2, rel=1e-6)
    only = sampled_softmax(QUERY[:1], ITEMS, POSITIVE[:1], torch.tensor([0, 0]), 4)
    assert only.item() == pytest.approx(0, abs=1e-6)


def test_the_scale_counts_the_allowed_items():
    one = torch.tensor([1])
    s = (QUERY[0] @ ITEMS.T).tolist()
    for allowed in (2, 4, 100):
        loss = sampled_softmax(QUERY[:1], ITEMS, POSITIVE[:1], one, allowed).item()
        want = math.log(math.exp(s[0]) + (allowed - 1) * math.exp(s[1])) - s[0]
        assert loss == pytest.approx(want, rel=1e-6)


def test_multi_label_by_hand():
    loss = multi_label(torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 0.0]]))
    assert loss.item() == pytest.approx((math.log(2) + math.log(1 + math.exp(2))) / 2)


def test_repeats_in_the_full_softmax_are_added_to_the_scores():
    own, bonus = torch.tensor([[0, 3, -1], [-1, 1, 2]]), torch.randn(2, 3)
    scores = QUERY @ ITEMS.T
    for row in range(2):
        for place in range(3):
            if own[row, place] >= 0:
                scores[row, own[row, place]] += bonus[row, place]
    want = torch.nn.functional.cross_entropy(scores, POSITIVE)
    every = torch.ones(4, dtype=torch.bool)
    found = full_softmax(QUERY, ITEMS, POSITIVE, every, (own, bonus))
    assert found.item() == pytest.approx(want.item(), rel=1e-6)
    warm = torch.tensor([True, True, True, False])
    cold = full_softmax(QUERY, ITEMS, POSITIVE, warm, (own, bonus))
    assert math.isfinite(cold.item())


def test_repeats_stand_beside_the_sample_once():
    own, bonus = (
        torch.tensor([[0, 3, -1], [-1, 1, 0]]),
        torch.tensor([[0.5, -1.0, 9.0], [9.0, 2.0, 0.1]]),
    )
    score = (QUERY[:, None] * ITEMS[own.clamp(min=0)]).sum(-1)
    drawn = torch.tensor([1])
    total = 0.0
    for row, positive in enumerate(POSITIVE.tolist()):
        s = (ITEMS @ QUERY[row]).tolist()
        mine = {own[row, n].item(): bonus[row, n].item() for n in range(3) if own[row, n] >= 0}
        good = s[positive] + mine.get(positive, 0.0)
        below = math.exp(good) + 3 * math.exp(s[1])  # c = (4 - 1) / 1
        below += sum(math.exp(s[j] + b) for j, b in mine.items() if j != positive)
        total -= good - math.log(below)
    found = sampled_softmax(QUERY, ITEMS, POSITIVE, drawn, 4, (own, score, bonus))
    assert found.item() == pytest.approx(total / 2, rel=1e-5)
