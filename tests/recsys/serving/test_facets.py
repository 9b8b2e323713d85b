"""Filters: what is allowed by facts, numbers and ids, and that every answer keeps to it."""

import warnings
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.clean import clean
from kg.errors import UsageError
from kg.events import EventLog
from kg.storage import Dataset, load_dataset, save_dataset
from recsys import Recommender
from recsys.serving.answers import FewerItems
from recsys.serving.diversity import Spread
from recsys.serving.facets import Facets
from recsys.training.config import RunConfig
from recsys.training.fit import fit
from recsys.training.settings import TrainConfig

BRANDS = ["Acme", "Zeta", "茶馆"]
KINDS = ["Home > Kitchen", "Home > Bath", "Garden"]


@pytest.fixture(scope="module")
def rec(tmp_path_factory):
    """30 items read from a table with a brand, a path, a price and two without one."""
    rng = np.random.default_rng(0)
    file = tmp_path_factory.mktemp("shop") / "items.csv"
    pl.DataFrame({
        "sku": [f"i{n:02d}" for n in range(30)], "title": [f"Thing {n}" for n in range(30)],
        "brand": [BRANDS[n % 3] for n in range(30)],
        "category": [KINDS[n // 10] for n in range(30)],
        "price": [f"{n}.5" if n < 28 else "" for n in range(30)],
    }).write_csv(file)  # fmt: skip
    catalog = Catalog.read(file)
    users = np.repeat(np.arange(20), 6)
    items = [f"i{rng.integers(0, 30):02d}" for _ in users]
    log = EventLog.of([f"u{u}" for u in users], items, time=np.arange(len(users)) * 9000)
    log = clean(log, catalog.ids)[0]
    data = Dataset(log, catalog, build_graph(log, catalog))
    config = RunConfig(train=TrainConfig(max_epochs=1))
    return fit(data, "hash", config).recommender


def allowed(rec, **asked):
    return [rec.items.ids[code] for code in np.flatnonzero(rec.facets.allowed(**asked))]


def number(key):
    return int(key[1:])


def test_nothing_asked_allows_all(rec):
    assert rec.facets.allowed() is None


def test_facts_by_any_spelling_and_several_values(rec):
    assert {number(i) % 3 for i in allowed(rec, where={"brand": "acme"})} == {0}
    assert len(allowed(rec, where={"brand": ["ACME", "茶馆"]})) == 20
    assert len(allowed(rec, where={"category": "home"})) == 20  # all below it
    assert len(allowed(rec, where={"category": "Home > Bath"})) == 10
    assert len(allowed(rec, where={"category": "Home", "brand": "Zeta"})) == 7


def test_numbers_in_a_range_leave_out_what_has_none(rec):
    assert allowed(rec, where={"price": (3, 5.5)}) == ["i03", "i04", "i05"]
    assert len(allowed(rec, where={"price": (None, 9)})) == 9
    assert len(allowed(rec, where={"price": (20, None)})) == 8


def test_ids(rec):
    assert allowed(rec, only=["i03", "i01"]) == ["i01", "i03"]
    assert len(allowed(rec, without=["i03"])) == 29
    assert allowed(rec, only=["i03", "i01"], without=["i01"]) == ["i03"]
    assert allowed(rec, only=[]) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"where": {"brnd": "Acme"}}, "Did you mean 'brand'"),
        ({"where": {"brand": "Acne"}}, "No item of this run has brand 'Acne'. Did you mean 'Acme'"),
        ({"where": {"category": (1, 2)}}, "columns of numbers: price. Got 'category'"),
        ({"where": {"price": (5, 1)}}, "must not be empty. Got 5 to 1"),
        ({"where": {"brand": []}}, "at least one value"),
        ({"where": {}}, "must be a mapping"),
        ({"where": "brand"}, "must be a mapping"),
        ({"only": "i03"}, "not one string"),
        ({"without": ["i99"]}, "'i99' is not known"),
    ],
)
def test_mistakes_are_told(rec, asked, said):
    with pytest.raises(UsageError, match=said.replace("(", r"\(")):
        rec.recommend("u1", **asked)


@pytest.mark.parametrize("who", [{"user": "u1"}, {"history": []}, {"history": ["i01", "i02"]}])
def test_every_answer_is_allowed_and_all_that_are_come(rec, who):
    found = rec.recommend(**who, k=5, where={"brand": "Acme"}, filter_seen=False)
    assert len(found) == 5
    assert all(number(r.item) % 3 == 0 for r in found)
    with pytest.warns(FewerItems, match="10 of the 20 items asked for"):
        found = rec.recommend(**who, k=20, where={"brand": "Acme"}, filter_seen=False)
    assert {r.item for r in found} == set(allowed(rec, where={"brand": "Acme"}))


