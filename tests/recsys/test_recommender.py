"""What a recommender promises: seen and removed items stay away, new ones come, saving is exact."""

import copy
import warnings
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.clean import clean
from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.storage import Dataset
from kg.testing import planted, tiny
from kg.wording.templates import Templates
from models.intent import IntentConfig
from models.text import HashEncoder
from recsys import Recommender, store
from recsys.index import VectorIndex
from recsys.judging.ablate import lacking
from recsys.partners.neighbours import NeighbourConfig, Neighbours, heard, links
from recsys.serving.answers import NothingKnown
from recsys.training.config import RunConfig
from recsys.training.fit import fit, judge
from recsys.training.settings import TrainConfig

QUICK = RunConfig(train=TrainConfig(max_epochs=2))


def trained(world, **kwargs):
    graph = build_graph(world.log, world.catalog, None, world.triples)
    return fit(Dataset(world.log, world.catalog, graph), "hash", QUICK, **kwargs).recommender


def world_of(catalog, users, items, **kwargs):
    log = clean(EventLog.of(users, items, **kwargs), catalog.ids)[0]
    return replace(tiny(), log=log, catalog=catalog, triples=None)


@pytest.fixture(scope="module")
def rec():
    """With neighbours, of which so few people are not sure."""
    found = trained(planted(np.random.default_rng(1), users=40, items=30))
    config = NeighbourConfig()
    told = heard(links(found.log, config, 50), found.items.content, 50)
    near = Neighbours(told, 0.95, 1.5, 50, config)
    return found.beside(replace(found.partners, neighbours=near))


@pytest.fixture(scope="module")
def small():
    return trained(tiny())


def seen_by(rec, user):
    return {rec.items.ids[code] for code in rec.history(user)}


def names(found):
    return [r.item for r in found]


def shown(rec, k=10):
    return pl.concat(rec.recommend_all(k, filter_seen=False))


def new_items(*rows):
    """Rows (id, title, text, categories)."""
    ids, titles, texts, categories = (list(column) for column in zip(*rows, strict=True))
    return Catalog.of(ids, titles, texts, {"category": categories})


def close(one, other):
    """The same items in the same order, scores to float rounding."""
    assert names(one) == names(other)
    assert [r.title for r in one] == [r.title for r in other]
    np.testing.assert_allclose([r.score for r in one], [r.score for r in other], atol=2e-6)


# ---- recommend ---------------------------------------------------------------------------


@pytest.mark.parametrize("filter_seen", [True, False])
@pytest.mark.parametrize("k", [1, 5, 1000])
def test_recommend_equals_recommend_all(rec, filter_seen, k):
    frame = pl.concat(rec.recommend_all(k, filter_seen=filter_seen, batch=7))
    assert frame.columns == ["user_id", "item_id", "score", "rank"]
    assert frame["user_id"].unique(maintain_order=True).to_list() == list(rec.log.users.ids)
    for user in rec.log.users.ids:
        rows = frame.filter(pl.col("user_id") == user)
        found = rec.recommend(user, k=k, filter_seen=filter_seen)
        assert rows["item_id"].to_list() == names(found)
        assert rows["rank"].to_list() == list(range(1, len(found) + 1))
        np.testing.assert_allclose(rows["score"], [r.score for r in found], atol=2e-6)


def test_a_user_of_searches_only_gets_what_is_popular_in_both(small):
    world = tiny()
    users = ["u1", "u2", "u3", "u3", "u9"]
    items = ["i1", "i2", "i2", "i4", ""]
    log = EventLog.of(
        users, items, query=["", "", "", "", "nail polish"], time=np.arange(5) + 10**9
    )
    rec = trained(replace(world, log=clean(log, world.catalog.ids)[0], triples=None))
    found = rec.recommend("u9", k=3)
    assert names(found) == ["i2", "i1", "i4"]
    assert [r.score for r in found] == [2, 1, 1]
    frame = pl.concat(rec.recommend_all(3)).filter(pl.col("user_id") == "u9")
    assert frame["item_id"].to_list() == names(found)
    assert frame["score"].to_list() == [2, 1, 1]


def test_popular_answers_hold_added_items_and_no_hidden_ones(small):
    more = small.with_items(new_items(("i1", "Redder Lipstick", "", []), ("z", "Z", "", [])))
    found = more.without_items(["i2"]).recommend(history=[], k=100)
    assert sorted(names(found)) == ["i1", "i3", "i4", "i5", "i6", "i7", "i8", "z"]
    by_id = {r.item: r for r in found}
    assert by_id["i1"].title == "Redder Lipstick"
    assert by_id["i1"].score == small.log.item_counts()[0]


def test_scores_fall_and_are_the_inner_products(rec):
    user = rec.log.users.ids[3]
    found = rec.recommend(user, k=1000, filter_seen=False)
    assert len(found) == len(rec.items)
    scores = [r.score for r in found]
    assert scores == sorted(scores, reverse=True)


