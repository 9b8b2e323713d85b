"""What somebody turned down is in no list of theirs, and in everybody else's."""

import json
import warnings
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.errors import DataError
from kg.events import EventLog
from kg.storage import Dataset
from kg.testing import planted
from recsys import Recommender
from recsys.judging.as_of import as_of
from recsys.serving.forgotten import forgotten
from recsys.training.config import RunConfig
from recsys.training.fit import fit
from recsys.training.settings import TrainConfig

USER = "u00003"


@pytest.fixture(scope="module")
def fitted():
    world = planted(np.random.default_rng(1), users=60, items=40, events=8)
    data = Dataset(world.log, world.catalog, build_graph(world.log, world.catalog))
    return fit(data, "hash", RunConfig(train=TrainConfig(max_epochs=2)), hold_out="last")


@pytest.fixture(scope="module")
def rec(fitted):
    return fitted.recommender


def names(found):
    return [one.item for one in found]


def told(rec, items, kind="dislike", user=USER, later=1):
    time = int(rec.log.time.max()) + 60 * (later + np.arange(len(items)))
    return EventLog.of([user] * len(items), items, behaviour=kind, time=time)


def test_in_no_list_of_theirs(rec, tmp_path):
    best = names(rec.recommend(USER, k=3))
    found = rec.with_events(told(rec, best[:2]))
    found.save(tmp_path / "run")
    for run in (found, Recommender.load(tmp_path / "run")):
        assert names(run.recommend(USER, k=1)) == best[2:]
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # no filter was asked for
            assert len(run.recommend(USER, k=40, filter_seen=False)) == 38
        for asked in ({}, {"filter_seen": False}, {"diversity": 0.5}):
            assert not {*best[:2]} & {*names(run.recommend(USER, k=40, **asked))}
        lists = pl.concat(run.recommend_all(40, filter_seen=False))
        own = lists.filter(user_id=USER)["item_id"].to_list()
        assert not {*best[:2]} & {*own}
        assert len(own) == 38
        assert lists.filter(user_id="u00005")["item_id"].n_unique() == 40
        scores = run.score(USER, best)
        assert scores[2] > -np.inf
        assert (scores[:2] == -np.inf).all()
    assert found.histories.lengths.tolist() == rec.histories.lengths.tolist()  # no event
    assert names(rec.recommend(USER, k=3)) == best


def test_a_later_event_brings_it_back(rec):
    best = names(rec.recommend(USER, k=1))
    gone = rec.with_events(told(rec, best))
    assert best[0] not in names(gone.recommend(USER, k=40, filter_seen=False))
    back = gone.with_events(told(rec, best, "view", later=100))
    assert best[0] in names(back.recommend(USER, k=40, filter_seen=False))


def test_an_item_that_came_later_or_is_told_anew(rec):
    found = rec.with_items(Catalog.of(["new"], ["A thing"])).with_events(told(rec, ["new"]))
    assert "new" not in names(found.recommend(USER, k=50))
    assert "new" in names(found.recommend("u00005", k=50))
    best = names(rec.recommend(USER, k=1))
    found = rec.with_events(told(rec, best)).with_items(Catalog.of(best, ["Another name"]))
    assert best[0] not in names(found.recommend(USER, k=50, filter_seen=False))
    assert best[0] in names(found.recommend("u00005", k=50, filter_seen=False))


def test_what_a_new_training_will_not_know_is_told(rec):
    best = names(rec.recommend(USER, k=2))
    data = Dataset(rec.log, rec.catalog, rec.model.graph)
    found = rec.with_events(told(rec, best))
    line = "2 times that somebody turned an item down, in their lists again"
    assert forgotten(found, data) == [line]
    assert forgotten(found, replace(data, declined=found.declined)) == []


def test_it_goes_with_the_person_and_judges_nobody(fitted, rec):
    best = names(rec.recommend(USER, k=1))
    found = rec.with_events(told(rec, best))
    assert len(found.declined) == 1
    assert not found.without_users([USER]).declined
    assert not as_of(found, fitted.split, "test").declined


def test_of_the_data_of_a_training_and_by_the_command_line(tmp_path, call):
    rows = [
        f"u{n},i{(n + m) % 6},view,{1_700_000_000 + 100 * m}" for n in range(12) for m in (0, 1)
    ]
    (tmp_path / "events.csv").write_text(
        "user_id,item_id,event,timestamp\n" + "\n".join([*rows, "u1,i5,不感兴趣,1700009999"]) + "\n"
    )
    titles = [f"i{n},Thing {n}" for n in range(6)]
    (tmp_path / "items.csv").write_text("item_id,title\n" + "\n".join(titles) + "\n")
    code, _, err = call("build", tmp_path / "events.csv", tmp_path / "items.csv", "-o",
                        tmp_path / "data")  # fmt: skip
    assert (code, "1 taken back (不感兴趣); 1 hide an item from a person" in err) == (0, True)
    run = tmp_path / "run"
    assert (
        call("train", tmp_path / "data", "-o", run, "--encoder", "hash", "--max-epochs", 1)[0] == 0
    )

    def lists(user):
        code, out, err = call("recommend", run, "--user", user, "-k", 6, "--json")
        assert code == 0, err
        return [json.loads(line)["item"] for line in out.splitlines()]

    assert "i5" not in lists("u1")
    assert "i5" in lists("u0")
    (tmp_path / "more.csv").write_text(
        "user_id,item_id,event,timestamp\nu0,i5,dismiss,1700010000\n"
    )
    code, _, err = call("events", "add", run, tmp_path / "more.csv")
    assert code == 0, err
    assert "i5" not in lists("u0")


def test_a_run_that_grew_and_hears_a_refusal_is_saved(rec, tmp_path):
    grown = rec.with_items(Catalog.of(["new", "i0003"], ["A thing", "Another name"]))
    both = EventLog.of([USER, "u00005"], ["new", "new"], behaviour=["dislike", "view"],
                       time=[int(rec.log.time.max()) + n for n in (1, 2)])  # fmt: skip
    for new in (told(grown, ["new"]), both):
        found = grown.with_events(new)
        assert found.learned.items == rec.log.items
        found.save(tmp_path / "run")
        for run in (found, Recommender.load(tmp_path / "run")):
            assert "new" not in names(run.recommend(USER, k=50, filter_seen=False))


def test_who_only_turned_something_down(rec):
    best = names(rec.recommend(history=[], k=1))
    found = rec.with_events(told(rec, best, user="stranger"))
    assert found.declined.user == ("stranger",)
    assert not found.without_users(["stranger"]).declined
    with pytest.raises(DataError, match="which have times"):
        found.with_events(EventLog.of(["u00002"], best, behaviour=["dislike"]))
