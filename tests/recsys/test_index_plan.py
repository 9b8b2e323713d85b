"""The index that is chosen, tuned on what people ask, audited, and made anew beside the work."""

import json
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

import recsys.index
import recsys.index_plan
import recsys.store
from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.errors import DataError, UsageError
from kg.storage import Dataset
from kg.testing import planted
from recsys import Recommender
from recsys.hits import Hits
from recsys.index import VectorIndex
from recsys.index_audit import audit_index, save_curve
from recsys.index_plan import IndexConfig, chosen_kind, planned_index, recalls
from recsys.reindex import adopting, reindexed, reindexing, worn
from recsys.training.config import RunConfig
from recsys.training.fit import fit
from recsys.training.settings import TrainConfig

pytest.importorskip("faiss")


@pytest.fixture(scope="module")
def rec():
    world = planted(np.random.default_rng(1), users=60, items=300, events=8)
    data = Dataset(world.log, world.catalog, build_graph(world.log, world.catalog))
    return fit(data, "hash", RunConfig(train=TrainConfig(max_epochs=1))).recommender


@pytest.mark.parametrize(
    ("count", "width", "config", "kind"),
    [
        (100_000, 128, IndexConfig(), "exact"),
        (1_000_000, 16, IndexConfig(), "exact"),
        (1_000_000, 128, IndexConfig(), "ivf"),
        (20_000_000, 128, IndexConfig(), "pq"),
        (300_000, 128, IndexConfig(changing=0.5), "exact"),
        (1_000_000, 128, IndexConfig(kind="hnsw"), "hnsw"),
        (1_000_000, 128, IndexConfig(kind="exact"), "exact"),
    ],
)
def test_the_kind_goes_by_size_width_and_change(count, width, config, kind):
    found, reason = chosen_kind(count, width, config)
    assert found == kind
    assert reason


def test_a_setting_out_of_range_is_refused():
    for told in ({"recall": 0}, {"recall": 1.1}, {"k": 0}, {"changing": 2}, {"kind": "tree"}):
        with pytest.raises(ValidationError):
            IndexConfig(**told)


def test_recall_counts_what_is_as_good_and_nothing_asked_is_all_found():
    truth = Hits(np.array([[0, 1], [2, -1], [-1, -1]]),
                 np.array([[2, 1], [3, -np.inf], [-np.inf, -np.inf]], np.float32))  # fmt: skip
    found = Hits(np.array([[0, 9], [5, -1], [-1, -1]]),
                 np.array([[2, 1], [1, -np.inf], [-np.inf, -np.inf]], np.float32))  # fmt: skip
    assert recalls(found, truth).tolist() == [1, 0, 1]


def test_without_faiss_what_chooses_itself_compares_all(monkeypatch):
    def gone():
        raise ImportError("faiss")

    monkeypatch.setattr(recsys.index_plan, "EXACT", 1000)
    monkeypatch.setattr(recsys.index, "_library", gone)
    index, choice = planned_index(*worlds())
    assert index.kind == choice.kind == "exact"
    assert "FAISS is not installed" in choice.reason
    with pytest.raises(UsageError, match="pip install faiss-cpu"):
        planned_index(*worlds(), IndexConfig(kind="ivf"))


def worlds(seed=0, rows=4000, width=12):
    rng = np.random.default_rng(seed)
    centres = 2 * rng.normal(size=(50, width))
    at = rng.integers(0, 50, rows)
    vectors = (centres[at] + rng.normal(size=(rows, width))).astype(np.float32)
    pairs = vectors[rng.integers(0, rows, (200, 2))].mean(axis=1)
    return vectors, pairs + 0.1 * rng.normal(size=pairs.shape).astype(np.float32)


@pytest.mark.parametrize("recall", [0.8, 0.99])
def test_it_is_tuned_to_the_recall_that_was_asked_for_on_other_queries_too(recall):
    vectors, queries = worlds()
    index, choice = planned_index(vectors, queries[:150], IndexConfig(kind="ivf", recall=recall))
    assert index.kind == choice.kind == "ivf"
    assert choice.tried[-1].recall >= recall
    assert all(one.recall - 1.64 * one.error < recall for one in choice.tried[:-1])
    rest = queries[150:]
    assert recalls(index.search(rest, 10), index.exact(rest, 10)).mean() >= recall - 0.02
    assert "A query visits" in choice.told(IndexConfig())


def test_where_no_effort_is_enough_all_are_compared(monkeypatch):
    monkeypatch.setattr(recsys.index_plan, "EFFORTS", (1,))
    vectors, queries = worlds()
    index, choice = planned_index(vectors, queries, IndexConfig(kind="ivf"))
    assert index.kind == choice.kind == "exact"
    assert "were the most that ivf found" in choice.reason
    index, choice = planned_index(vectors, queries[:0], IndexConfig(kind="ivf"))
    assert index.kind == "exact"
    assert "nobody has asked" in choice.reason


def lists(rec, k=5):
    return [[r.item for r in rec.recommend(user, k=k)] for user in rec.log.users.ids[:10]]


