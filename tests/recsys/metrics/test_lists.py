"""List metrics: values by hand and against the obvious loop."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from kg.errors import UsageError
from recsys.metrics import lists

INDEX = np.array([[0, 1], [0, -1], [-1, -1]])


def test_coverage_counts_distinct_items():
    assert lists.coverage(INDEX, 4) == 0.5
    assert lists.coverage(np.full((2, 2), -1), 4) == 0.0


def test_gini_by_hand():
    assert lists.gini(np.array([[0, 1], [2, 3]]), 4) == 0.0
    assert lists.gini(np.array([[2], [2], [2]]), 4) == pytest.approx(3 / 4)
    # exposures 0, 0, 1, 2: (1 * 1 + 3 * 2) / (4 * 3)
    assert lists.gini(INDEX, 4) == pytest.approx(7 / 12)
    assert np.isnan(lists.gini(np.full((2, 2), -1), 4))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_gini_is_the_mean_difference_of_all_pairs(shown):
    index = np.array(shown)[:, None]
    x = np.bincount(index[:, 0], minlength=10)
    expected = np.abs(x[:, None] - x[None]).sum() / (2 * 10 * x.sum())
    assert lists.gini(index, 10) == pytest.approx(expected)


def test_novelty_by_hand():
    value = lists.novelty(INDEX, np.array([8, 2, 0, 0]), num_users=8)
    np.testing.assert_allclose(value[:2], [(0 + 2) / 2, 0])
    assert np.isnan(value[2])


def test_novelty_of_an_untouched_item_is_finite_and_never_negative():
    index = np.array([[0], [1]])
    assert lists.novelty(index, np.array([0, 99]), num_users=8).tolist() == [3.0, 0.0]


def test_diversity_by_hand():
    vectors = np.array([[1.0, 0], [0, 2.0], [3.0, 0], [0, 0]])
    index = np.array([[0, 1, -1], [0, 2, -1], [0, 1, 2], [0, -1, -1], [0, 3, -1]])
    value = lists.intra_list_diversity(index, vectors)
    np.testing.assert_allclose(value[[0, 1, 2, 4]], [1, 0, 2 / 3, 1])
    assert np.isnan(value[3])


def test_diversity_equals_the_loop_over_pairs():
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((20, 5)).astype(np.float32)
    index = rng.permuted(np.tile(np.arange(20), (8, 1)), axis=1)[:, :6]
    index[3, 4:] = -1
    for row, value in zip(index, lists.intra_list_diversity(index, vectors), strict=True):
        pairs = list(itertools.combinations(row[row >= 0], 2))
        cosines = [
            vectors[a] @ vectors[b] / np.linalg.norm(vectors[a]) / np.linalg.norm(vectors[b])
            for a, b in pairs
        ]
        assert value == pytest.approx(1 - np.mean(cosines), abs=1e-6)


def test_misuse_is_named():
    with pytest.raises(UsageError, match=r"must lie in \[-1, 1\). Got -1 to 1"):
        lists.coverage(INDEX, 1)
    with pytest.raises(UsageError, match=r"'num_items' must be at least 1. Got 0"):
        lists.gini(INDEX, 0)
    with pytest.raises(UsageError, match=r"'num_users'.*Got 0"):
        lists.novelty(INDEX, np.ones(4), 0)
    with pytest.raises(UsageError, match="Got -1 to 1"):
        lists.intra_list_diversity(INDEX, np.ones((1, 3)))


LABELS = sparse.csr_matrix(np.array([[1, 0], [1, 0], [0, 1], [1, 1], [0, 0]], np.float32))


def test_label_diversity_by_hand():
    index = np.array([[0, 1, -1], [0, 2, -1], [0, 4, 2], [3, 0, -1], [3, -1, -1]])
    value = lists.label_diversity(index, LABELS)
    np.testing.assert_allclose(value[:4], [0, 1, 1, 1 - 2**-0.5], atol=1e-7)
    assert np.isnan(value[4])
    dense = lists.intra_list_diversity(index, LABELS.toarray())
    np.testing.assert_allclose(value, dense)
    np.testing.assert_allclose(lists.label_diversity(index[:, :2], LABELS)[:2], [0, 1])


def test_category_match_by_hand():
    index = np.array([[0, 2, 4], [2, 3, -1], [0, -1, -1], [-1, -1, -1]])
    wanted = sparse.csr_matrix(np.array([[2, 0], [0, 1], [0, 0], [1, 0]], np.float32))
    value = lists.category_match(index, LABELS, wanted)
    np.testing.assert_allclose(value[:2], [1 / 3, 1])
    assert np.isnan(value[2:]).all()  # nothing was wanted, and nothing was listed
