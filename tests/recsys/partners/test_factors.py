"""Factors beside the model: the closed form, new items, the weights, one score everywhere."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.events import EventLog
from kg.sequences import Sequences
from kg.storage import Dataset
from recsys.baselines.ials import IALS
from recsys.judging.evaluate import evaluate_rows
from recsys.partners import scorer
from recsys.partners.factors import UNTOUCHED, FactorConfig, Factors, content_map, heard
from recsys.recommender import Recommender
from recsys.training.config import RunConfig
from recsys.training.fit import fit, judge

SMALL = FactorConfig(factor_dim=8)
KINDS = 4


def bags(users: int = 80, items: int = 40, each: int = 8, seed: int = 0) -> EventLog:
    """Everybody takes items of one kind, none twice, in an order that says nothing."""
    rng = np.random.default_rng(seed)
    own = np.stack([
        rng.choice(np.arange(user % KINDS, items, KINDS), each, replace=False)
        for user in range(users)
    ])  # fmt: skip
    user = np.repeat([f"u{n:03d}" for n in range(users)], each)
    return EventLog.of(user, [f"i{n:02d}" for n in own.ravel()])


def catalog(log: EventLog) -> Catalog:
    return Catalog.of(log.items.ids, [f"thing {key} of kind {int(key[1:]) % KINDS}"
                                      for key in log.items.ids])  # fmt: skip


def content(log: EventLog) -> np.ndarray:
    return np.eye(KINDS, dtype=np.float32)[np.arange(len(log.items)) % KINDS]


def test_scores_are_those_of_the_factorisation_in_units_of_their_spread():
    log = bags()
    found = Factors.fit(log, content(log), SMALL, seed=3)
    model = IALS.fit(log, np.random.default_rng(3), dim=8, regularisation=0.01,
                     unobserved_weight=UNTOUCHED)  # fmt: skip
    raw = model.scores(Sequences.of(log))
    expected = raw / raw.std(1, keepdims=True)
    for weight in (0.5, 3.0):
        scores = replace(found, weight=weight).scores(Sequences.of(log))
        np.testing.assert_allclose(scores, weight * expected, rtol=2e-3, atol=1e-4)


def test_nothing_known_adds_nothing():
    log = bags()
    found = Factors.fit(log, content(log), SMALL, seed=0)
    nobody = Sequences.single(np.zeros(0, np.int64), len(log.items))
    assert not found.scores(nobody).any()
    none = log.take(np.zeros(0, np.int64))
    assert Factors.fit(none, content(log), SMALL, seed=0) is None
    assert Factors.fit(log, content(log), FactorConfig(factor_dim=0), seed=0) is None


def test_new_items_have_what_goes_with_their_content():
    """Content tells the kind, and the kind decides who takes an item."""
    log = bags()
    cold = [4, 5]  # kinds 0 and 1
    known = log.take(~np.isin(log.item, cold))
    found = Factors.fit(known, content(log), SMALL, seed=0)
    assert not set(cold) & set(found.known.tolist())
    said = content_map(found.vectors, found.known, content(log))
    usual = found.vectors[found.known].mean(0)
    for code in cold:
        like = [c for c in found.known if c % KINDS == code % KINDS]
        told, apart = found.vectors[code] - usual, found.vectors[like].mean(0) - usual
        cosine = told @ apart / np.linalg.norm(told) / np.linalg.norm(apart)
        assert cosine > 0.99
        np.testing.assert_allclose(found.vectors[code], said(content(log)[[code]])[0], rtol=1e-4)
    more = np.vstack([content(log), [[0, 0, 2, 0], [0, 0, 0, 0]]]).astype(np.float32)
    grown = found.with_items(more)
    np.testing.assert_array_equal(grown.vectors[: len(log.items)], found.vectors)
    own = Sequences.of(known).take(np.arange(KINDS))  # who like kinds 0 to 3
    scores = grown.scores(own)[:, -2:]
    assert scores[:, 0].argmax() == 2
    assert not scores[:, 1].any()  # nothing is known of the last one
    assert not heard(found.vectors[:0], found.known[:0], more).any()


def test_added_later_or_there_from_the_start_an_item_has_the_same_factors():
    log = bags()
    known = log.take(~np.isin(log.item, [4, 5]))
    whole = Factors.fit(known, content(log), SMALL, seed=0)
    more = np.vstack([content(log), content(log)[[4, 5]]])
    np.testing.assert_allclose(
        whole.with_items(more).vectors[-2:], whole.vectors[[4, 5]], atol=1e-5
    )


@pytest.fixture(scope="module")
def fitted():
    log = bags(users=120)
    made = catalog(log)
    data = Dataset(log, made, build_graph(log, made))
    settings = RunConfig(
        model={"dim": 8, "layers": 1}, train={"max_epochs": 1}, neighbours={"kind": "none"},
        factors={"factor_dim": 8},
    )  # fmt: skip
    return fit(data, "hash", settings, hold_out="last")


def test_where_histories_are_bags_they_are_believed(fitted):
    rec = fitted.recommender
    assert rec.partners.factors is not None
    whole = judge(rec, fitted.split, "test").metrics["ndcg@10"]
    bare = rec.beside(rec.partners.without("factors"))
    assert whole > judge(bare, fitted.split, "test").metrics["ndcg@10"] + 0.05


def test_one_all_explain_and_a_saved_run_score_alike(fitted, tmp_path):
    rec = fitted.recommender
    rec.save(tmp_path / "run")
    frame = pl.concat(rec.recommend_all(12, batch=50))
    for user in rec.log.users.ids[:4]:
        found = rec.recommend(user, k=12)
        mine = frame.filter(pl.col("user_id") == user)
        assert mine["item_id"].to_list() == [one.item for one in found]
        scores = [one.score for one in found]
        np.testing.assert_allclose(mine["score"].to_numpy(), scores, atol=1e-4)
        told = rec.explain(user, item=found[0].item)
        assert told.parts["factors"] > 0
        assert told.score == pytest.approx(found[0].score, abs=1e-4)
        back = Recommender.load(tmp_path / "run").recommend(user, k=12)
        assert [one.item for one in back] == [one.item for one in found]
        np.testing.assert_allclose([one.score for one in back], scores, atol=1e-5)
    histories = Sequences.of(rec.log)
    queries = rec.model.encode_histories(
        histories, fitted.recommender.model.items().vector.detach(), rec.intent.serve
    )
    rows = scorer(rec.model, rec.partners, rec.log, histories, queries, rec.items.vectors,
                  mixed=False)  # fmt: skip
    report = evaluate_rows(rows, histories, fitted.split.test, ks=(10,), filter_seen=False)
    assert report.users
    first = rows(np.arange(1))[0]
    first[histories.items_of(0)] = -np.inf
    assert rec.items.ids[int(first.argmax())] == rec.recommend(rec.log.users.ids[0], k=1)[0].item


def test_a_new_and_a_replaced_item_have_factors(fitted):
    rec = fitted.recommender
    grown = rec.with_items(Catalog.of(["new"], ["thing of kind 1"]))
    assert grown.explain(rec.log.users.ids[0], item="new").parts["factors"] != 0
    grown = grown.with_items(Catalog.of(["i00"], ["thing i00 of kind 0 again"]))
    before = rec.explain("u000", item="i00").parts["factors"]
    assert grown.explain("u000", item="i00").parts["factors"] == pytest.approx(before, abs=1e-5)