def test_seen_items_never_return(rec):
    for user in rec.log.users.ids:
        assert not seen_by(rec, user) & set(names(rec.recommend(user, k=1000)))
    everything = shown(rec, 1000)
    assert len(everything) == len(rec.log.users) * len(rec.items)


def test_a_given_history(rec):
    history = ["i0003", "i0009", "i0015"]
    found = rec.recommend(history=history, k=1000)
    assert len(found) == len(rec.items) - 3
    assert not set(history) & set(names(found))
    with_seen = rec.recommend(history=history, k=1000, filter_seen=False)
    assert set(history) <= set(names(with_seen))
    assert names(found) == [i for i in names(with_seen) if i not in history]
    assert names(rec.recommend(history=history * 40, k=5))  # longer than the model reads


def test_history_returns_codes_oldest_first(rec):
    user = rec.log.users.ids[0]
    codes = rec.history(user)
    np.testing.assert_array_equal(codes, rec.log.item[rec.log.user == 0])
    ids = [rec.items.ids[code] for code in codes]
    np.testing.assert_array_equal(rec.history(history=ids), codes)
    assert rec.history(history=[]).shape == (0,)


@pytest.mark.parametrize("k", [0, -1, True, 1001, 1.5, "3", None])
def test_k_is_checked_everywhere(rec, k):
    user = rec.log.users.ids[0]
    calls = [
        lambda: rec.recommend(user, k=k),
        lambda: list(rec.recommend_all(k)),
        lambda: rec.similar("i0001", k=k),
        lambda: rec.intents(user, k=k),
    ]
    for call in calls:
        with pytest.raises(UsageError, match=r"'k' parameter .* must be an int in \[1, 1000\]"):
            call()


def test_strangers_are_named_with_a_suggestion(rec):
    with pytest.raises(UsageError, match=r"user 'u0003' is not known.*Did you mean 'u000"):
        rec.recommend("u0003")
    for call in (
        lambda: rec.recommend(history=["i001"]),
        lambda: rec.similar("i001"),
        lambda: rec.explain("u00001", item="i001"),
        lambda: rec.without_items(["i001"]),
        lambda: rec.intents(history=["i001"]),
    ):
        with pytest.raises(UsageError, match=r"item 'i001' is not known.*Did you mean 'i0"):
            call()


def test_either_a_user_or_a_history(rec):
    for kwargs in ({}, {"user": "u00001", "history": ["i0001"]}):
        for ask in (rec.recommend, rec.intents, rec.history):
            with pytest.raises(UsageError, match="either a user or a history"):
                ask(**kwargs)
        with pytest.raises(UsageError, match="either a user or a history"):
            rec.explain(**kwargs, item="i0001")


def test_one_bare_string_is_no_history(rec):
    with pytest.raises(UsageError, match="sequence, not one string"):
        rec.recommend(history="i0001")
    with pytest.raises(UsageError, match="sequence, not one string"):
        rec.without_items("i0001")


def test_ids_may_come_in_any_sequence(rec):
    past = ["i0001", "i0003"]
    found, like = rec.recommend(history=past, k=5), rec.intents(history=past)
    kinds = [tuple, np.array, pl.Series, iter, lambda ids: np.array(ids, object)]
    for kind in kinds:
        assert rec.recommend(history=kind(past), k=5) == found
        assert rec.intents(history=kind(past)) == like
        assert rec.stage(history=kind(past)) == rec.stage(history=past)
        assert rec.explain(item="i0002", history=kind(past)) == rec.explain(
            item="i0002", history=past
        )
        only = names(rec.recommend("u00001", k=2, only=kind(past), filter_seen=False))
        assert set(only) == set(past)
        assert not set(past) & set(names(rec.without_items(kind(past)).similar("i0005", k=30)))
    assert rec.recommend(history=pl.Series([], dtype=pl.String), k=3) == rec.recommend(
        history=[], k=3
    )
    for table in (pl.DataFrame({"sku": past}), np.array([past]), {"sku": past}, 3):
        with pytest.raises(UsageError, match="of a table one column"):
            rec.recommend(history=table)


def test_columns_of_pandas_are_sequences_too(rec):
    pd = pytest.importorskip("pandas")
    past = ["i0001", "i0003"]
    assert rec.recommend(history=pd.Series(past, index=[5, 6])) == rec.recommend(history=past)
    with pytest.raises(UsageError, match="of a table one column"):
        rec.recommend(history=pd.DataFrame({"sku": past}))


def test_k_may_be_any_whole_number(rec):
    rec = replace(rec, index=VectorIndex(rec.index.vectors, "auto"))
    for k in (np.int64(2), np.int32(2), np.uint8(2)):
        assert rec.recommend("u00001", k=k) == rec.recommend("u00001", k=2)
        assert rec.recommend("u00001", k=k, only=["i0001", "i0002", "i0003"], filter_seen=False)
        assert len(rec.similar("i0001", k=k)) == len(rec.intents("u00001", k=k)) == 2
        assert next(rec.recommend_all(k=k))["rank"].max() == 2
        assert rec.index.search(rec.items.vectors[:1], k).index.shape == (1, 2)
    for k in (True, np.bool_(True), 2.0, "2", 0):
        with pytest.raises(UsageError, match=r"must be an int in \[1, 1000\]"):
            rec.recommend("u00001", k=k)


