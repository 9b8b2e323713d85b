"""FAISS and exact search give the same answers; a damaged file is refused."""

import copy
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)

import recsys.index
from kg.errors import DataError, UsageError
from recsys.hits import Hits
from recsys.index import Probe, VectorIndex
from recsys.index_plan import recalls

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
    np.testing.assert_allclose(a.score, b.score, rtol=1e-5, atol=1e-6)


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


def test_an_index_that_was_loaded_bounds_no_other(tmp_path):
    small, large = (np.random.default_rng(0).normal(size=(n, 8)) for n in (5, 5000))
    VectorIndex(small.astype(np.float32), "faiss").save(tmp_path / "index.faiss")
    VectorIndex.load(tmp_path / "index.faiss", small.astype(np.float32))
    index = VectorIndex(large.astype(np.float32), "faiss")
    found, want = (one.search(index.vectors[:3], 4) for one in (copy.deepcopy(index), index))
    np.testing.assert_array_equal(found.index, want.index)


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


# ---- approximate kinds -----------------------------------------------------------------------

APPROXIMATE = ("ivf", "pq", "hnsw")


def crowd(rng, rows=3000, width=10, groups=30):
    """Vectors of about one length around some centres, and queries between them."""
    centres = rng.normal(size=(groups, width))
    vectors = centres[rng.integers(0, groups, rows)] + 0.4 * rng.normal(size=(rows, width))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = centres[rng.integers(0, groups, 40)] + 0.4 * rng.normal(size=(40, width))
    return vectors.astype(np.float32), queries.astype(np.float32)


@pytest.mark.parametrize("kind", APPROXIMATE)
def test_an_approximate_index_finds_most_and_its_scores_are_exact(kind):
    vectors, queries = crowd(np.random.default_rng(0))
    index = VectorIndex(vectors, kind=kind, probe=Probe(128, 30))
    found, truth = index.search(queries, 10), index.exact(queries, 10)
    assert recalls(found, truth).mean() >= 0.98
    np.testing.assert_allclose(
        found.score, np.take_along_axis(queries @ vectors.T, found.index, 1), rtol=1e-5, atol=1e-6
    )
    little = index.probing(Probe(1, 1)).search(queries, 10)
    assert recalls(little, truth).mean() < recalls(found, truth).mean()


@pytest.mark.parametrize("kind", APPROXIMATE)
@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.6])
def test_a_filter_is_kept_to_and_gives_as_many_as_there_are(kind, share, monkeypatch):
    monkeypatch.setattr(recsys.index, "FEW", 50)
    rng = np.random.default_rng(1)
    vectors, queries = crowd(rng)
    allowed = np.zeros(len(vectors), bool)
    allowed[: int(share * len(vectors))] = True
    rng.shuffle(allowed)
    index = VectorIndex(vectors, kind=kind, probe=Probe(128, 30))
    found, truth = index.search(queries, 10, allowed), index.exact(queries, 10, allowed)
    assert allowed[found.index[found.mask]].all()
    assert (found.mask.sum(1) == min(10, allowed.sum())).all()
    assert recalls(found, truth).mean() >= 0.97


@pytest.mark.parametrize("kind", APPROXIMATE)
def test_a_search_that_meets_too_little_is_answered_exactly(kind):
    vectors, queries = crowd(np.random.default_rng(2), rows=400)
    index = VectorIndex(vectors, kind=kind, probe=Probe(1, 1))
    hits = index.search(queries, 300)
    assert hits.mask.all()
    assert all(len(set(row)) == 300 for row in hits.index.tolist())


@pytest.mark.parametrize("kind", APPROXIMATE)
def test_an_approximate_index_is_saved_with_what_came_later_left_to_the_vectors(kind, tmp_path):
    vectors, queries = crowd(np.random.default_rng(3))
    more = np.concatenate([vectors, 3 * queries])  # each query is nearest to itself now
    index = VectorIndex(vectors, kind=kind, probe=Probe(64, 10)).extended(more)
    assert index.fresh == pytest.approx(40 / 3040)
    best = index.search(queries, 1).index[:, 0]
    truth = np.argmax(queries @ more.T, axis=1)
    assert (best >= 3000).mean() > 0.8
    np.testing.assert_array_equal(best, truth)
    index.save(tmp_path / "f")
    loaded = VectorIndex.load(tmp_path / "f", more, kind, Probe(64, 10))
    assert loaded.built == 3000
    assert loaded.kind == kind
    a, b = index.search(queries, 10), loaded.search(queries, 10)
    np.testing.assert_array_equal(a.index, b.index)
    for other in {"exact", *APPROXIMATE} - {kind}:
        with pytest.raises(DataError, match="kgintent index"):
            VectorIndex.load(tmp_path / "f", more, other)


@pytest.mark.parametrize("kind", APPROXIMATE)
def test_vectors_that_have_become_others_are_found_by_what_they_are_now(kind, tmp_path):
    vectors, queries = crowd(np.random.default_rng(5))
    more = vectors.copy()
    more[:40] = 3 * queries  # each query is nearest to its own now, or to that of another
    index = VectorIndex(vectors, kind=kind, probe=Probe(1, 1)).extended(more)
    truth = np.argmax(queries @ more.T, axis=1)
    assert (truth < 40).mean() > 0.8
    assert set(range(40)) <= set(index.changed.tolist())
    assert index.fresh == pytest.approx(len(index.changed) / 3000)
    index.save(tmp_path / "f")
    loaded = VectorIndex.load(tmp_path / "f", more, kind, Probe(1, 1), index.moved)
    for one in (index, loaded, index.extended(more), index.probing(Probe(1, 1))):
        near = truth < 40
        np.testing.assert_array_equal(one.search(queries, 1).index[near, 0], truth[near])
    drift = VectorIndex(vectors, kind=kind)
    for step in range(1, 12):
        drift = drift.extended(vectors * (1 + 0.01 * step))
        assert len(drift.changed) == (0 if step < 11 else 3000)


