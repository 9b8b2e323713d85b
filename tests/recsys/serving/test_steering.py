"""Steered lists: only what was wished for, in the person's own order, and mixes by turns."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.clean import clean
from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.intents.taxonomy import Intent, Taxonomy
from kg.storage import Dataset
from kg.testing import planted
from recsys import Recommender
from recsys.intent.carried import Carried, _by_categories, _by_text
from recsys.judging.steering import steering_report
from recsys.serving.answers import Recommendation, intent_mix
from recsys.serving.nearness import near_members
from recsys.serving.quota import likely_shares, shared_out, turns
from recsys.serving.steering import near_texts
from recsys.training.config import RunConfig
from recsys.training.fit import fit
from recsys.training.settings import TrainConfig

QUICK = RunConfig(train=TrainConfig(max_epochs=1))
USER = "u00003"


@pytest.fixture(scope="module")
def fitted():
    """120 items, 20 of each of 6 categories; each person has met 8 of them at most."""
    world = planted(np.random.default_rng(1), users=40, items=120, events=8)
    data = Dataset(world.log, world.catalog, build_graph(world.log, world.catalog))
    return fit(data, "hash", QUICK, hold_out="last")


@pytest.fixture(scope="module")
def rec(fitted):
    return fitted.recommender


@pytest.fixture(scope="module")
def shop():
    """A Chinese shop with a taxonomy: music is a part of leisure, and nobody sells cars."""
    kinds = ["乐器"] * 4 + ["唱片"] * 2 + ["茶叶"] * 6 + ["服饰"] * 2
    titles = ["吉他", "小提琴", "钢琴", "二胡", "爵士唱片", "民谣唱片", "龙井茶", "普洱茶", "红茶",
              "绿茶", "白茶", "花茶", "棉袜", "毛衣"]  # fmt: skip
    ids = [f"i{n:02d}" for n in range(len(kinds))]
    catalog = Catalog.of(ids, titles, None, {"category": [[kind] for kind in kinds]})
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(12), 4)
    items = [ids[6 * (user % 2) + int(rng.integers(0, 6))] for user in users]
    log = clean(EventLog.of([f"u{u}" for u in users], items, time=np.arange(48)), catalog.ids)[0]
    mine = Taxonomy((
        Intent("leisure", {"zh": "休闲", "en": "Leisure"}),
        Intent("music", {"zh": "音乐", "en": "Music"}, categories=("乐器", "唱片"),
               parent="leisure"),
        Intent("food", {"zh": "美食", "en": "Food"}, categories=("茶叶",)),
        Intent("cars", {"zh": "汽车", "en": "Cars"}, categories=("汽车",)),
    ))  # fmt: skip
    data = Dataset(log, catalog, build_graph(log, catalog))
    return fit(data, "ngram", QUICK, taxonomy=mine).recommender


def names(found):
    return [r.item for r in found]


def kind_of(rec, item):
    return rec.catalog.attribute("category").of_row(rec.items.code(item))[0]


def one_item(key, title, category=None, name="category"):
    return Catalog.of([key], [title], None, {name: [[category]]} if category else None)


# ---- one intent --------------------------------------------------------------------------


@pytest.mark.parametrize("who", [{"user": USER}, {"history": ["i0004", "i0011"]}, {"history": []}])
def test_only_what_carries_the_intent_in_the_order_of_the_unsteered_list(rec, who):
    whole = rec.recommend(**who, k=1000)
    for intent in rec.carried.names:
        wanted = [r for r in whole if kind_of(rec, r.item) == intent]
        for k in (1, 5, len(wanted)):
            assert rec.recommend(**who, k=k, intent=intent) == wanted[:k]
            assert rec.recommend(**who, k=k, intent=intent.upper()) == wanted[:k]
    assert all(r.intents == (kind_of(rec, r.item),) for r in whole)


def test_several_intents_mean_any_of_them(rec):
    whole = rec.recommend(USER, k=1000)
    wanted = [r for r in whole if set(r.intents) & {"music", "garden"}]
    assert rec.recommend(USER, k=10, intent=["music", "garden"]) == wanted[:10]


def test_what_is_missing_is_near_by_text(rec):
    found = rec.recommend(USER, k=60, intent="music")
    carriers = [r for r in found if "music" in r.intents]
    assert found[: len(carriers)] == carriers
    assert len(names(found)) == len(set(names(found))) == 60
    near = near_members(rec.items.text, rec.carried.members([rec.carried.find("music")]))
    rest = [near[rec.items.code(r.item)] for r in found[len(carriers) :]]
    assert rest == sorted(rest, reverse=True)
    mix = intent_mix(found)
    assert mix["music"] == len(carriers) / 60


def test_seen_removed_and_avoided_items_stay_away(rec):
    seen = {rec.items.ids[code] for code in rec.history(USER)}
    gone = [r.item for r in rec.recommend(USER, k=3, intent="music")]
    rest = rec.without_items(gone)
    for wish in (
        {"intent": "music"}, {"intent": "a red guitar"}, {"intent_quota": {"music": 0.5}},
        {"intent_quota": "auto"}, {"avoid": "kitchen"},
    ):  # fmt: skip
        wish = {"avoid": ["office"], **wish}
        no = set(np.atleast_1d(wish["avoid"]))
        found = rest.recommend(USER, k=1000, **wish)
        assert len(set(names(found))) == len(found)
        assert not (seen | set(gone)) & set(names(found))
        assert not no & {name for r in found for name in r.intents}
        again = rest.recommend(USER, k=1000, filter_seen=False, **wish)
        assert set(names(again)) == set(names(found)) | {
            i for i in seen if kind_of(rec, i) not in no
        }


def test_avoid_leaves_the_order_of_the_rest(rec):
    whole = rec.recommend(USER, k=1000)
    found = rec.recommend(USER, k=1000, avoid=["music", "OFFICE"])
    assert found == [r for r in whole if not set(r.intents) & {"music", "office"}]
    assert rec.recommend(USER, k=5, avoid=[]) == rec.recommend(USER, k=5)


# ---- free words --------------------------------------------------------------------------


def test_free_words_give_what_they_say(rec):
    found = rec.recommend(USER, k=5, intent="guitar drum violin flute for music")
    assert [r.intents for r in found] == [("music",)] * 5
    near = names(rec.similar(text="guitar drum violin flute for music", k=100))
    other = rec.recommend(history=["i0000"], k=5, intent="guitar drum violin flute for music")
    assert set(names(found)) | set(names(other)) <= set(near[:24])  # seen ones aside


def test_free_words_by_hand():
    near = np.array([0.9, 0.8, 0.1, -np.inf, 0.7], np.float32)
    scores = np.array([1, 3, 9, 9, -np.inf], np.float32)
    assert near_texts(scores, near, 1) == [0]  # of so few items, the nearest k and no more
    assert near_texts(scores, near, 5) == [1, 2, 0]  # z: .84 - .98, .56 - .39, -1.40 + 1.37
    assert near_texts(scores, np.full(5, -np.inf, np.float32), 2) == []


# ---- shares ------------------------------------------------------------------------------


def test_turns_by_hand():
    assert turns([1.0], 3) == [0, 0, 0]
    assert turns([0.5, 0.5, 0.0], 4) == [0, 1, 0, 1]
    assert turns([0.6, 0.2, 0.2], 5).count(0) == 3


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=6).filter(lambda x: sum(x) > 0.1),
    st.integers(1, 60),
)
def test_every_prefix_is_within_one_place_of_its_shares(weights, n):
    shares = np.array(weights) / sum(weights)
    taken = np.eye(len(shares))[turns(shares.tolist(), n)].cumsum(0)
    assert np.abs(taken - shares * np.arange(1, n + 1)[:, None]).max() < 1 + 1e-6


def carrying(*rows):
    """Intents x and y of items by rows such as "xy"."""
    item = sparse.csr_matrix([[name in row for name in "xy"] for row in rows], dtype=np.float32)
    return Carried(("x", "y"), ("x", "y"), {"x": 0, "y": 1}, item)


def test_shared_out_by_hand():
    carried = carrying("x", "x", "y", "xy", "", "y")
    scores = np.array([9, 8, 7, 6, 5, -np.inf], np.float32)
    assert shared_out(scores, carried, {0: 0.5, 1: 0.5}, 4) == [0, 2, 1, 3]
    assert shared_out(scores, carried, {1: 0.5}, 4) == [2, 0, 3, 1]
    assert shared_out(scores, carried, {1: 1.0}, 4) == [2, 3, 0, 1]  # no carrier left: free
    assert shared_out(scores, carried, {}, 9) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("quota", [{"music": 0.5, "kitchen": 0.3}, {"music": 5, "garden": 3}])
def test_a_quota_is_met_in_every_prefix(rec, quota):
    found = rec.recommend(USER, k=10, intent_quota=quota)
    assert len(set(names(found))) == 10
    for name, value in quota.items():
        share = value if isinstance(value, float) else value / 10
        having = np.cumsum([name in r.intents for r in found])
        assert having[-1] >= round(share * 10)
        assert (having > share * np.arange(1, 11) - 1).all()
        own = [r.score for r in found if name in r.intents]
        assert own == sorted(own, reverse=True)


def test_auto_gives_likely_intents_their_shares(rec):
    for p, expected in (
        ([0.1, 0.9, 0.6], [(1, 0.6), (2, 0.4)]),
        ([0.01, 0.06, 0.02], [(1, 0.06), (2, 0.02)]),  # hardly any is wanted: the rest is free
        ([0.0, 0.0, 0.0], []),
    ):
        found = list(likely_shares(np.array(p, np.float32), 2).items())
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    told = rec.intents(USER)
    total = sum(intent.probability for intent in told)
    mix = intent_mix(rec.recommend(USER, k=20, intent_quota="auto"))
    for intent in told:
        assert abs(mix.get(intent.name, 0) - intent.probability / total) < 1 / 20 + 1e-6
    lead = told[0].name
    rest = rec.recommend(USER, k=20, intent_quota="auto", avoid=lead)
    assert lead not in intent_mix(rest)
    assert len(rest) == 20
    assert rec.recommend(history=[], k=5, intent_quota="auto") == rec.recommend(history=[], k=5)


# ---- added items and taxonomies ----------------------------------------------------------


def test_an_added_item_is_steered_to(rec, tmp_path):
    more = rec.with_items(one_item("zither", "Purple Zither", "MUSIC"))
    assert "zither" in names(more.recommend(USER, k=21, intent="music"))
    assert "zither" not in names(more.recommend(USER, k=1000, avoid="music"))
    more.save(tmp_path / "run")
    back = Recommender.load(tmp_path / "run")
    wish = {"user": USER, "k": 30, "intent": "music"}
    assert back.recommend(**wish) == more.recommend(**wish)
    said = rec.with_items(one_item("odd", "violin flute guitar for music"))
    assert said.carried.of_item(said.items.code("odd")) == ("music",)  # its text says so
    void = rec.with_items(one_item("void", ""))
    assert void.carried.of_item(void.items.code("void")) == ()
    moved = rec.with_items(one_item("i0004", "A ball", "kitchen"))  # music before
    assert "i0004" not in names(moved.recommend(history=["i0001"], k=1000, avoid="kitchen"))


def test_a_taxonomy_is_asked_in_any_language(shop):
    first = shop.recommend("u1", k=4, intent="music")
    assert first == shop.recommend("u1", k=4, intent="音乐")
    assert all(set(r.intents) == {"休闲", "音乐"} for r in first)
    assert set(intent_mix(shop.recommend("u1", k=6, intent="Leisure"))) == {"休闲", "音乐"}
    more = shop.with_items(one_item("h", "古筝", "乐器")).with_items(one_item("c", "轿车", "汽车"))
    assert more.carried.of_item(more.items.code("h")) == ("休闲", "音乐")
    assert "h" in names(more.recommend("u1", k=7, intent="音乐"))
    assert "h" not in names(more.recommend("u1", k=50, avoid="leisure"))
    assert len(shop.recommend("u1", k=3, intent="cars")) == 3  # nobody carries it: by text
    with pytest.raises(UsageError, match=r"not be wanted as well\. Got '音乐'"):
        shop.recommend("u1", intent="music", avoid="音乐")
    with pytest.raises(UsageError, match=r"must stand once\. Got '音乐' twice"):
        shop.recommend("u1", intent_quota={"music": 0.1, "音乐": 0.2})


def test_categories_that_are_paths():
    keys = ["Makeup > Nails", "Makeup > Face"]
    told = [["Makeup>nails > Polish"], ["Makeup", "Face"], ["Face"], []]
    assert _by_categories(told, keys, None) == [{0}, {1}, set(), set()]


def test_by_text_without_labels_or_texts():
    text = np.eye(3, dtype=np.float32)
    one = sparse.csr_matrix(np.array([[1, 0], [0, 0], [0, 1]], np.float32))
    assert _by_text(one, text, text[[0, 2]]) == [{0}, {1}]
    assert _by_text(one, text, np.zeros((1, 3), np.float32)) == [set()]
    assert _by_text(one, text * 0, text[:1]) == [set()]
    assert _by_text(one[:, :1], text, text[:1]) == [set()]


# ---- mistakes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"avoid": "musik"}, "beauty, garden, .*Got 'musik' instead. Did you mean 'music'"),
        ({"intent_quota": {"musik": 0.5}}, "'intent_quota' .* Did you mean 'music'"),
        ({"intent": ["music", "ofice"]}, "not both. Got 'ofice'.*Did you mean 'office'"),
        ({"intent_quota": {"music": 0.7, "kitchen": 0.4}}, "sum to at most 1 .*Got 0.7, 0.4"),
        ({"intent_quota": {"music": 6, "kitchen": 5}}, "at most the 10 of the list"),
        ({"intent_quota": {"music": 0.5, "kitchen": 1}}, "Got 0.5, 1 instead"),
        ({"intent_quota": {"music": -0.1}}, "Got -0.1"),
        ({"intent_quota": {"music": float("nan")}}, "Got nan"),
        ({"intent_quota": {"music": "half"}}, "Got 'half'"),
        ({"intent_quota": "automatic"}, "mapping of names .* 'auto'. Got 'automatic'"),
        ({"intent_quota": {}}, "Got {}"),
        ({"intent": "music", "avoid": ["kitchen", "music"]}, "not be wanted .*'music' in both"),
        ({"intent_quota": {"kitchen": 0.5}, "avoid": "kitchen"}, "'kitchen' in both"),
        ({"intent": "music", "intent_quota": "auto"}, "not both"),
        ({"intent": ""}, "none empty. Got ''"),
        ({"intent": []}, "none empty"),
        ({"avoid": " "}, "none empty"),
        ({"avoid": [3]}, "none empty"),
    ],
)
def test_each_mistake_is_one_sentence(rec, wish, says):
    with pytest.raises(UsageError, match=says):
        rec.recommend(USER, **wish)


def test_a_run_without_intents_or_encoder(rec):
    bare = replace(rec, intent=None)
    assert bare.recommend(USER, intent="music for a guitar")  # words need no names
    for wish in ({"avoid": "music"}, {"intent_quota": {"music": 1}}, {"intent_quota": "auto"}):
        with pytest.raises(UsageError, match="needs named intents, and this run has none"):
            bare.recommend(USER, **wish)
    assert replace(rec, encoder=None).recommend(USER, k=3, intent="music")
    with pytest.raises(UsageError, match="free words needs the encoder"):
        replace(rec, encoder=None).recommend(USER, intent="a guitar")


# ---- reports and the command line --------------------------------------------------------


def test_the_mix_of_a_list():
    some = [Recommendation("a", "A", 1.0, ("x", "y")), Recommendation("b", "B", 0.5, ("x",))]
    assert intent_mix([*some, *some[1:], Recommendation("c", "C", 0.1)]) == {"x": 0.75, "y": 0.25}
    assert intent_mix([]) == {}


def test_what_steering_does(fitted):
    rec = fitted.recommender
    rows = steering_report(rec, fitted.split, "test")
    found = {row["lists"]: row for row in rows}
    popular = "recent popularity" if rec.partners.recent < 1 else "popularity"
    assert list(found) == ["unsteered", "auto quota", "next intent", popular, "no intent"]
    assert found["next intent"]["match@10"] == 1
    assert found["next intent"]["ndcg@10"] >= found["unsteered"]["ndcg@10"]
    assert found["next intent"]["diversity@10"] < found["unsteered"]["diversity@10"]
    assert all(row["low"] <= row["gain"] <= row["high"] for row in rows[1:])
    assert all(row["match_low"] <= row["match_gain"] <= row["match_high"] for row in rows[1:])
    more = found["next intent"]["match@10"] - found["unsteered"]["match@10"]
    assert found["next intent"]["match_gain"] == pytest.approx(more, abs=1e-6)
    assert {row["users"] for row in rows} == {40}
    more = rec.with_items(one_item("new", "Zither", "music"))
    assert steering_report(more, fitted.split, "test")[0] == rows[0]
    with pytest.raises(DataError, match="no named intents"):
        steering_report(replace(rec, intent=None), fitted.split, "test")


def test_the_command_line(rec, tmp_path, call):
    rec.save(tmp_path / "run", hold_out="last")
    words = ["recommend", tmp_path / "run", "--user", USER, "-k", "10"]

    def rows(*more):
        code, out, err = call(*words, *more)
        assert code == 0, err
        return [json.loads(line) for line in out.splitlines()], err

    found, err = rows("--intent", "Music")
    own = {rec.items.ids[code] for code in rec.history(USER)}
    left = sum(
        "music" in rec.carried.of_item(c) and rec.items.ids[c] not in own for c in range(120)
    )
    assert sum(row["intents"] == "music" for row in found) == min(10, left)
    assert f"{min(10, left)} of 10 carry music" in err
    found, err = rows("--quota", "music=0.5,kitchen=.3", "--avoid", "office", "--avoid", "garden")
    assert "The list holds: " in err
    assert not {"office", "garden"} & {row["intents"] for row in found}
    assert len(rows("--quota", "auto")[0]) == len(rows("--quota", "music=4")[0]) == 10
    _, err = rows("--intent", "musik")
    assert "'musik' is no named intent" in err
    assert "Did you mean 'music'?" in err
    assert set(rows()[0][0]) == {"item", "title", "score"}
    for wrong in (["--quota", "music"], ["--quota", "music=half"], ["--avoid", "musik"]):
        code, out, err = call(*words, *wrong)
        assert (code, out) == (2, "")
        assert err.startswith("kgintent: ")
    assert call("recommend", tmp_path / "run", "--all", "--quota", "auto")[0] == 0
    code, out, err = call("evaluate", tmp_path / "run", "--steering")
    assert code == 0, err
    assert [json.loads(line)["lists"] for line in out.splitlines()][:2] == [
        "unsteered",
        "auto quota",
    ]
    assert "oracle" in err
    assert call("evaluate", tmp_path / "run", "--steering", "--buckets")[0] == 2