def test_the_scores_of_given_items_are_those_of_the_list(rec):
    listed = rec.recommend("u00001", k=30, filter_seen=False)
    asked = [found.item for found in listed][::-1]
    scores = rec.score("u00001", np.array(asked))
    assert np.allclose(scores, [found.score for found in listed][::-1], atol=1e-5)
    assert rec.score(None, ["i0001"], history=["i0002"]) == pytest.approx(
        rec.explain(history=["i0002"], item="i0001").score, abs=1e-5
    )
    popular = rec.recommend(history=[], k=1)[0]
    assert rec.score(None, [popular.item], history=[]) == popular.score
    gone = rec.with_stock({"i0003": False})
    assert gone.score("u00001", ["i0003", "i0003"]).tolist() == [-np.inf] * 2
    assert rec.score("u00001", []).shape == (0,)
    with pytest.raises(UsageError, match="item 'zz' is not known"):
        rec.score("u00001", ["zz"])
    with pytest.raises(UsageError, match="not one string"):
        rec.score("u00001", "i0001")


def test_some_users_at_once(rec):
    whole = pl.concat(rec.recommend_all(4))
    users = ["u00007", "u00001", "u00030"]
    some = pl.concat(rec.recommend_all(4, users=pl.Series(users), batch=2))
    assert some["user_id"].unique(maintain_order=True).to_list() == users
    for user in users:
        ours, theirs = (t.filter(pl.col("user_id") == user) for t in (some, whole))
        assert ours["item_id"].to_list() == theirs["item_id"].to_list()
        assert np.allclose(ours["score"], theirs["score"], atol=1e-5)
    assert list(rec.recommend_all(4, users=[])) == []
    with pytest.raises(UsageError, match=r"one user, recommend_all\(users=…\) several. Got a list"):
        rec.recommend(users)
    with pytest.raises(UsageError, match="user 'nobody' is not known"):
        next(rec.recommend_all(4, users=["nobody"]))


def test_a_word_is_no_flag(rec):
    with pytest.raises(UsageError, match=r"'filter_seen' must be True, False or None. Got 'no'"):
        rec.recommend("u00001", filter_seen="no")
    with pytest.raises(UsageError, match="'filter_seen' must be"):
        next(rec.recommend_all(filter_seen="no"))
    assert rec.recommend("u00001", filter_seen=np.bool_(True)) == rec.recommend(
        "u00001", filter_seen=True
    )


# ---- similar, intents, explain -----------------------------------------------------------


def test_similar_leaves_out_itself_and_removed_items(rec):
    found = rec.similar("i0001", k=1000)
    assert len(found) == len(rec.items) - 1
    assert "i0001" not in names(found)
    scores = [r.score for r in found]
    assert scores == sorted(scores, reverse=True)
    assert all(-1.00001 <= score <= 1.00001 for score in scores)
    gone = names(found)[:3]
    rest = rec.without_items(gone).similar("i0001", k=1000)
    close(rest, found[3:])
    assert not set(gone) & set(names(rec.without_items(gone).similar(text="a red pen", k=1000)))


def test_similar_to_a_text(rec):
    text = rec.catalog.full_texts()[7]
    best = rec.similar(text=text, k=1)[0]
    assert best.item == "i0007"
    assert best.score == pytest.approx(1, abs=1e-5)
    for wrong in ("", "  \n"):
        with pytest.raises(UsageError, match="must not be empty"):
            rec.similar(text=wrong)
    for kwargs in ({}, {"item": "i0001", "text": "pen"}):
        with pytest.raises(UsageError, match="either an item or a text"):
            rec.similar(**kwargs)
    with pytest.raises(UsageError, match="needs the encoder"):
        replace(rec, encoder=None).similar(text="pen")
    blank = replace(rec, items=replace(rec.items, text=np.zeros_like(rec.items.text)))
    with pytest.warns(NothingKnown, match="near to the text 'pen': no item of this run has a text"):
        assert blank.similar(text="pen") == []


def test_intents_are_sorted_probabilities(rec):
    for kwargs in ({"user": "u00001"}, {"history": ["i0001", "i0007"]}):
        found = rec.intents(**kwargs, k=1000)
        assert {i.name for i in found} == set(rec.catalog.attribute("category").values.ids)
        p = [i.probability for i in found]
        assert p == sorted(p, reverse=True)
        assert all(0 < value < 1 for value in p)
        assert rec.intents(**kwargs, k=2) == found[:2]
        above = sorted(found, key=lambda i: i.usual - i.probability)
        above = [i for i in above if i.probability > i.usual]
        assert rec.intents(**kwargs, k=1000, by="difference") == above
        assert 0 < len(above) < len(found)
        assert 0.2 < np.mean([i.usual for i in found]) * len(found) < 4  # of three next events
    with pytest.raises(UsageError, match=r"Got 'differ' instead\. Did you mean 'difference'"):
        rec.intents("u00001", by="differ")
    assert rec.intents(history=[]) == []
    assert replace(rec, intent=None).intents("u00001") == []
    with pytest.raises(UsageError, match="need the encoder"):
        replace(rec, encoder=None).intents(history=["i0001"])


