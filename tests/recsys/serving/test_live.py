"""Events since the training: new people, longer histories, new kinds, items that warm up."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.ids import Vocab
from kg.storage import Dataset
from kg.testing import planted
from recsys import Recommender
from recsys.partners.neighbours import NeighbourConfig, Neighbours, heard, links
from recsys.serving.answers import LeftOut, NothingKnown
from recsys.serving.live import HELD, as_learned, with_events
from recsys.serving.warmup import people_of, warmed
from recsys.training.config import RunConfig
from recsys.training.fit import fit
from recsys.training.settings import TrainConfig


@pytest.fixture(scope="module")
def world():
    return planted(np.random.default_rng(1), users=200, items=120, events=12)


@pytest.fixture(scope="module")
def rec(world):
    data = Dataset(world.log, world.catalog, build_graph(world.log, world.catalog))
    return fit(data, "hash", RunConfig(train=TrainConfig(max_epochs=25))).recommender


def later(rec, users, items, **told):
    """Events after all that are known."""
    time = rec.log.time.max() + 3600 * (1 + np.arange(len(users)))
    return EventLog.of(users, items, time=time, **told)


def names(found):
    return [r.item for r in found]


def test_a_vocabulary_grows_at_its_end():
    vocab = Vocab(("a", "c")).extended(["b", "a"])
    assert vocab.encode(["a", "b", "c"]).tolist() == [0, 2, 1]
    assert vocab.decode([0, 3]) == ["a", "a"]
    with pytest.raises(DataError, match="sorted"):
        Vocab(("b", "a"))


def test_logs_are_joined_by_user_and_time():
    old = EventLog.of(["u", "v", "v"], ["x", "x", "y"], time=[3, 5, 9], behaviour="view")
    new = EventLog.of(["v", "a"], ["x", "y"], time=[6, 1], behaviour=["click", "view"])
    both = old.joined(new)
    assert both.users.ids == ("u", "v", "a")
    assert both.user.tolist() == [0, 1, 1, 1, 2]
    assert both.time.tolist() == [3, 5, 6, 9, 1]
    assert [both.behaviours[b].name for b in both.behaviour] == [
        "view", "view", "click", "view", "view"
    ]  # fmt: skip
    with pytest.raises(DataError, match="which have times"):
        old.joined(EventLog.of(["v", "v"], ["x", "y"]))
    with pytest.raises(DataError, match="same items"):
        old.joined(EventLog.of(["v"], ["x"], time=[1]))
    bag = EventLog.of(["u"], ["x"], ordered=False)
    with pytest.raises(DataError, match="no order"):
        bag.joined(EventLog.of(["u"], ["x"]))


def test_somebody_new_is_known_by_what_they_did(rec):
    with pytest.raises(UsageError, match="not known"):
        rec.recommend("newcomer")
    past = names(rec.recommend("u00003", k=3))
    found = rec.with_events(later(rec, ["newcomer"] * 3, past))
    asked = rec.recommend(history=past, k=5)
    mine = found.recommend("newcomer", k=5)
    assert len(set(names(asked)) & set(names(mine))) >= 4  # popularity has moved a little
    assert not set(names(mine)) & set(past)
    frames = list(found.recommend_all(3))
    assert "newcomer" in set(frames[-1]["user_id"])
    assert "newcomer" not in rec.log.users  # the old object is as it was


def test_a_history_grows_and_its_items_are_seen(rec):
    best = names(rec.recommend("u00003", k=1))
    found = rec.with_events(later(rec, ["u00003"], best))
    assert found.history("u00003").tolist() == [*rec.history("u00003"), rec.items.code(best[0])]
    assert best[0] not in names(found.recommend("u00003", k=50))
    assert found.stage("u00003") in ("browsing", "comparing", "buying")


def test_an_unknown_kind_of_event_is_read_as_the_usual_one(rec):
    new = later(rec, ["u00003", "u00003"], ["i0001", "i0002"], behaviour=["wishlist", "share"])
    found = rec.with_events(new)
    assert {b.name for b in found.log.behaviours} > {b.name for b in rec.log.behaviours}
    assert len(found.recommend("u00003", k=5)) == 5
    often = rec.log.behaviours[int(np.bincount(rec.log.behaviour).argmax())].name
    usual = later(rec, ["u00003", "u00003"], ["i0001", "i0002"], behaviour=often)
    plain = replace(rec.with_events(usual), intent=None)
    found = replace(found, intent=None)  # BERT reads the word
    assert names(plain.recommend("u00003")) == names(found.recommend("u00003"))


def test_what_cannot_be_used_is_told(rec):
    with pytest.warns(LeftOut, match="1 unknown item"):
        rec.with_events(later(rec, ["u00003", "u00003"], ["i0001", "nothing"]))
    with pytest.raises(DataError, match="No valid event"):
        rec.with_events(later(rec, ["u00003"], ["nothing"]))
    with pytest.raises(DataError, match="which have times"):
        rec.with_events(EventLog.of(["u00003"], ["i0001"]))


def test_what_was_only_shown_raises_nothing(rec):
    users = [f"u{n:05d}" for n in range(50)]
    kinds = ["impression"] * 50 + ["click"]
    found, report = with_events(
        rec, later(rec, [*users, "u00003"], ["i0001"] * 50 + ["i0002"], behaviour=kinds)
    )
    assert report.reasons == {"only shown": 50}
    assert len(found.log) == len(rec.log) + 1
    with pytest.raises(DataError, match="only shown"):
        rec.with_events(later(rec, users, ["i0001"] * 50, behaviour="impression"))


def newcomer(rec, world):
    """An item of no words, and who will like it: those of the category that likes i0000."""
    more = rec.with_items(Catalog.of(["new"], [""]))
    kind = world.catalog.attribute("category").of_row(0)
    kinds = world.catalog.attribute("category").cells(120)
    fans = [
        user for row, user in enumerate(rec.log.users.ids)
        if np.mean([kinds[c] == kind for c in rec.histories.items_of(row)]) > 0.5
    ]  # fmt: skip
    return more, fans


def test_an_item_warms_up_by_who_takes_it(rec, world):
    more, fans = newcomer(rec, world)
    rest, takers = fans[::2], fans[1::2]
    assert len(rest) >= 3
    assert len(takers) >= 3
    others = [user for user in rec.log.users.ids if user not in fans]

    def places(found, users):
        code = found.items.code("new")
        rows = found.log.users.encode(users)
        scores = found.index_queries(rows) @ found.index.vectors.T
        return float((scores > scores[:, [code]]).sum(1).mean())

    warm = more.with_events(later(more, takers, ["new"] * len(takers)))
    assert not more.items.id_part[more.items.code("new")].any()
    assert warm.items.id_part[warm.items.code("new")].any()
    gain = places(more, rest) - places(warm, rest)
    assert gain > 0  # it rises for those who are like its people
    assert gain > places(more, others) - places(warm, others)


def test_the_part_grows_with_the_count_and_starts_from_nothing(rec, world):
    more, fans = newcomer(rec, world)
    size = []
    for count in (0, 1, 2, 4):
        found = more
        if count:
            found = more.with_events(later(more, fans[:count], ["new"] * count))
        size.append(float(np.linalg.norm(found.items.id_part[found.items.code("new")])))
    assert size[0] == 0 < size[1]
    k = more.model.items.warm_count
    assert size[3] / size[1] < 4 * (4 / (4 + k)) / (1 / (1 + k))  # no cliff


def test_trained_items_keep_their_part(rec):
    found = rec.with_events(later(rec, ["u00003", "u00004"], ["i0001", "i0002"]))
    trained = rec.model.items.counts.numpy() > 0
    np.testing.assert_array_equal(found.items.id_part[: len(trained)][trained],
                                  rec.items.id_part[: len(trained)][trained])  # fmt: skip


def test_people_by_hand():
    class Store:
        content = np.array([[1.0, 0], [0, 1], [2, 2]])
        newest = np.arange(3)

        def __len__(self):
            return 3

    log = EventLog.of(["u", "u", "v", "v", "v"], ["a", "b", "a", "b", "c"])
    x, counts = people_of(Store(), log)
    assert counts.tolist() == [2, 2, 1]
    np.testing.assert_allclose(x[0], [(0 + (0 + 2) / 2) / 2, (1 + (1 + 2) / 2) / 2, 1, 0])
    np.testing.assert_allclose(x[2], [0.5, 0.5, 2, 2])


def test_without_enough_to_learn_from_nothing_warms(rec, monkeypatch):
    monkeypatch.setattr("recsys.serving.warmup.TAUGHT", 10**9)
    more = rec.with_items(Catalog.of(["new"], ["New"]))
    log = more.with_events(later(more, ["u00003"], ["new"])).log
    found = warmed(more.items, more.model, log).id_part[-1]
    np.testing.assert_allclose(found, more.items.id_part[-1], atol=1e-6)


@pytest.mark.parametrize("refit", [False, True])
def test_saved_and_loaded_it_answers_the_same(rec, tmp_path, refit):
    more = rec.with_items(Catalog.of(["new"], ["New"]))
    found, report = with_events(
        more, later(more, ["new person", "u00003"], ["new", "i0005"], behaviour="wishlist"),
        refit=refit,
    )  # fmt: skip
    assert report.kept == 2
    found.save(tmp_path / "run")
    again = Recommender.load(tmp_path / "run")
    for user in ("new person", "u00003", "u00007"):
        assert again.recommend(user, k=5) == found.recommend(user, k=5)
        assert again.intents(user) == found.intents(user)
    assert again.log.users == found.log.users
    once = again.with_events(later(again, ["third"], ["new"]))
    assert once.history("third").tolist() == [120]
    assert len(once.recommend("third", k=5)) == 5
    explained = again.explain("new person", item="i0003")
    assert explained.score == pytest.approx(sum(explained.parts.values()))


def test_it_is_judged_as_it_was_trained(rec):
    found = rec.with_events(later(rec, ["u00003"], ["i0005"]))
    back = as_learned(found)
    assert back.log is rec.log
    assert as_learned(rec) is rec
    assert names(back.recommend("u00003")) == names(rec.recommend("u00003"))


def test_the_command_adds_events(rec, tmp_path, call):
    rec.save(tmp_path / "run")
    file = tmp_path / "new.csv"
    stamp = int(rec.log.time.max()) + 3600
    file.write_text(f"user,item,time\nnew,i0001,{stamp}\nnew,zzz,{stamp}\n", encoding="utf-8")
    code, _, err = call("events", "add", tmp_path / "run", file)
    assert code == 0, err
    assert "1 unknown item" in err
    assert "1 of them new" in err
    code, out, _ = call("recommend", tmp_path / "run", "--user", "new", "-k", "2")
    assert code == 0
    assert len(out.splitlines()) == 2
    for bad, said in (("user,thing\na,b\n", "item"), ("user,item,time\nnew,i0001,soon\n", "time")):
        file.write_text(bad, encoding="utf-8")
        code, _, err = call("events", "add", tmp_path / "run", file)
        assert code == 1
        assert said in err


def test_what_was_lent_is_taken_back_slowly(rec, world):
    """At the first event an item keeps nearly all that was said of items like it."""
    config = NeighbourConfig()
    told = heard(links(rec.log, config, 50), rec.items.content, 50)
    near = Neighbours(told, 0.95, 1.5, 50, config)
    rec = rec.beside(replace(rec.partners, neighbours=near))
    like = world.catalog.titles[0]
    kind = world.catalog.attribute("category").of_row(0)
    more = rec.with_items(Catalog.of(["new"], [like], None, {"category": [kind]}))
    code = more.items.code("new")

    def said(found):
        near = found.partners.neighbours
        return near.whole[:, code].toarray().ravel()[:120]

    before = said(more)
    assert before.any()
    one = more.with_events(later(more, ["u00003"], ["new"]), refit=True)
    many = more.with_events(later(more, [f"u{n:05d}" for n in range(60)], ["new"] * 60), refit=True)
    size = [float(np.linalg.norm(x)) for x in (before, said(one))]
    assert abs(size[1] / size[0] - 50 / 51) < 0.2
    assert np.corrcoef(before, said(one))[0, 1] > 0.8
    assert np.corrcoef(before, said(many))[0, 1] < np.corrcoef(before, said(one))[0, 1]


def test_an_item_of_which_nothing_is_known_is_listed_once_it_has_events(rec, tmp_path):
    with pytest.warns(NothingKnown):
        more = rec.with_items(Catalog.of(["void"], [""]))
    assert "void" not in names(more.recommend("u00003", k=500))
    more.save(tmp_path / "run")
    again = Recommender.load(tmp_path / "run")
    assert "void" not in names(again.recommend("u00003", k=500))
    found = again.with_events(later(again, ["u00007", "u00008"], ["void", "void"]))
    assert "void" in names(found.recommend("u00003", k=500))


def test_events_that_the_run_holds_are_not_counted_again(rec):
    new = later(rec, ["u00003", "u00003", "newcomer"], ["i0001", "i0002", "i0001"])
    once, report = with_events(rec, new)
    assert report.kept == 3
    twice, report = with_events(once, new, refit=True)
    assert twice is once
    assert report.kept == 0
    assert report.reasons == {HELD: 3}
    assert report.aside["reason"].to_list() == [HELD] * 3
    assert sorted(report.aside["row"].to_list()) == [1, 2, 3]
    time = rec.log.time.max() + 3600 * np.array([1, 1, 1, 5])
    more = EventLog.of(["u00003"] * 4, ["i0001", "i0001", "i0009", "i0001"], time=time,
                       behaviour=["view", "purchase", "view", "view"])  # fmt: skip
    with pytest.warns(LeftOut, match="1 already in the run"):
        third = once.with_events(more)  # another kind, item or time is another event
    assert len(third.log) == len(once.log) + 3


def test_events_of_the_training_are_held_too(rec):
    old = rec.log.to_frame().head(20)
    again = EventLog.of(
        old["user"].to_list(), old["item"].to_list(), behaviour=old["behaviour"].to_list(),
        time=old["time"].to_numpy(), query=[""] * 20,
    )  # fmt: skip
    found, report = with_events(rec, again)
    assert found is rec
    assert report.reasons == {HELD: 20}


def test_the_same_file_twice_changes_nothing(rec, tmp_path, call):
    rec.save(tmp_path / "run")
    file = tmp_path / "new.csv"
    stamp = int(rec.log.time.max()) + 3600
    file.write_text(f"user,item,time\nnew,i0001,{stamp}\nnew,i0002,{stamp}\n", encoding="utf-8")
    call("events", "add", tmp_path / "run", file)
    before = (tmp_path / "run" / "manifest.json").read_bytes()
    code, _, err = call("events", "add", tmp_path / "run", file)
    assert code == 0, err
    assert "0 kept, kept aside: 2 already in the run" in err
    assert "0 of them new" in err
    assert (tmp_path / "run" / "manifest.json").read_bytes() == before


def test_without_times_all_are_counted_and_that_is_said(rec, tmp_path, call):
    timeless = replace(rec, log=replace(rec.log, time=None))
    Recommender.save(timeless, tmp_path / "run")
    file = tmp_path / "new.csv"
    file.write_text("user,item\nu00003,i0001\n", encoding="utf-8")
    for _ in range(2):
        code, _, err = call("events", "add", tmp_path / "run", file, "--no-refit")
        assert code == 0, err
        assert "1 kept" in err
        assert "without times nobody can tell" in err
    assert len(Recommender.load(tmp_path / "run").log) == len(rec.log) + 2


def test_frames_are_read(rec):
    log = later(rec, ["f0", "f0"], list(rec.items.ids[:2]))
    frame = log.to_frame().rename({"user": "user_id", "item": "item_id"})
    assert rec.with_events(frame).recommend("f0", k=5) == rec.with_events(log).recommend("f0", k=5)
    title = rec.catalog.titles[0]
    items = pl.DataFrame({"item_id": ["new"], "title": [title]})
    found = rec.with_items(items)
    assert names(found.similar(text=title, k=2)).count("new") == 1
    facts = pl.DataFrame({"head": ["new"], "relation": ["category"], "tail": ["hats"]})
    told = found.with_facts([("new", "category", "hats")])
    assert names(found.with_facts(facts).similar("new")) == names(told.similar("new"))
