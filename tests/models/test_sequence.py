"""The transformer: causal, and blind to padding."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from kg.sequences import Sequences
from models.batch import history_batches
from models.sequence import CausalTransformer, causal_attention


@pytest.fixture
def parts():
    torch.manual_seed(0)
    net = CausalTransformer(8, 2, 2, 0.3, 6, 3).eval()
    rng = np.random.default_rng(0)
    lengths = np.array([6, 2, 4, 1])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    total = int(offsets[-1])
    time = np.cumsum(rng.integers(0, 10**6, total))
    sequences = Sequences(offsets, rng.integers(0, 9, total), rng.integers(0, 3, total), time, 9)
    return net, torch.randn(9, 8), sequences


@pytest.mark.parametrize("name", ["item", "behaviour", "gap"])
def test_a_later_event_changes_no_earlier_output(parts, name):
    net, items, sequences = parts
    ((_, batch),) = history_batches(sequences.take(np.array([0])), 6, 4)
    before = net(batch, items)
    changed = getattr(batch, name).clone()
    changed[:, 3] = (changed[:, 3] + 1) % 3
    after = net(replace(batch, **{name: changed}), items)
    torch.testing.assert_close(after[:, :3], before[:, :3], rtol=0, atol=1e-6)
    assert (after[:, 3:] - before[:, 3:]).abs().amax(-1).min() > 1e-4


def test_order_matters(parts):
    net, items, _ = parts
    one = Sequences.single(np.array([1, 2, 3]), 9)
    two = Sequences.single(np.array([2, 1, 3]), 9)
    out = [net(next(history_batches(s, 6, 1))[1], items)[0, -1] for s in (one, two)]
    assert (out[0] - out[1]).abs().max() > 1e-4


def test_a_batch_equals_its_rows_alone(parts):
    net, items, sequences = parts
    ((rows, batch),) = history_batches(sequences, 6, 4)
    together = net(batch, items)
    for row, user in enumerate(rows.tolist()):
        ((_, alone),) = history_batches(sequences.take(np.array([user])), 6, 1)
        single = net(alone, items)[0]
        torch.testing.assert_close(together[row, : len(single)], single, rtol=0, atol=1e-5)


def test_what_stands_in_the_padding_has_no_influence(parts):
    net, items, sequences = parts
    ((_, batch),) = history_batches(sequences, 6, 4)
    other = replace(batch, item=torch.where(batch.mask, batch.item, 7))
    a, b = net(batch, items), net(other, items)
    torch.testing.assert_close(a[batch.mask], b[batch.mask], rtol=0, atol=1e-6)


def by_hand(q, k, v, distance):
    """One query at a time, over its own past."""
    out = torch.zeros_like(v)
    for h in range(q.shape[1]):
        for at in range(q.shape[2]):
            scores = (k[:, h, : at + 1] * q[:, h, at, None]).sum(-1) / q.shape[-1] ** 0.5
            scores = scores + distance[h, : at + 1].flip(0)  # the newest is at distance 0
            out[:, h, at] = (scores.softmax(-1)[..., None] * v[:, h, : at + 1]).sum(1)
    return out


def test_attention_by_hand_with_and_without_dropout():
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 2, 5, 4).unbind(0)
    distance = torch.randn(2, 7)
    want = by_hand(q, k, v, distance)
    torch.testing.assert_close(causal_attention(q, k, v, distance, 0.0), want)
    draws = torch.stack([causal_attention(q, k, v, distance, 0.25) for _ in range(4000)])
    torch.testing.assert_close(draws.mean(0), want, rtol=0, atol=0.1)
    assert draws.std(0).min() > 0.01


def test_the_distance_is_learned(parts):
    net, items, sequences = parts
    ((_, batch),) = history_batches(sequences, 6, 4)
    net(batch, items).square().sum().backward()
    for block in net.blocks:
        assert (block.distance.grad.abs() > 0).all()


def test_one_place_of_each_row_is_as_among_all(parts):
    net, items, sequences = parts
    ((_, batch),) = history_batches(sequences, 6, 4)
    whole = net(batch, items)
    for at in (batch.last, torch.zeros_like(batch.last)):
        one = net(batch, items, at=at)
        assert one.shape == (4, 1, 8)
        torch.testing.assert_close(one[:, 0], whole[torch.arange(4), at], rtol=0, atol=1e-6)