def test_intents_of_everybody_are_those_of_each(rec, tmp_path, call):
    frame = pl.concat(rec.intents_all(k=2, batch=7))
    assert frame["user_id"].unique(maintain_order=True).to_list() == list(rec.log.users.ids)
    for user in rec.log.users.ids[:4]:
        own, told = frame.filter(user_id=user), rec.intents(user, k=2)
        assert own["intent"].to_list() == [one.name for one in told]
        assert own["probability"].to_list() == pytest.approx([one.probability for one in told])
        assert own["rank"].to_list() == [1, 2]
        assert own["stage"].unique().to_list() == [rec.stage(user)]
    some = pl.concat(rec.intents_all(users=rec.log.users.ids[2:4], by="difference"))
    assert set(some["user_id"]) <= {*rec.log.users.ids[2:4]}
    assert (some["probability"] > some["usual"]).all()
    rec.save(tmp_path / "run")
    code, out, err = call("intents", tmp_path / "run", "--all", "-k", 2, "-o", tmp_path / "x.csv")
    assert (code, out) == (0, ""), err
    assert pl.read_csv(tmp_path / "x.csv", schema=frame.schema).shape == frame.shape
    assert call("intents", tmp_path / "run", "--all", "--user", "u1")[0] == 2
    assert call("intents", tmp_path / "run", "--user", "u1", "-o", tmp_path / "x.csv")[0] == 2


def test_parts_of_an_explanation_sum_to_the_recommended_score(rec):
    cases = [{"user": u} for u in rec.log.users.ids[:10]]
    for kwargs in [*cases, {"history": ["i0002", "i0008"]}]:
        for found in rec.recommend(**kwargs, k=4):
            told = rec.explain(**kwargs, item=found.item)
            assert (told.item, told.title) == (found.item, found.title)
            assert set(told.parts) == {"text", "graph", "id", "neighbours"}
            assert told.score == pytest.approx(sum(told.parts.values()), abs=1e-6)
            assert told.score == pytest.approx(found.score, abs=1e-5)
            assert told.reason
            assert len(told.paths) <= 3


def test_an_explanation_without_a_history(rec):
    told = rec.explain(history=[], item="i0001")
    assert told.reason == "popular with everyone"
    assert (told.paths, told.nearest_text, told.score) == ((), None, 0)


def test_reasons_are_told_in_the_language_of_histories(rec):
    chinese = replace(rec, intent=replace(rec.intent, templates=Templates("zh")))
    assert chinese.explain(history=[], item="i0001").reason == "大家都喜欢"
    music = next(
        i for i, c in enumerate(rec.catalog.attribute("category").cells(30)) if "music" in c
    )
    more = chinese.with_items(new_items(("new", "", "", ["music"])))
    told = more.explain(history=[rec.items.ids[music]], item="new").reason
    assert told == f"因为你接触过“{rec.items.title(music)}”：相同的类别：music"
    for user in rec.log.users.ids[:5]:
        item = chinese.recommend(user, k=1)[0].item
        one, other = chinese.explain(user, item=item), rec.explain(user, item=item)
        assert len(one.paths) == len(other.paths)
        assert not any("because" in sentence for sentence in (one.reason, *one.paths))
        assert one.score == other.score


def test_nobody_went_on_to_what_nobody_has_met(rec):
    """Neighbours of new items are lent by those like them: the reason must not claim a person."""
    more = rec.with_items(new_items(("new", "Purple Zither", "", ())))
    near = more.partners.neighbours
    assert near is not None
    late = sparse.csr_matrix(np.ones((near.links.shape[0], 1), np.float32))
    more = replace(more, paths=None, partners=replace(
        more.partners, neighbours=replace(near, late=late, _kept={})))  # fmt: skip
    first = more.items.ids[0]
    told = more.explain(history=[first], item="new").reason
    assert told == f"people who met {more.items.title(0)} went on to items like it"
    assert more.explain(history=[], item="new").reason == "nobody has met it yet"
    after = more.with_events(
        EventLog.of(["p", "p"], [first, "new"], time=[1_750_000_000, 1_750_000_001])
    )
    after = replace(after, paths=None)
    told = after.explain(history=[first], item="new").reason
    assert told == f"people who met {after.items.title(0)} went on to it"


def test_a_fact_that_joins_an_added_item_to_one_of_the_history_is_its_reason(rec):
    more = rec.with_items(new_items(("new", "Harmony II", "", ["music"])))
    facts = {
        **more.items.facts,
        more.items.ids.index("new"): (
            *more.items.facts[more.items.ids.index("new")],
            (("item", "requires", "item"), 3),
        ),
    }
    more = replace(more, items=replace(more.items, facts=facts))
    told = more.explain(history=[more.items.ids[3]], item="new").reason
    title = more.items.title(3)
    assert told == f"because you met {title}: Harmony II requires {title}"