def test_a_graph_of_uneven_vectors_is_refused_and_so_are_too_few():
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(200, 4)).astype(np.float32)
    vectors[0] *= 100
    with pytest.raises(UsageError, match="'hnsw' must have vectors of about one length"):
        VectorIndex(vectors, kind="hnsw")
    with pytest.raises(UsageError, match="at least 64"):
        VectorIndex(vectors[:10], kind="ivf")
    with pytest.raises(UsageError, match="must be of exact"):
        VectorIndex(vectors, kind="flat")
    with pytest.raises(DataError, match="extended"):
        VectorIndex(vectors, kind="ivf").extended(vectors[:100])


@pytest.mark.parametrize("kind", APPROXIMATE)
@pytest.mark.parametrize("rows", [64, 300])
def test_few_vectors_are_learned_without_a_word_of_faiss(kind, rows, capfd):
    VectorIndex(crowd(np.random.default_rng(6), rows=rows)[0], kind=kind)
    assert capfd.readouterr() == ("", "")


class Life(RuleBasedStateMachine):
    """Items come, change, are hidden and come back, in any order: what an index answers is what
    is there, best first, no item twice, none that is hidden.
    """

    kind: str

    @initialize(seed=st.integers(0, 3))
    def begin(self, seed):
        self.rng = np.random.default_rng(seed)
        self.vectors, self.queries = crowd(self.rng, rows=150, width=4, groups=6)
        probe = Probe(10_000, 60)  # everything is visited, so that nothing is missed by chance
        self.index = VectorIndex(self.vectors, kind=self.kind, probe=probe)
        self.shown = np.ones(150, bool)

    @rule(count=st.integers(1, 40))
    def add(self, count):
        new, _ = crowd(self.rng, rows=count, width=4, groups=6)
        self.vectors = np.concatenate([self.vectors, new])
        self.shown = np.concatenate([self.shown, np.ones(count, bool)])
        self.index = self.index.extended(self.vectors)

    @rule(count=st.integers(1, 20))
    def change(self, count):
        rows, (new, _) = self.rng.choice(len(self.vectors), count), crowd(self.rng, count, 4, 6)
        self.vectors = self.vectors.copy()
        self.vectors[rows] = new
        self.index = self.index.extended(self.vectors)

    @rule(share=st.floats(0, 1))
    def hide(self, share):
        self.shown[self.rng.random(len(self.shown)) < share] = False

    @rule()
    def bring_back(self):
        self.shown[:] = True

    @rule()
    def rebuild(self):
        self.index = VectorIndex(self.vectors, kind=self.kind, probe=self.index.probe)

    @rule()
    def save_and_load(self):
        with tempfile.TemporaryDirectory() as folder:
            file, old = Path(folder) / "f", self.index
            old.save(file)
            self.index = VectorIndex.load(
                file, self.vectors, self.kind, old.probe, old.moved, old.hidden
            )
        assert self.index.built == old.built

    @rule(k=st.integers(1, 30))
    def search(self, k):
        hits = self.index.search(self.queries[:5], k, self.shown)
        truth = self.index.exact(self.queries[:5], k, self.shown)
        assert self.shown[hits.index[hits.mask]].all()
        assert hits.mask.sum() == 5 * min(k, self.shown.sum())
        for row in hits.index:
            assert len(set(row[row >= 0])) == (row >= 0).sum()
        if self.kind != "pq":  # codes of half a byte may leave out what is nearly as good
            np.testing.assert_allclose(hits.score, truth.score, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["exact", *APPROXIMATE])
def test_a_life_of_changes(kind, monkeypatch):
    monkeypatch.setattr(recsys.index, "FEW", 5)
    machine = type("Life", (Life,), {"kind": kind})
    run_state_machine_as_test(
        machine, settings=settings(max_examples=12, stateful_step_count=12, deadline=None)
    )


@pytest.mark.parametrize("width", [4, 64, 128])
@pytest.mark.parametrize("rows", [64, 400, 3000, 20_000])
def test_short_codes_of_any_size_are_read_back(rows, width, tmp_path):
    """FAISS makes a table of them that is larger than the file, and bounds that as well."""
    vectors = np.random.default_rng(0).normal(size=(rows, width)).astype(np.float32)
    index = VectorIndex(vectors, kind="pq")
    index.save(tmp_path / "f")
    back = VectorIndex.load(tmp_path / "f", vectors, "pq")
    a, b = index.search(vectors[:5], 3), back.search(vectors[:5], 3)
    np.testing.assert_array_equal(a.index, b.index)


def test_a_score_near_zero_that_was_summed_in_another_order_is_found():
    truth = Hits(np.array([[0, 1, 2]]), np.array([[0.6, 0.3, 1.7240e-05]], np.float32))
    found = Hits(np.array([[0, 1, 2]]), np.array([[0.6, 0.3, 1.7225e-05]], np.float32))
    other = Hits(np.array([[0, 1, 3]]), np.array([[0.6, 0.3, -1e-3]], np.float32))
    assert recalls(found, truth).tolist() == [1.0]
    assert recalls(other, truth).tolist() == pytest.approx([2 / 3])
