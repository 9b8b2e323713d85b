"""What is taken lately: its numbers, its choice, and that every answer counts it alike."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.clean import clean
from kg.events import EventLog
from kg.sequences import Sequences
from kg.storage import Dataset
from kg.testing import planted
from recsys import Recommender
from recsys.judging.ablate import masked
from recsys.partners import scorer
from recsys.partners.popular import popularity
from recsys.partners.trend import Trend, taken_lately
from recsys.training.config import RunConfig
from recsys.training.fit import fit, judge
from recsys.training.settings import TrainConfig

QUICK = RunConfig(train=TrainConfig(max_epochs=2))


def test_values_by_hand():
    items = list("aaaabbbc") + list("cc")  # the last fifth is all c
    log = EventLog.of([f"u{n}" for n in range(10)], items, time=1_600_000_000 + np.arange(10))
    log = clean(log, Catalog.of(["a", "b", "c", "new"]).ids)[0]
    want = np.log([1 / (0.2 * 4 + 1), 1 / (0.2 * 3 + 1), 3 / (0.2 * 3 + 1), 1])
    np.testing.assert_allclose(taken_lately(log, 0.2), want, rtol=1e-6)
    assert not taken_lately(log, 0.01).any()  # a hundredth of ten events is none
    assert not taken_lately(replace(log, time=None), 0.2).any()
    tied = replace(log, time=np.zeros(10, np.int64))
    np.testing.assert_allclose(taken_lately(tied, 0.2), 0, atol=1e-7)  # all are recent
    both = Trend((0.2, 0.5), (2.0, 1.0)).values(log)
    np.testing.assert_allclose(both, 2 * want + taken_lately(log, 0.5), rtol=1e-6)


def season(late: bool) -> Dataset:
    """Everybody takes anything, but in the last three tenths half of the items; or not."""
    rng = np.random.default_rng(0)
    events, items = 6000, 40
    item = rng.integers(0, items, events)
    if late:
        item[4200:] %= items // 2
    users = [f"u{n:03d}" for n in rng.integers(0, 400, events)]
    catalog = Catalog.of([f"i{n:02d}" for n in range(items)])
    log = EventLog.of(users, [f"i{n:02d}" for n in item], time=np.arange(events))
    log = clean(log, catalog.ids)[0]
    return Dataset(log, catalog, build_graph(log, catalog))


def without_trend(rec):
    return rec.beside(rec.partners.without("trend"))


@pytest.mark.parametrize("late", [True, False])
def test_a_season_is_seen_and_its_absence_too(late):
    settings = RunConfig(model={"dim": 8, "repeats": False}, train={"max_epochs": 1})
    fitted = fit(season(late), "hash", settings, hold_out="time")
    trend = fitted.recommender.partners.trend
    if not late:
        assert trend is None
        return
    assert trend is not None
    with_it = judge(fitted.recommender, fitted.split, "test").metrics["ndcg@10"]
    bare = without_trend(fitted.recommender)
    assert with_it > 1.15 * judge(bare, fitted.split, "test").metrics["ndcg@10"]


@pytest.fixture(scope="module")
def rec():
    world = planted(np.random.default_rng(1), users=40, items=30)
    graph = build_graph(world.log, world.catalog, None, world.triples)
    found = fit(Dataset(world.log, world.catalog, graph), "hash", QUICK).recommender
    return found.beside(replace(found.partners, trend=Trend((0.2,), (1.5,)), mixed=0.5))


def test_one_all_and_explain_count_it_alike(rec):
    values = rec.partners.trend.values(rec.log)
    bare = without_trend(rec)
    frame = pl.concat(rec.recommend_all(30, filter_seen=True, batch=7))
    for user in rec.log.users.ids[:5]:
        found = rec.recommend(user, k=30, filter_seen=True)
        mine = frame.filter(pl.col("user_id") == user)
        assert mine["item_id"].to_list() == [r.item for r in found]
        before = {r.item: r.score for r in bare.recommend(user, k=30, filter_seen=True)}
        for r in found:
            code = rec.log.items.encode([r.item])[0]
            assert r.score == pytest.approx(before[r.item] + values[code], abs=1e-4)
        told = rec.explain(user, item=found[0].item)
        assert sum(told.parts.values()) == pytest.approx(told.score)
        assert told.score == pytest.approx(found[0].score, abs=1e-4)
        assert told.parts["trend"] == pytest.approx(
            values[rec.log.items.encode([found[0].item])[0]], abs=1e-5
        )


def test_new_and_replaced_items(rec):
    rows = Catalog.of(["new", "i0003"], ["Purple Zither", "Another thing"])
    more = rec.with_items(rows)
    values = rec.partners.trend.values(rec.log)
    column = more.index.vectors[:, -1]
    assert column[more.items.code("new")] == 0
    assert column[more.items.code("i0003")] == values[rec.log.items.encode(["i0003"])[0]]


def test_saved_with_the_run_and_masked(rec, tmp_path):
    rec.save(tmp_path / "run")
    back = Recommender.load(tmp_path / "run")
    assert back.partners.trend == rec.partners.trend
    user = rec.log.users.ids[3]
    assert back.recommend(user, k=20) == rec.recommend(user, k=20)
    other, _ = masked(rec, None, "trend", "test", np.random.default_rng(0))
    assert other.partners.trend is None
    assert other.recommend(user, k=20) != rec.recommend(user, k=20)


def test_who_is_not_known_gets_what_is_popular_without_the_trend(rec):
    log = rec.log.take(rec.log.user > 0)
    own = Sequences.of(log)
    items = rec.items.vectors
    queries = rec.model.encode_histories(own, torch.from_numpy(items))
    rows = np.arange(3)
    told = scorer(rec.model, rec.partners, log, own, queries, items, mixed=False)(rows)
    alone = rec.partners.without("trend")
    bare = scorer(rec.model, alone, log, own, queries, items, mixed=False)(rows)
    np.testing.assert_array_equal(told[0], popularity(log, rec.partners.recent))
    np.testing.assert_allclose(
        told[1:] - bare[1:], np.tile(rec.partners.trend.values(log), (2, 1)), atol=1e-4
    )
