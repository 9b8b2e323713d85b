"""What people turned down, by ids: kept with the data, taken back by a later event."""

import numpy as np
import pytest

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.clean import clean
from kg.declined import Declined
from kg.errors import DataError
from kg.events import EventLog
from kg.ids import Vocab
from kg.schema import DECLINED, TAKEN_BACK
from kg.storage import Dataset, load_dataset, save_dataset

ITEMS = Vocab.of(["x", "y", "z"], "item")


def log(*rows):
    user, item, kind, time = zip(*rows, strict=True)
    return EventLog.of(user, item, behaviour=kind, time=[1_700_000_000 + t for t in time])


def pairs(declined, known):
    user, item = declined.standing(known)
    return {*zip(known.users.decode(user), known.items.decode(item), strict=True)}


def test_what_is_turned_down_is_one_of_what_says_no():
    assert DECLINED < TAKEN_BACK
    assert not {"return", "refund", "cancel", "skip"} & DECLINED


def test_cleaning_remembers_who_turned_what_down():
    kept, report = clean(
        log(("u", "x", "view", 1), ("u", "y", "notInterested", 2), ("v", "z", "踩", 3),
            ("u", "z", "refund", 4), ("u", "q", "dislike", 5), ("v", "x", "view", 6)),
        ITEMS,
    )  # fmt: skip
    assert report.reasons == {"taken back": 3, "unknown item": 1}
    assert pairs(report.declined, kept) == {("u", "y"), ("v", "z")}
    assert str(report).endswith("; 2 hide an item from a person")
    assert "hide" not in str(clean(log(("u", "x", "view", 1)), ITEMS)[1])


def test_a_later_event_takes_it_back():
    kept, report = clean(
        log(("u", "x", "view", 1), ("u", "x", "dislike", 2), ("u", "y", "dislike", 3),
            ("u", "y", "view", 4), ("v", "y", "view", 1)),
        ITEMS,
    )  # fmt: skip
    assert pairs(report.declined, kept) == {("u", "x")}
    untimed = Declined(report.declined.user, report.declined.item)
    assert pairs(untimed, kept) == {("u", "x"), ("u", "y")}


def test_nothing_else_is_no_log_unless_asked_for():
    only = log(("u", "x", "dismiss", 1))
    with pytest.raises(DataError, match="No valid event is left of 1"):
        clean(only, ITEMS)
    kept, report = clean(only, ITEMS, least=0)
    assert (len(kept), len(report.declined)) == (0, 1)
    with pytest.raises(DataError, match="No valid event is left of 1"):
        clean(log(("u", "x", "impression", 1)), ITEMS, least=0)


def test_kept_with_the_data_joined_and_forgotten(tmp_path):
    kept, report = clean(log(("u", "x", "view", 1), ("u", "y", "hide", 2)), ITEMS)
    catalog = Catalog.of(ITEMS.ids)
    data = Dataset(kept, catalog, build_graph(kept, catalog), declined=report.declined)
    save_dataset(tmp_path / "data", data)
    assert load_dataset(tmp_path / "data").declined == report.declined
    assert len(report.declined.joined(report.declined)) == 1
    more = report.declined.joined(Declined(("v",), ("z",), np.array([5])))
    assert (more.user, more.item, len(more.time)) == (("u", "v"), ("y", "z"), 2)
    assert more.without({"u"}).user == ("v",)
    assert Declined().joined(more) == more == more.joined(Declined())