# ---- changes -----------------------------------------------------------------------------


def test_with_items_makes_a_new_object(rec):
    before, user = rec.recommend("u00001", k=1000), "u00001"
    size = len(rec.items)
    more = rec.with_items(new_items(("new", "Purple Zither", "A zither for music", ["music"])))
    assert more is not rec
    assert (len(rec.items), len(rec.index), len(more.items)) == (size, size, size + 1)
    assert rec.recommend(user, k=1000) == before
    with pytest.raises(UsageError, match="'new' is not known"):
        rec.similar("new")
    assert names(more.similar(text="purple zither", k=1)) == ["new"]
    assert names(more.similar("new", k=3))
    assert "new" in names(more.recommend(user, k=1000))
    assert "new" in shown(more, 1000)["item_id"].to_list()
    close([r for r in more.recommend(user, k=1000) if r.item != "new"], before)
    told = more.explain("u00001", item="new")
    assert told.title == "Purple Zither"
    assert told.parts["id"] == 0
    assert more.recommend(history=["new"], k=3)
    assert "new" not in names(more.recommend(history=["new"], k=1000))


def test_a_shared_fact_explains_an_added_item(rec):
    music = next(
        i for i, c in enumerate(rec.catalog.attribute("category").cells(30)) if "music" in c
    )
    more = rec.with_items(new_items(("new", "", "", ["MUSIC"])))  # case aside
    told = more.explain(history=[rec.items.ids[music]], item="new")
    assert "music" in told.reason
    assert rec.items.title(music) in told.reason
    assert told.title == "new"
    assert told.parts["graph"] != 0


def test_an_added_item_leaves_the_intents_of_other_histories_alone(rec):
    before = rec.intents(history=["i0001", "i0002"])
    more = rec.with_items(new_items(("new", "Purple Zither", "", ["music"])))
    assert more.intents(history=["i0001", "i0002"]) == before
    twin = "i0004"
    cells = rec.catalog.attribute("category").cells(30)[4]
    more = rec.with_items(new_items(("twin", rec.catalog.titles[4], "", cells)))
    assert more.intents(history=["twin"]) == rec.intents(history=[twin])


def test_a_replaced_item(rec):
    user = rec.log.users.ids[0]
    old = rec.items.ids[int(rec.history(user)[-1])]
    more = rec.with_items(new_items((old, "Quite Another Thing", "xylophone", ["toys"])))
    assert names(more.similar(text="xylophone", k=1)) == [old]
    assert old not in names(more.recommend(user, k=1000))  # seen, if under an older number
    assert old not in pl.concat(more.recommend_all(1000)).filter(user_id=user)["item_id"].to_list()
    everything = more.recommend(user, k=1000, filter_seen=False)
    assert names(everything).count(old) == 1
    assert next(r for r in everything if r.item == old).title == "Quite Another Thing"
    assert old not in names(more.similar(old, k=1000))
    twice = more.with_items(new_items((old, "Third", "", [])))
    assert names(twice.recommend(history=["i0002"], k=1000)).count(old) == 1
    back = rec.without_items([old]).with_items(new_items((old, "Back", "", [])))
    assert old in names(back.recommend(history=["i0029"], k=1000))


def test_unknown_attributes_and_an_item_with_nothing_at_all(rec):
    odd = Catalog.of(
        ["odd"], ["Odd Thing"], None, {"category": [["never seen"]], "colour": [["blue"]]}
    )
    with pytest.warns(NothingKnown, match=r"1 of the 1 items.*at its end, that of what is"):
        more = rec.with_items(odd).with_items(new_items(("void", "", "", [])))
    assert "odd" in names(more.recommend("u00001", k=1000))
    assert "void" not in names(more.recommend("u00001", k=1000))
    assert names(more.recommend(history=[], k=1000))[-1] == "void"
    void = more.items.code("void")
    assert not more.items.vectors[void].any()
    with pytest.warns(NothingKnown, match="near to the item 'void': nothing is known of it"):
        assert more.similar("void") == []
    assert "void" not in names(more.similar(text="anything red", k=1000))
    told = more.explain("u00001", item="void")
    assert (told.title, told.nearest_text, told.score) == ("void", None, 0)
    assert told.reason == "nothing is known of it yet"
    assert all(np.isfinite(r.score) for r in more.recommend(history=["void", "odd"], k=1000))
    assert more.intents(history=["void"])


def test_an_added_item_of_which_all_is_taken_back_is_unknown_again(rec):
    more = rec.with_items(new_items(("void", "A title", "and a text", [])))
    assert "void" in names(more.recommend("u00001", k=1000))
    with pytest.warns(NothingKnown, match=r"1 of the 2 items \('void' first\)"):
        less = more.with_items(new_items(("void", "", "", []), ("n9", "Nine", "of it", [])))
    assert not less.items.vectors[less.items.code("void")].any()
    assert "void" not in names(less.recommend("u00001", k=1000))
    again = less.with_items(
        new_items(("void", "A title", "and a text", []), ("n9", "Nine", "of it", []))
    )
    assert "void" in names(again.recommend("u00001", k=1000))


