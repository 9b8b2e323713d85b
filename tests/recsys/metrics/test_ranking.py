"""Ranking metrics: values by hand, against ir-measures, and laws that hold for any list."""

import ir_measures
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import DataError, UsageError
from recsys.metrics import RANKING, ranking

HITS = np.array([[True, False, True, False], [False, False, False, True], [False] * 4])
RELEVANT = np.array([3, 1, 2])


def test_values_by_hand():
    log3 = np.log2(3)
    ideal = 1 + 1 / log3 + 1 / 2
    assert ranking.hit_rate(HITS, RELEVANT, 3).tolist() == [1, 0, 0]
    assert ranking.precision(HITS, RELEVANT, 4).tolist() == [0.5, 0.25, 0]
    np.testing.assert_allclose(ranking.recall(HITS, RELEVANT, 4), [2 / 3, 1, 0])
    np.testing.assert_allclose(ranking.ndcg(HITS, RELEVANT, 4), [1.5 / ideal, 1 / np.log2(5), 0])
    np.testing.assert_allclose(ranking.mrr(HITS, RELEVANT, 4), [1, 0.25, 0])
    np.testing.assert_allclose(
        ranking.average_precision(HITS, RELEVANT, 4), [(1 + 2 / 3) / 3, 0.25, 0]
    )


def test_ideal_of_ndcg_is_cut_at_k():
    hits = np.ones((1, 2), bool)
    assert ranking.ndcg(hits, np.array([5]), 2).tolist() == [1.0]
    assert ranking.average_precision(hits, np.array([5]), 2).tolist() == [0.4]  # divided by 5


@pytest.mark.parametrize("k", [1, 5, 10])
def test_equals_ir_measures(k):
    rng = np.random.default_rng(k)
    users, items, width = 40, 60, 10
    truth = rng.random((users, items)) < 0.15
    truth[np.arange(users), rng.integers(items, size=users)] = True
    order = rng.permuted(np.tile(np.arange(items), (users, 1)), axis=1)[:, :width]
    hits, relevant = np.take_along_axis(truth, order, axis=1), truth.sum(axis=1)
    qrels = [ir_measures.Qrel(str(u), str(i), 1) for u, i in np.argwhere(truth)]
    run = [
        ir_measures.ScoredDoc(str(u), str(order[u, r]), float(width - r))
        for u in range(users)
        for r in range(width)
    ]
    theirs = {
        "ndcg": ir_measures.nDCG @ k, "mrr": ir_measures.RR @ k, "precision": ir_measures.P @ k,
        "recall": ir_measures.R @ k, "map": ir_measures.AP(rel=1) @ k,
        "hr": ir_measures.Success @ k,
    }  # fmt: skip
    assert set(theirs) == set(RANKING)
    found = {(m.measure, int(m.query_id)): m.value
             for m in ir_measures.iter_calc(list(theirs.values()), qrels, run)}  # fmt: skip
    for name, measure in theirs.items():
        expected = [found[measure, user] for user in range(users)]
        np.testing.assert_allclose(RANKING[name](hits, relevant, k), expected, atol=1e-9)


@st.composite
def _lists(draw):
    width = draw(st.integers(1, 12))
    hits = np.array(draw(st.lists(st.booleans(), min_size=width, max_size=width)))[None]
    relevant = np.array([max(1, int(hits.sum()) + draw(st.integers(0, 5)))])
    return hits, relevant, draw(st.integers(1, width))


@given(_lists())
def test_every_metric_lies_between_0_and_1(case):
    for name, metric in RANKING.items():
        value = metric(*case)
        assert value.dtype == np.float64
        assert value.shape == (1,)
        assert 0 <= value[0] <= 1, name


@given(_lists(), st.data())
def test_moving_a_hit_up_never_hurts(case, data):
    hits, relevant, k = case
    ups = [r for r in range(1, hits.shape[1]) if hits[0, r] and not hits[0, r - 1]]
    if not ups:
        return
    rank = data.draw(st.sampled_from(ups))
    better = hits.copy()
    better[0, [rank - 1, rank]] = [True, False]
    for name, metric in RANKING.items():
        assert metric(better, relevant, k)[0] >= metric(hits, relevant, k)[0] - 1e-12, name


@given(st.integers(1, 10), st.integers(1, 10))
def test_a_perfect_list_has_ndcg_1(relevant, k):
    hits = np.arange(10)[None] < relevant
    assert ranking.ndcg(hits, np.array([relevant]), k)[0] == pytest.approx(1)


@pytest.mark.parametrize("name", RANKING)
def test_misuse_is_named(name):
    with pytest.raises(DataError, match=r"at least 1 relevant item. Got 0 in row 1"):
        RANKING[name](HITS, np.array([2, 0, 1]), 2)
    with pytest.raises(DataError, match="Got 2 hits and 1 relevant in row 0"):
        RANKING[name](HITS, np.array([1, 1, 1]), 2)
    for k in (0, 5):
        with pytest.raises(UsageError, match=rf"int in \[1, 4\].*Got {k} instead"):
            RANKING[name](HITS, RELEVANT, k)
    with pytest.raises(UsageError, match=r"Got \[3, 4\] and \[2\]"):
        RANKING[name](HITS, RELEVANT[:2], 2)


@pytest.mark.parametrize("name", RANKING)
def test_no_users_give_no_values(name):
    assert RANKING[name](np.zeros((0, 3), bool), np.zeros(0, np.int64), 2).shape == (0,)
