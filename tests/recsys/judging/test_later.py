"""A run judged by later events: its lists of now, the people it knows, beside another run."""

import json
from dataclasses import replace

import numpy as np
import pytest

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.errors import DataError
from kg.events import EventLog
from kg.storage import Dataset
from kg.testing import planted
from recsys.judging.later import Later, judge_later
from recsys.training.config import RunConfig
from recsys.training.fit import fit
from recsys.training.settings import TrainConfig

PEOPLE = ("u00001", "u00002", "u00003", "u00004")


@pytest.fixture(scope="module")
def rec():
    world = planted(np.random.default_rng(1), users=60, items=40, events=8)
    data = Dataset(world.log, world.catalog, build_graph(world.log, world.catalog))
    return fit(data, "hash", RunConfig(train=TrainConfig(max_epochs=2))).recommender


def events(rec, people, items, later=1):
    time = int(rec.log.time.max()) + 60 * (later + np.arange(len(items)))
    return EventLog.of(people, items, behaviour="view", time=time)


def best(rec, place):
    """What stands at this place (from 0) of each person's list."""
    return [rec.recommend(user, k=20)[place].item for user in PEOPLE]


def test_lists_are_judged_as_they_are_served(rec):
    for place, ndcg in ((0, 1.0), (2, 0.5), (15, 0.0)):
        later = Later.of(rec, events(rec, PEOPLE, best(rec, place)))
        report = judge_later(rec, later)
        assert report.ids == PEOPLE
        assert report.metrics["ndcg@10"] == pytest.approx(ndcg)
        assert report.metrics["hr@20"] == 1
    taken = best(rec, 0)
    bare = rec.without_items([taken[0]])
    missed = judge_later(bare, Later.of(bare, events(rec, PEOPLE, taken)))
    assert missed.per_user["ndcg@10"][0] == 0


def test_items_that_came_later_or_are_told_anew_count(rec):
    taken = best(rec, 0)
    more = rec.with_items(Catalog.of([taken[0], "new"], ["Another name", "A new thing"]))
    later = Later.of(more, events(rec, PEOPLE, [taken[0], *taken[1:3], "new"]))
    assert later.target.item.tolist() == [more.items.code(key) for key in (*taken[:3], "new")]
    place = [one.item for one in more.recommend(PEOPLE[0], k=20)].index(taken[0])
    found = judge_later(more, later).per_user["mrr@20"][0]
    assert found == pytest.approx(1 / (place + 1))


def test_what_cannot_be_judged_by_is_counted(rec):
    taken = best(rec, 0)
    old = rec.log.take(np.arange(3))
    new = events(rec, [*PEOPLE, "stranger"], [*taken, taken[0]])
    frame = old.to_frame().select("user", "item", "behaviour", "time").vstack(
        new.to_frame().select("user", "item", "behaviour", "time")
    )  # fmt: skip
    columns = {name: frame[name].to_list() for name in ("behaviour", "time")}
    both = EventLog.of(frame["user"].to_list(), frame["item"].to_list(), **columns)
    later = Later.of(rec, both)
    assert (later.old, later.strangers, len(later.target)) == (3, 1, 4)
    with pytest.raises(DataError, match=r"of 3, 3 are not after.*0 are of people"):
        Later.of(rec, replace(old, row=None))


def test_two_runs_are_judged_by_the_same_events(rec):
    """An item that one does not know is one that it misses; what one has heard judges neither."""
    taken = best(rec, 0)
    more = rec.with_items(Catalog.of(["new"], ["A new thing"]))
    more = more.with_events(events(rec, ["u00009"], [taken[0]]))
    new = events(more, PEOPLE, [*taken[:3], "new"])
    late = [Later.of(rec, new, more), Later.of(more, new, rec)]
    for later in late:
        assert (later.people, len(later.target)) == ([*PEOPLE], 4)
    assert judge_later(rec, late[0]).per_user["hr@20"].tolist() == [1, 1, 1, 0]
    assert Later.of(rec, new).people == [*PEOPLE[:3]]
    old = events(rec, PEOPLE, taken, later=0)  # the first is not after the last event of `more`
    assert Later.of(rec, old).old == 1
    assert Later.of(rec, old, more).old == 2


def test_two_runs_by_the_command_line(rec, call, tmp_path):
    taken = best(rec, 0)
    rec.save(tmp_path / "good")
    rec.without_items(taken[:3]).save(tmp_path / "poor")
    file = tmp_path / "today.csv"
    new = events(rec, [*PEOPLE, "stranger"], [*taken, taken[0]])
    rows = zip(*(new.to_frame()[name].to_list() for name in ("user", "item", "time")), strict=True)
    file.write_text("who,what,time\n" + "".join(f"{u},{i},{t}\n" for u, i, t in rows))
    code, out, err = call(
        "evaluate", tmp_path / "good", "--on", file, "--columns", "user=who,item=what",
        "--beside", tmp_path / "poor", "--json",
    )  # fmt: skip
    assert code == 0, err
    good, poor = [json.loads(line) for line in out.splitlines()]
    assert (good["users"], good["ndcg@10"], good["gain"]) == (4, 1.0, 0.0)
    assert poor["gain"] == pytest.approx(poor["ndcg@10"] - 1)
    assert poor["gain"] < -0.5
    assert "1 of people whom it does not know; 4 to judge by" in err
    assert call("evaluate", tmp_path / "good", "--beside", tmp_path / "poor")[0] == 2
    assert call("evaluate", tmp_path / "good", "--on", file, "--groups", "history")[0] == 2