def test_without_an_encoder_only_items_without_text_can_come(rec):
    bare = replace(rec, encoder=None)
    with pytest.warns(NothingKnown):
        assert len(bare.with_items(new_items(("void", "", "", []))).items) == 31
    with pytest.raises(UsageError, match="encoder of this run is needed"):
        bare.with_items(new_items(("new", "A title", "", [])))


def test_an_added_twin_of_a_cold_item_has_its_vector():
    world = replace(tiny(), triples=None)
    rec = trained(world)
    row = world.catalog.ids.encode(["i6"])[0]
    assert rec.log.item_counts()[row] == 0
    twin = new_items(("twin", world.catalog.titles[row], world.catalog.texts[row], ["outdoor"]))
    more = rec.with_items(twin)
    np.testing.assert_allclose(more.items.vectors[-1], rec.items.vectors[row], atol=1e-5)
    assert np.abs(rec.items.vectors[row]).max() > 1e-3
    best = more.similar("twin", k=1)[0]
    assert best.item == "i6"
    assert best.score == pytest.approx(1, abs=1e-5)


IDS = [f"i{number:04d}" for number in range(30)]


@given(gone=st.lists(st.sampled_from([*IDS, "new"]), unique=True, max_size=31))
@settings(max_examples=12)
def test_removed_items_are_in_no_answer(rec, gone):
    full = rec.with_items(new_items(("new", "Purple Zither", "A zither", ["music"])))
    rest = full.without_items(gone)
    left = {*IDS, "new"} - set(gone)
    answers = [
        rest.recommend("u00002", k=1000, filter_seen=False),
        rest.recommend(history=[], k=1000),
        rest.recommend(history=["i0003"], k=1000, filter_seen=False),
    ]
    for found in answers:
        assert set(names(found)) == left
    assert set(shown(rest, 5)["item_id"]) <= left
    assert set(names(rest.similar("i0004", k=1000))) == left - {"i0004"}
    assert set(names(rest.similar(text="a red pen for music", k=1000))) <= left
    assert not set(gone) & set(names(rest.recommend("u00003", k=3)))
    assert set(names(full.recommend(history=[], k=1000))) == {*IDS, "new"}


# ---- saving ------------------------------------------------------------------------------


def test_a_run_of_an_earlier_version_says_so(rec, tmp_path, monkeypatch):
    def before(partners):
        told = plain(partners)
        del told["mixed"]
        return told

    plain = store._plain_partners
    monkeypatch.setattr(store, "_plain_partners", before)
    rec.save(tmp_path / "run")
    with pytest.raises(DataError, match="earlier version of kgintent, train it again"):
        Recommender.load(tmp_path / "run")


def test_so_does_one_whose_model_lacks_a_part(rec, tmp_path, monkeypatch):
    whole = store._tensors

    def before(rec):
        return {name: x for name, x in whole(rec).items() if not name.endswith("expect_base")}

    monkeypatch.setattr(store, "_tensors", before)
    rec.save(tmp_path / "run")
    with pytest.raises(DataError, match="earlier version of kgintent, train it again"):
        Recommender.load(tmp_path / "run")


@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.parametrize("hold_out", ["none", "last"])
def test_saved_and_loaded_answers_are_the_same(tmp_path, changed, hold_out):
    rec = trained(planted(np.random.default_rng(2), users=30, items=24), hold_out=hold_out)
    if changed:
        rec = rec.with_items(
            new_items(
                ("new", "Purple Zither", "A zither", ["music"]), ("i0003", "", "", ["beauty"])
            )
        ).without_items(["i0005", "i0006"])
    rec.save(tmp_path / "run")
    back = Recommender.load(tmp_path / "run")
    assert shown(back, 1000).equals(shown(rec, 1000))
    history = ["i0001", "new" if changed else "i0002"]
    for kwargs in ({"user": "u00004"}, {"history": history}):
        assert back.recommend(**kwargs, k=50) == rec.recommend(**kwargs, k=50)
        assert back.intents(**kwargs) == rec.intents(**kwargs)
        assert rec.intents(**kwargs)
        for item in back.recommend(**kwargs, k=50):
            assert back.explain(**kwargs, item=item.item) == rec.explain(**kwargs, item=item.item)
    assert back.similar("i0003", k=50) == rec.similar("i0003", k=50)
    assert back.similar(text="zither", k=50) == rec.similar(text="zither", k=50)
    assert back.partners.recent == rec.partners.recent
    back.save(tmp_path / "again")  # what was loaded can be saved
    assert shown(Recommender.load(tmp_path / "again"), 1000).equals(shown(rec, 1000))


def test_a_loaded_run_takes_items_as_the_fresh_one_does(small, tmp_path):
    small.save(tmp_path / "run")
    new = new_items(("new", "Green Teapot", "A teapot", ["kitchen"]))
    one = small.with_items(new)
    other = Recommender.load(tmp_path / "run").with_items(new)
    np.testing.assert_allclose(one.items.vectors, other.items.vectors, atol=1e-6)
    told, again = one.explain("u4", item="new"), other.explain("u4", item="new")
    assert told.reason == again.reason
    assert told.score == pytest.approx(again.score, abs=1e-5)


