"""Pairs by hand: every pair once, negatives untouched, the target out of its own history."""

import numpy as np
import torch

from kg.sequences import Sequences
from recsys.baselines.learned.pairs import Pairs, bpr, history_sum


def histories() -> Sequences:
    """u0: 3 1 3; u1: nothing; u2: 0 1 2; u3: 4 (of 5 items)."""
    item = np.array([3, 1, 3, 0, 1, 2, 4])
    return Sequences(np.array([0, 3, 3, 6, 7]), item, np.zeros(7, np.int64), None, 5)


def test_pairs_are_distinct_and_sorted():
    pairs = Pairs.of(histories())
    assert pairs.user.tolist() == [0, 0, 2, 2, 2, 3]
    assert pairs.item.tolist() == [1, 3, 0, 1, 2, 4]
    assert pairs.counts.tolist() == [2, 0, 3, 1]


def test_negatives_are_untouched_and_even():
    pairs = Pairs.of(histories())
    drawn = pairs.negatives(np.full(3000, 2), np.random.default_rng(0))
    assert set(drawn.tolist()) == {3, 4}
    assert abs((drawn == 3).mean() - 0.5) < 0.05


def test_held_out_covers_every_pair_of_a_history_once():
    pairs = Pairs.of(histories())
    seen = []
    for held in pairs.held_out(2, np.random.default_rng(1)):
        assert held.counts.tolist() == torch.bincount(held.owner).tolist()
        seen += held.item.tolist()
    assert sorted(seen) == [0, 1, 1, 2, 3]  # item 4 is alone in its history


def test_others_leave_the_target_out():
    vectors = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    (held,) = Pairs.of(histories()).held_out(99, np.random.default_rng(1))
    for place, item in enumerate(held.item.tolist()):
        owner = held.item[held.owner == held.owner[place]].tolist()
        rest = vectors[[i for i in owner if i != item]]
        wanted = rest.sum(0) / len(rest) ** 0.5
        torch.testing.assert_close(held.others(vectors, 0.5)[place], wanted)


def test_history_sum_counts_an_item_once():
    vectors = torch.arange(10.0).view(5, 2)
    out = history_sum(histories(), vectors, 1.0)
    torch.testing.assert_close(out[0], (vectors[1] + vectors[3]) / 2)
    torch.testing.assert_close(out[1], torch.zeros(2))
    assert out.dtype == torch.float32


def test_bpr_by_hand():
    loss = bpr(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0]))
    wanted = (np.log1p(np.exp(-1.0)) + np.log1p(np.exp(2.0))) / 2
    np.testing.assert_allclose(loss.item(), wanted, rtol=1e-6)
