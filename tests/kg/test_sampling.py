"""Negatives are never positives; neighbours are real edges, each at most once."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import UsageError
from kg.sampling import Csr, negatives_for, sample_neighbours, uniform_negatives
from kg.sequences import Sequences

SEEDS = st.integers(0, 2**32 - 1)


def histories(rows: list[list[int]], num_items: int) -> Sequences:
    offsets = np.cumsum([0, *(len(row) for row in rows)])
    item = np.array([item for row in rows for item in row], np.int64)
    return Sequences(offsets, item, np.zeros_like(item), None, num_items)


@given(
    SEEDS,
    st.lists(st.lists(st.integers(0, 29), max_size=40), max_size=8),
    st.integers(0, 30),
)
def test_negatives_are_distinct_and_never_touched(
    seed: int, rows: list[list[int]], per_user: int
) -> None:
    sequences = histories(rows, 30)
    free = [30 - len(set(row)) for row in rows]
    rng = np.random.default_rng(seed)
    if any(left < per_user for left in free):
        with pytest.raises(UsageError, match="'per_user'"):
            negatives_for(sequences, per_user, rng)
        return
    drawn = negatives_for(sequences, per_user, rng)
    assert drawn.shape == (len(rows), per_user)
    assert drawn.dtype == np.int64
    for row, mine in zip(rows, drawn.tolist(), strict=True):
        assert len(set(mine)) == per_user
        assert not set(mine) & set(row)
        assert all(0 <= item < 30 for item in mine)


@pytest.mark.parametrize("num_items", [8, 40])
def test_negatives_are_uniform(num_items: int) -> None:
    drawn = negatives_for(histories([[0, 1]] * 4000, num_items), 2, np.random.default_rng(0))
    counts = np.bincount(drawn.ravel(), minlength=num_items)
    assert counts[:2].sum() == 0
    expected = drawn.size / (num_items - 2)
    assert np.abs(counts[2:] - expected).max() < 6 * np.sqrt(expected)


def test_negatives_follow_the_generator() -> None:
    sequences = histories([[1, 2], [3]], 50)
    first, second = (negatives_for(sequences, 5, np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_uniform_negatives_come_from_the_candidates() -> None:
    drawn = uniform_negatives(500, np.array([3, 5, 9]), np.random.default_rng(0))
    assert drawn.shape == (500,)
    assert set(drawn.tolist()) == {3, 5, 9}
    assert uniform_negatives(0, np.array([], np.int64), np.random.default_rng(0)).shape == (0,)
    with pytest.raises(UsageError, match="candidate"):
        uniform_negatives(1, np.array([], np.int64), np.random.default_rng(0))


@given(
    SEEDS,
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 6)), unique=True, max_size=40),
    st.lists(st.integers(0, 9), max_size=6),
    st.integers(1, 5),
)
def test_neighbours_against_brute_force(
    seed: int, pairs: list[tuple[int, int]], nodes: list[int], fanout: int
) -> None:
    edges = np.array(pairs, np.int64).reshape(-1, 2).T
    found = sample_neighbours(edges, np.array(nodes), fanout, np.random.default_rng(seed))
    drawn = list(zip(*found.tolist(), strict=True))
    assert len(set(drawn)) == len(drawn)
    assert set(drawn) <= set(pairs)
    for node in range(10):
        degree = sum(target == node for _, target in pairs) if node in nodes else 0
        assert sum(target == node for _, target in drawn) == min(degree, fanout)


def test_neighbours_are_uniform_and_take_a_ready_csr() -> None:
    edges = np.stack([np.arange(10), np.zeros(10, np.int64)])
    csr, rng = Csr.incoming(edges, num_targets=3), np.random.default_rng(0)
    drawn = [sample_neighbours(edges, np.array([0, 2]), 3, rng, csr)[0] for _ in range(1000)]
    counts = np.bincount(np.concatenate(drawn), minlength=10)
    assert counts.sum() == 3000
    assert counts.min() > 220
    with pytest.raises(UsageError, match="'fanout'"):
        sample_neighbours(edges, np.array([0]), 0, rng)
