"""The index with added scores, and all scores: the same lists, by hand and at random."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import sparse

import recsys.retrieval
from recsys.index import VectorIndex
from recsys.retrieval import retrieve, score_all
from recsys.serving.items import ItemStore


def store(vectors, hidden=(), ids=None):
    n = len(vectors)
    ids = ids or tuple(f"i{code}" for code in range(n))
    none, out = np.zeros_like(vectors), np.zeros(n, bool)
    out[list(hidden)] = True
    return ItemStore(ids, ids, vectors, none, none, none, out, n, {})


def test_added_scores_by_hand():
    vectors = np.array([[3.0], [2.0], [1.0], [0.5]], np.float32)
    items, index = store(vectors, hidden=[1]), VectorIndex(vectors)
    added = sparse.csr_matrix(np.array([[0, 9, 3, 0], [-5, 0, 0, 0]], np.float32))
    queries = np.ones((2, 1), np.float32)
    hits = retrieve(index, items, queries, [np.array([3]), np.array([], np.int64)], 3, added)
    assert hits.index.tolist() == [[2, 0, -1], [2, 3, 0]]
    np.testing.assert_allclose(hits.score[0, :2], [4, 3])
    np.testing.assert_allclose(hits.score[1], [1, 0.5, -2])


def test_a_replaced_item_hands_on_what_is_added():
    vectors = np.array([[3.0], [2.0], [1.0]], np.float32)
    items = replace(store(vectors, hidden=[0], ids=("a", "b", "a")), trained=2)
    added = sparse.csr_matrix(np.array([[5, 0]], np.float32))
    found = retrieve(VectorIndex(vectors), items, np.ones((1, 1), np.float32), [np.zeros(0, int)],
                     2, added)  # fmt: skip
    assert found.index.tolist() == [[2, 1]]
    np.testing.assert_allclose(found.score, [[6, 2]])


@pytest.mark.parametrize("seed", range(5))
def test_index_and_all_scores_agree(seed, monkeypatch):
    rng = np.random.default_rng(seed)
    monkeypatch.setattr(recsys.retrieval, "DENSE", 700)  # more than one block
    vectors = rng.normal(size=(300, 4)).astype(np.float32)
    items = store(vectors, hidden=rng.choice(300, 5, replace=False))
    queries = rng.normal(size=(6, 4)).astype(np.float32)
    seen = [rng.integers(0, 300, rng.integers(0, 12)) for _ in range(6)]
    added = sparse.random(6, 300, 0.05, format="csr", dtype=np.float32, random_state=rng)
    added.data = added.data * 8 - 2
    args = (VectorIndex(vectors), items, queries, seen, 10, added)
    a, b = retrieve(*args), score_all(*args)
    np.testing.assert_array_equal(a.index, b.index)
    np.testing.assert_allclose(a.score, b.score, rtol=1e-5, atol=1e-5)
    monkeypatch.setattr(recsys.retrieval, "score_all", None)  # the index did answer
    retrieve(*args)


def test_nobody_asks():
    vectors = np.eye(3, dtype=np.float32)
    found = score_all(VectorIndex(vectors), store(vectors), np.zeros((0, 3), np.float32), [], 2)
    assert found.index.shape == (0, 2)
