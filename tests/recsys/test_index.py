"""FAISS and exact search give the same answers; a damaged file is refused."""

import numpy as np
import pytest

from kg.errors import DataError, UsageError
from recsys.index import VectorIndex

faiss = pytest.importorskip("faiss")


def both(vectors, queries, k):
    hits = [VectorIndex(vectors, name).search(queries, k) for name in ("faiss", "exact")]
    assert VectorIndex(vectors, "auto").backend == "faiss"
    return hits


@pytest.mark.parametrize("rows", [1, 5, 40])
@pytest.mark.parametrize("k", [1, 3, 10, 150, 299, 300, 310])
def test_faiss_equals_exact_with_many_ties(rows, k):
    rng = np.random.default_rng(rows)
    vectors = rng.integers(-1, 2, (300, 3)).astype(np.float32)  # 27 different vectors
    queries = rng.integers(-1, 2, (rows, 3)).astype(np.float32)
    a, b = both(vectors, queries, k)
    np.testing.assert_array_equal(a.index, b.index)
    np.testing.assert_array_equal(a.score, b.score)
    scores = queries @ vectors.T
    for row in range(rows):
        want = sorted(range(300), key=lambda i: (-scores[row, i], i))[:k]
        assert a.index[row, : len(want)].tolist() == want


def test_faiss_equals_exact_on_real_numbers():
    rng = np.random.default_rng(0)
    vectors, queries = rng.normal(size=(500, 16)), rng.normal(size=(30, 16))
    a, b = both(vectors.astype(np.float32), queries.astype(np.float32), 20)
    np.testing.assert_array_equal(a.index, b.index)
    np.testing.assert_allclose(a.score, b.score, rtol=1e-5)


@pytest.mark.parametrize("items", [0, 1, 4])
def test_k_beyond_the_catalogue_gives_no_unknown_item(items):
    vectors = np.arange(items * 2, dtype=np.float32).reshape(items, 2)
    for hits in both(vectors, np.ones((3, 2), np.float32), 9):
        assert hits.index.shape == (3, 9)
        assert (np.sort(hits.index[:, :items]) == np.arange(items)).all()
        assert (hits.index[:, items:] == -1).all()
        assert np.isneginf(hits.score[:, items:]).all()


def test_a_k_beyond_faiss_is_answered_exactly():
    vectors = np.random.default_rng(1).normal(size=(2500, 4)).astype(np.float32)
    a, b = both(vectors, vectors[:2], 2100)
    np.testing.assert_array_equal(a.index, b.index)


def test_save_and_load_answer_alike_and_damage_is_refused(tmp_path):
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(50, 8)).astype(np.float32)
    index = VectorIndex(vectors, "faiss")
    file = tmp_path / "index.faiss"
    index.save(file)
    loaded = VectorIndex.load(file, vectors)
    assert loaded.backend == "faiss"
    a, b = index.search(vectors[:5], 7), loaded.search(vectors[:5], 7)
    np.testing.assert_array_equal(a.index, b.index)
    whole = file.read_bytes()
    for size in (0, 3, 20, 45, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"index\.faiss"):
            VectorIndex.load(file, vectors)
    file.unlink()
    with pytest.raises(DataError, match=r"index\.faiss"):
        VectorIndex.load(file, vectors)


def test_a_file_of_other_vectors_is_refused(tmp_path):
    vectors = np.eye(4, dtype=np.float32)
    VectorIndex(vectors, "faiss").save(tmp_path / "f")
    for other in (vectors[:3], vectors[:, :3]):
        with pytest.raises(DataError, match="kgintent index"):
            VectorIndex.load(tmp_path / "f", other)


def test_wrong_input_is_refused():
    with pytest.raises(DataError, match="finite"):
        VectorIndex(np.array([[np.nan, 1]], np.float32))
    with pytest.raises(DataError, match="finite"):
        VectorIndex(np.zeros(3, np.float32))
    with pytest.raises(UsageError, match="'k'"):
        VectorIndex(np.eye(2, dtype=np.float32)).search(np.eye(2, dtype=np.float32), 0)
    with pytest.raises(UsageError, match="FAISS"):
        VectorIndex(np.eye(2, dtype=np.float32), "exact").save("nowhere")


def test_an_index_that_cannot_be_written_is_an_os_error(tmp_path):
    pytest.importorskip("faiss")
    with pytest.raises(OSError, match="none") as caught:
        VectorIndex(np.eye(3, dtype=np.float32), "faiss").save(tmp_path / "none" / "x.faiss")
    assert caught.value.filename == str(tmp_path / "none" / "x.faiss")