def test_the_order_is_that_of_the_whole_list(rec):
    whole = [r.item for r in rec.recommend("u1", k=30, filter_seen=False)]
    some = [r.item for r in rec.recommend("u1", k=9, where={"brand": "Zeta"}, filter_seen=False)]
    assert some == [key for key in whole if number(key) % 3 == 1][:9]


def test_all_people_and_similar_items_keep_to_it_too(rec):
    frame = pl.concat(rec.recommend_all(4, where={"price": (None, 12)}))
    assert set(frame["item_id"]) <= {f"i{n:02d}" for n in range(12)}
    found = rec.similar("i00", k=4, where={"brand": "Acme"}, without=["i03"])
    assert all(number(r.item) % 3 == 0 and r.item not in ("i00", "i03") for r in found)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rec.similar("i00", k=4)


def test_with_a_wish_for_an_intent_both_hold(rec):
    found = rec.recommend("u1", k=3, avoid="Garden", where={"brand": "Acme"}, filter_seen=False)
    assert len(found) == 3
    assert all(number(r.item) % 3 == 0 and number(r.item) < 20 for r in found)


def test_added_items_are_found_by_what_they_were_added_with(rec, tmp_path):
    new = Catalog.of(["n1"], ["New"], None, {"brand": [["Neu"]]}, numbers={"price": [7.0]})
    more = rec.with_items(new)
    assert [r.item for r in more.recommend("u1", k=1, where={"brand": "neu"})] == ["n1"]
    assert "n1" in allowed(more, where={"price": (7, 7)})
    more.save(tmp_path / "run")
    again = Recommender.load(tmp_path / "run")
    assert allowed(again, where={"brand": "Neu"}) == ["n1"]
    assert allowed(again, where={"price": (6, 7)}) == allowed(more, where={"price": (6, 7)})
    replaced = rec.with_items(Catalog.of(["i00"], ["Thing"], None, {"brand": [["Zeta"]]}))
    assert "i00" not in allowed(replaced, where={"brand": "Acme"})  # its old row says nothing
    assert [replaced.items.ids[c] for c in np.flatnonzero(
        replaced.facets.allowed({"brand": "Zeta"}))].count("i00") == 1  # fmt: skip


def test_stock_comes_and_goes_and_removal_stays(rec, tmp_path):
    best = rec.recommend("u1", k=1)[0].item
    out = rec.with_stock({best: False})
    assert best not in {r.item for r in out.recommend("u1", k=30)}
    out.save(tmp_path / "run")
    back = Recommender.load(tmp_path / "run").with_stock({best: True})
    assert back.recommend("u1", k=1)[0].item == best
    rec.carried  # noqa: B018 (is made)
    assert rec.with_stock({best: False}).carried is rec.carried  # not made anew
    gone = out.without_items([best])
    with pytest.raises(UsageError, match="was removed"):
        gone.with_stock({best: True})


@pytest.mark.parametrize(
    ("said", "there"),
    [("no", False), ("0", False), ("false", False), (0, False), (np.bool_(0), False),
     ("缺货", False), ("yes", True), (" Yes", True), ("3", True), (2.0, True), (True, True)],
)  # fmt: skip
def test_stock_is_told_in_the_words_of_tables_too(rec, said, there):
    best = rec.recommend("u1", k=1)[0].item
    assert (rec.with_stock({best: said}).recommend("u1", k=1)[0].item == best) is there


@pytest.mark.parametrize("said", [None, float("nan"), "maybe", [False]])
def test_what_says_nothing_of_the_stock_is_refused(rec, said):
    with pytest.raises(UsageError, match=r"must be True or False, yes, no or a number.*'i00'"):
        rec.with_stock({"i00": said})
    with pytest.raises(UsageError, match=r"a mapping of ids to True or False. Got a list"):
        rec.with_stock(["i00"])


@pytest.mark.parametrize("title", ["the same", "Another name"])
def test_a_feed_that_tells_an_item_again_does_not_put_it_in_stock(rec, tmp_path, title):
    best = rec.recommend("u1", k=1)[0].item
    same = rec.catalog.titles[rec.catalog.ids.ids.index(best)]
    new = Catalog.of([best], [same if title == "the same" else title], None, {"brand": [["Acme"]]})
    out = rec.with_stock({best: False}).with_items(new)
    assert best not in {r.item for r in out.recommend("u1", k=30)}
    assert out.items.living.sum() == len(rec.items)  # it is there, and out of stock
    out.save(tmp_path / "run")
    back = Recommender.load(tmp_path / "run").with_stock({best: True})
    assert best in {r.item for r in back.recommend("u1", k=30)}
    gone = rec.without_items([best]).with_items(new)
    assert best in {r.item for r in gone.recommend("u1", k=30)}