def test_a_recommender_with_lists_answers_as_before_and_comes_back_from_disk(rec, tmp_path):
    other, choice = reindexed(rec, IndexConfig(kind="ivf"))
    assert choice.kind == "ivf"
    same = np.mean([len(set(a) & set(b)) / 5
                    for a, b in zip(lists(rec), lists(other), strict=True)])  # fmt: skip
    assert same > 0.95
    other.save(tmp_path / "run")
    again = Recommender.load(tmp_path / "run")
    assert again.index.kind == "ivf"
    assert again.index.probe == other.index.probe
    assert lists(again) == lists(other)


def test_items_come_and_go_without_a_new_index_until_it_is_worn(rec):
    other, _ = reindexed(rec, IndexConfig(kind="ivf"))
    assert worn(rec) == worn(other) == 0
    gone = rec.recommend("u00003", k=3)
    less = other.without_items([r.item for r in gone])
    assert not {r.item for r in gone} & {r.item for r in less.recommend("u00003", k=10)}
    assert less.index is other.index
    one = rec.catalog.titles[rec.items.code(gone[0].item)]
    more = less.with_items(Catalog.of([f"n{n}" for n in range(80)], [one] * 80))
    assert more.index.built == 300
    assert len(more.index) == 380
    assert worn(more) == pytest.approx(80 / 380 + 3 / 300)
    assert {r.item for r in more.recommend("u00003", k=300)} >= {f"n{n}" for n in range(80)}
    fresh, _ = reindexed(more, IndexConfig(kind="ivf"))
    assert worn(fresh) == 0


def test_what_was_hidden_when_it_was_made_wears_no_index(rec, tmp_path, monkeypatch):
    sold = {f"i{n:04d}": False for n in range(1, 121)}
    other, _ = reindexed(rec, IndexConfig(kind="ivf"))
    out = other.with_stock(sold)
    assert worn(out) == pytest.approx(120 / 300)
    fresh, _ = reindexed(out, IndexConfig(kind="ivf"))
    assert worn(fresh) == 0
    assert worn(fresh.with_stock({"i0200": False})) == pytest.approx(1 / 300)
    fresh.save(tmp_path / "run")
    back = Recommender.load(tmp_path / "run").with_stock(dict.fromkeys(sold, True))
    assert worn(back) == 0
    assert back.index.built == 300  # FAISS has read those that were sold out, too
    assert lists(back) == lists(other)
    assert worn(back.with_stock(sold)) == 0
    later = reindexing(out, IndexConfig(kind="ivf")).result(timeout=60)
    assert worn(adopting(out.without_items(["i0200"]), later)) == pytest.approx(1 / 300)
    tensors = recsys.store._tensors
    monkeypatch.setattr(
        recsys.store, "_tensors",
        lambda rec: {name: x for name, x in tensors(rec).items() if name != "index/hidden"},
    )  # fmt: skip
    fresh.save(tmp_path / "before")  # as the version before did
    assert worn(Recommender.load(tmp_path / "before")) == pytest.approx(120 / 300)


def test_an_index_is_made_beside_the_work_and_taken_over(rec):
    later = reindexing(rec, IndexConfig(kind="ivf"))
    more = rec.with_items(Catalog.of(["n1"], ["Something new"])).without_items(["i0001"])
    index = later.result(timeout=60)
    found = adopting(more, index)
    assert found.index.kind == "ivf"
    assert len(found.index) == 301
    items = {r.item for r in found.recommend("u00003", k=301)}
    assert "n1" in items
    assert "i0001" not in items


def test_an_audit_tells_recall_times_room_and_what_it_costs(rec, tmp_path):
    exact = audit_index(rec, sample=30)
    assert (exact.recall, exact.kind, exact.curve) == (1, "exact", ())
    assert exact.ndcg == exact.ndcg_exact > 0
    found = audit_index(reindexed(rec, IndexConfig(kind="ivf"))[0], sample=30)
    assert 0.9 <= found.recall <= 1
    assert found.queries == 30
    assert abs(found.ndcg - found.ndcg_exact) < 0.05
    assert found.faiss_bytes < found.vector_bytes
    shares = [one.recall for one in found.curve]
    assert shares[-1] == 1
    assert shares == sorted(shares)
    json.dumps(found.as_dict())
    with pytest.raises(UsageError, match="no curve"):
        save_curve(exact, tmp_path / "a.svg")
    with pytest.raises(UsageError, match=r"\.svg"):
        save_curve(found, tmp_path / "a.pdf")
    pytest.importorskip("matplotlib")
    save_curve(found, tmp_path / "a.svg")
    assert "<svg" in (tmp_path / "a.svg").read_text(encoding="utf-8")


def test_an_audit_sees_a_bad_index(rec):
    bad = replace(
        rec, index=VectorIndex(rec.index.vectors, kind="ivf", probe=recsys.index.Probe(1))
    )
    assert audit_index(bad, sample=30, curve=False).recall < 0.9


def test_mistakes_of_an_audit_are_told(rec):
    with pytest.raises(UsageError, match="'sample'"):
        audit_index(rec, sample=0)
    nobody = replace(rec, histories=rec.histories.take(np.zeros(0, np.int64)))
    with pytest.raises(DataError, match="nobody here has a history"):
        audit_index(nobody)