def test_chinese(tmp_path):
    catalog = Catalog.of(
        ["红茶", "绿茶", "茶壶", "跑鞋", "雨衣"],
        ["大吉岭红茶", "龙井绿茶", "紫砂茶壶", "越野跑鞋", "防水雨衣"],
        ["味道浓的茶", "清香的茶", "泡茶用的壶", "山路用的鞋", "下雨穿的衣服"],
        {"类别": [["茶"], ["茶"], ["茶具"], ["户外"], ["户外"]]},
    )  # fmt: skip
    rec = trained(
        world_of(
            catalog, ["张三", "张三", "张三", "李四", "李四", "王五"],
            ["红茶", "绿茶", "茶壶", "跑鞋", "雨衣", "红茶"], time=np.arange(6) + 10**9,
        )
    )  # fmt: skip
    rec.save(tmp_path / "运行")
    back = Recommender.load(tmp_path / "运行")
    assert back.intent.templates.language == "zh"
    assert set(names(back.recommend("张三", k=9))) == {"跑鞋", "雨衣"}
    assert back.similar(text="龙井绿茶", k=1)[0].title == "龙井绿茶"
    assert {i.name for i in back.intents("李四")} <= {"茶", "茶具", "户外"}
    assert back.explain("王五", item="绿茶").title == "龙井绿茶"
    more = back.with_items(Catalog.of(["花茶"], ["茉莉花茶"], None, {"类别": [["茶"]]}))
    assert names(more.similar(text="茉莉花", k=1)) == ["花茶"]
    with pytest.raises(UsageError, match="Did you mean '红茶'"):
        back.similar("红茶1")


def test_a_deep_copy_answers_the_same_and_is_its_own(rec):
    other = copy.deepcopy(rec)
    for user in ("u00001", "u00007"):
        assert other.recommend(user, k=10) == rec.recommend(user, k=10)
        assert other.intents(user) == rec.intents(user)
    with torch.no_grad():
        other.model.items.delta.weight.add_(1)
    assert not torch.equal(other.model.items.delta.weight, rec.model.items.delta.weight)


def test_faiss_need_not_be_installed_as_a_package_to_save(small, tmp_path, monkeypatch):
    from importlib.metadata import PackageNotFoundError, version

    def no_faiss(name):
        if name == "faiss-cpu":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr("recsys.store.version", no_faiss)
    small.save(tmp_path / "run")
    back = Recommender.load(tmp_path / "run").recommend("u1")
    assert [(r.item, pytest.approx(r.score, abs=1e-6)) for r in back] == [
        (r.item, r.score) for r in small.recommend("u1")
    ]


def test_an_item_of_the_history_is_not_explained_by_itself(rec):
    codes = rec.history("u00003")
    explained = rec.explain("u00003", item=rec.items.ids[codes[-1]])
    assert explained.nearest_text is None or explained.nearest_text[0] != explained.title
    alone = rec.explain(history=[rec.items.ids[0]], item=rec.items.ids[0])
    assert alone.nearest_text is None


def test_live_histories_read_as_the_trained_ones_did(tmp_path):
    told = []

    class Recorder(HashEncoder):
        def encode(self, texts):
            told.extend(texts)
            return super().encode(texts)

    templates = Templates("zh", {"view": "瞧见{item}"}, newest_first=False)
    trained(tiny(), templates=templates).save(tmp_path / "r")
    encoder = Recorder()
    rec = Recommender.load(tmp_path / "r", encoder)
    rec.intents(history=["i1", "i2"])
    assert len(told) == 1
    assert told[0].startswith("瞧见")  # a bare history is told as the commonest behaviour
    assert told[0].count("瞧见") == 2
    assert rec.intent.templates == templates


def test_without_histories_nothing_but_items_is_read_and_intents_are_named(tmp_path):
    read = []

    class Recorder(HashEncoder):
        def encode(self, texts, progress=None):
            read.extend(texts)
            return super().encode(texts, progress)

    world = planted(np.random.default_rng(1), users=40, items=30)
    data = Dataset(
        world.log, world.catalog, build_graph(world.log, world.catalog, None, world.triples)
    )
    config = QUICK.model_copy(update={"intent": IntentConfig(histories=False)})
    fitted = fit(data, Recorder(), config, hold_out="time")
    rec = fitted.recommender
    assert set(read) <= {*world.catalog.full_texts()}
    assert rec.model.intent_dim == 0
    assert lacking(rec)["intent"] == "histories were not read"
    assert judge(rec, fitted.split, "test").metrics["ndcg@10"] > 0
    wanted = rec.intents("u00001")
    assert wanted
    assert all(0 < one.probability < 1 for one in wanted)
    rec.save(tmp_path / "run")
    again = Recommender.load(tmp_path / "run")
    assert again.intents("u00001") == wanted
    assert again.recommend("u00001") == rec.recommend("u00001")
    bare = replace(again, encoder=None)  # none is needed
    assert bare.intents(history=["i0001", "i0002"]) == rec.intents(history=["i0001", "i0002"])
    time = int(rec.log.time.max()) + 9
    log = EventLog.of(["u00001", "new"], ["i0001", "i0002"], time=[time, time])
    more = rec.with_events(log)
    assert more.intents("new")
    assert more.recommend("new")
    assert set(read) <= {*world.catalog.full_texts()}