def test_numbers_travel_with_the_data(rec, tmp_path):
    data = Dataset(rec.log, rec.catalog, rec.model.graph.facts())
    save_dataset(tmp_path / "d", data, {})
    np.testing.assert_array_equal(
        load_dataset(tmp_path / "d").catalog.numbers["price"], rec.catalog.numbers["price"]
    )


# ---- diversity and caps ----------------------------------------------------------------------


def test_caps_hold_and_take_the_best_that_fit(rec):
    whole = [r.item for r in rec.recommend("u1", k=30, filter_seen=False)]
    found = [r.item for r in rec.recommend("u1", k=6, at_most={"brand": 2}, filter_seen=False)]
    assert sorted(number(key) % 3 for key in found) == [0, 0, 1, 1, 2, 2]
    for rest in range(3):
        assert [k for k in found if number(k) % 3 == rest] == [
            k for k in whole if number(k) % 3 == rest
        ][:2]
    both = rec.recommend("u1", k=30, at_most={"brand": 9, "category": 1}, filter_seen=False)
    assert len(both) == 3


def test_caps_look_as_far_as_it_takes(rec, monkeypatch):
    asked = {"k": 9, "at_most": {"brand": 3}, "filter_seen": False}
    whole = [r.item for r in rec.recommend("u1", **asked)]
    assert len(whole) == 9
    monkeypatch.setattr(Spread, "pool", lambda self, k: 4)  # in earnest at least a hundred
    assert [r.item for r in rec.recommend("u1", **asked)] == whole
    ranked = []
    find = Recommender._ranked
    monkeypatch.setattr(
        Recommender, "_ranked", lambda self, *told: ranked.append(told[2]) or find(self, *told)
    )
    with pytest.warns(FewerItems, match="9 of the 10 .* no more fit with at most 3 of one brand"):
        assert len(rec.recommend("u1", **asked | {"k": 10})) == 9
    assert ranked == [4, 40]  # and no further: three brands hold nine items
    two = {"k": 5, "at_most": {"brand": 1}, "filter_seen": False}
    assert len(rec.recommend("u1", **two)) == 3


def test_a_short_list_is_told_whatever_left_the_others_out(rec):
    every = ["Home", "Garden"]
    with pytest.warns(FewerItems, match="0 of the 5 .* without the intents to avoid"):
        assert rec.recommend("u1", k=5, avoid=every) == []
    with pytest.warns(FewerItems, match="of the 30 .* items met before are left out"):
        assert rec.recommend("u1", k=30, filter_seen=True)
    with pytest.warns(FewerItems, match="20 of the 20 lists hold fewer than the 3 items"):
        list(rec.recommend_all(3, only=["i01", "i02"], filter_seen=False))
    with pytest.warns(FewerItems, match="20 of the 20 lists hold fewer than the 5"):
        list(rec.recommend_all(5, avoid=every))
    with pytest.warns(FewerItems, match="0 of the 5 .* none that may be shown"):
        assert rec.without_items(rec.items.ids).recommend("u1", k=5) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(rec.recommend("u1", k=100, filter_seen=False)) == 30  # there are no more
        list(rec.recommend_all(2, only=["i01", "i02"], filter_seen=False))
        list(rec.recommend_all(100, diversity=0.3, users=["u1"]))
        rec.recommend(history=[], k=100, filter_seen=True)


def test_diversity_takes_what_is_unlike_what_stands_above(rec):
    def likeness(d):
        codes = [rec.items.code(r.item) for r in rec.recommend("u1", k=6, diversity=d)]
        unit = rec.items.vectors[codes]
        unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
        return (unit @ unit.T)[np.triu_indices(6, 1)].mean()

    plain = [r.item for r in rec.recommend("u1", k=6)]
    assert plain[0] == rec.recommend("u1", k=6, diversity=0.7)[0].item
    assert likeness(0.9) < likeness(0.0)


@pytest.mark.parametrize(
    "asked",
    [
        {"diversity": 2}, {"diversity": True}, {"diversity": "much"}, {"at_most": {"brand": 0}},
        {"at_most": ["brand"]}, {"at_most": {"colour": 1}},
        {"diversity": 0.5, "intent_quota": "auto"},
    ],
)  # fmt: skip
def test_mistakes_of_diversity_are_told(rec, asked):
    with pytest.raises(UsageError):
        rec.recommend("u1", **asked)


def test_facets_of_no_facts_say_so(rec):
    bare = replace(rec.model.graph, edges={}, events=frozenset())
    none = Facets(bare, replace(rec.items, numbers={}))
    with pytest.raises(UsageError, match=r"Got 'brand' instead. Which cells keep a column"):
        rec.facets.allowed(where={"brand": (1, 2)})
    with pytest.raises(UsageError, match="there are none"):
        none.allowed({"brand": "Acme"})