@pytest.fixture(scope="module")
def shop():
    """Everybody buys the same two things of their own again and again."""
    catalog = Catalog.of([f"i{n}" for n in range(12)], [f"Thing {n}" for n in range(12)])
    users, items = [], []
    for user in range(30):
        own = np.random.default_rng(user).choice(12, 2, replace=False)
        users += [f"u{user:02d}"] * 12
        items += [f"i{own[n % 2]}" for n in range(12)]
    world = world_of(catalog, users, items, behaviour="purchase", time=np.arange(len(users)) * 3600)
    config = RunConfig(train=TrainConfig(max_epochs=40, learning_rate=0.01))
    graph = build_graph(world.log, world.catalog)
    return fit(Dataset(world.log, world.catalog, graph), "hash", config)


def test_where_people_buy_again_the_data_decide_that_repeats_count(shop, rec, tmp_path):
    assert not rec.repeats  # nobody of the planted world meets an item twice
    shop_rec = shop.recommender
    assert shop_rec.repeats
    shop_rec.save(tmp_path / "run")
    back = Recommender.load(tmp_path / "run")
    right = 0
    for user in shop_rec.log.users.ids:
        own = seen_by(shop_rec, user)
        found = names(back.recommend(user, k=2))
        right += len(own & set(found))
        assert not own & set(names(back.recommend(user, k=10, filter_seen=True)))
    assert right / 60 > 0.9
    assert max(report.metrics["hr@10"] for report in shop.reports) > 0.9


def test_repeats_are_the_same_for_one_and_for_all_and_are_explained(shop):
    rec = shop.recommender
    frame = pl.concat(rec.recommend_all(3, batch=7))
    for user in rec.log.users.ids[:5]:
        found = rec.recommend(user, k=3)
        mine = frame.filter(pl.col("user_id") == user)
        assert mine["item_id"].to_list() == names(found)
        assert mine["score"].to_list() == pytest.approx([r.score for r in found], abs=1e-4)
        told = rec.explain(user, item=found[0].item)
        assert sum(told.parts.values()) == pytest.approx(found[0].score, abs=1e-3)
        assert told.reason == "because you come back to it"


def test_an_item_added_live_has_the_vector_that_training_gave_it(rec):
    """Batch and live: the same words and facts, the same text and graph, one by one or together."""
    kinds = rec.catalog.attribute("category").cells(len(rec.catalog))
    n = len(rec.catalog)
    copies = Catalog.of([f"copy{code:03d}" for code in range(n)], rec.catalog.titles,
                        rec.catalog.texts, {"category": kinds})  # fmt: skip
    live = rec.with_items(copies).items
    for part in ("text_part", "graph_part"):
        found = getattr(live, part)
        np.testing.assert_allclose(found[n:], found[:n], atol=1e-5)
        assert found[:n].any()
    one = rec.with_items(Catalog.of(["copy003"], rec.catalog.titles[3:4], rec.catalog.texts[3:4],
                                    {"category": [kinds[3]]}))  # fmt: skip
    np.testing.assert_allclose(one.items.vectors[-1], live.vectors[n + 3], atol=1e-5)
    more = rec.with_items(copies).with_items(Catalog.of(["late"], ["late"]))
    near, once = more.partners.neighbours, rec.with_items(copies).partners.neighbours
    np.testing.assert_array_equal(near.whole[:, : 2 * n].toarray(), once.whole.toarray())


@pytest.mark.parametrize(
    ("title", "kind", "parts"),
    [("A thing", None, ("text_part",)), ("", "known", ("graph_part",)),
     ("A thing", "known", ("text_part", "graph_part"))],
)  # fmt: skip
def test_a_text_or_a_fact_alone_is_enough(rec, title, kind, parts):
    known = rec.model.graph.fact_relations[0]
    node = rec.model.graph.vocabs[known[2]].ids[0]
    told = {known[1]: [[node]]} if kind else None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = rec.with_items(Catalog.of(["x"], [title], None, told))
    for part in ("text_part", "graph_part"):
        has = getattr(found.items, part)[-1].any()
        assert has == (part in parts) or (part == "text_part" and kind)  # a category is read too
    assert "x" in names(found.recommend("u00003", k=1000))


def test_an_item_of_which_nothing_is_known_is_told_and_waits_for_events(rec):
    with pytest.warns(NothingKnown, match="1 of the 2 items"):
        found = rec.with_items(Catalog.of(["a", "b"], ["", "B"]))
    assert not found.items.vectors[found.items.code("a")].any()
    assert "a" not in names(found.recommend(history=[], k=20))
