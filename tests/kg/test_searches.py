"""Searches beside the item events of the same histories, and both in one sequence."""

from dataclasses import replace

import numpy as np

from kg.clean import clean
from kg.events import EventLog
from kg.ids import Vocab
from kg.searches import Search, Searches, query_texts
from kg.sequences import Sequences
from kg.testing import tiny

ITEMS = Vocab(("a", "b", "c"), "item")
EVENTS = [  # user, item, query
    ("u1", "a", ""), ("u1", "", "red"), ("u1", "", "blue"), ("u1", "b", ""), ("u1", "", "red"),
    ("u2", "", "red"), ("u3", "c", ""), ("u3", "a", ""), ("u4", "", "blue"), ("u4", "a", ""),
]  # fmt: skip


def histories(time=True):
    user, item, query = zip(*EVENTS, strict=True)
    kinds = ["search" if q else "view" for q in query]
    stamps = 10**9 + 7 * np.arange(len(EVENTS)) if time else None
    log = EventLog.of(user, item, query=query, behaviour=kinds, time=stamps)
    return Sequences.of(clean(log, ITEMS)[0])


def test_item_events_are_what_they_are_without_searches():
    own = histories()
    assert own.lengths.tolist() == [2, 0, 2, 1]
    assert own.item.tolist() == [0, 1, 2, 0, 0]
    assert own.searches.texts == ("blue", "red")
    assert own.searches.offsets.tolist() == [0, 3, 4, 4, 5]
    assert own.searches.after.tolist() == [1, 1, 2, 0, 0]
    assert own.searches.text.tolist() == [1, 0, 1, 1, 0]
    assert own.search_share == 2 / 5
    assert Sequences.of(tiny().log).search_share == 1 / 14


def test_interleaved_keeps_the_order_of_the_log():
    own = histories()
    both = own.interleaved(np.array([0, 1]))
    assert both.lengths.tolist() == [5, 1, 2, 2]
    assert both.item.tolist() == [0, 4, 3, 1, 4, 4, 2, 0, 3, 0]
    assert both.behaviour.tolist() == [1, 0, 0, 1, 0, 0, 1, 1, 0, 1]
    assert both.time.tolist() == (10**9 + 7 * np.arange(10)).tolist()
    assert both.place.tolist() == [0, 0, 0, 1, 1, -1, 0, 1, -1, 0]
    assert both.whole is own
    assert histories(time=False).interleaved(np.array([0, 1])).item.tolist() == both.item.tolist()


def test_a_text_without_a_number_is_left_out():
    red = histories().interleaved(np.array([-1, 0]))
    assert red.item.tolist() == [0, 3, 1, 3, 3, 2, 0, 0]
    assert red.lengths.tolist() == [4, 1, 2, 1]


def test_histories_taken_keep_their_own_searches():
    own = histories()
    some = own.take(np.array([3, 0, 3])).interleaved(np.array([0, 1]))
    assert some.item.tolist() == [3, 0, 0, 4, 3, 1, 4, 3, 0]
    assert own.take(np.array([2])).interleaved(np.array([0, 1])).item.tolist() == [2, 0]


def test_without_searches_there_is_nothing_to_interleave():
    own = replace(histories(), searches=None)
    assert own.interleaved(np.array([0])) is own


def test_a_live_history_and_a_log_without_searches():
    live = Searches.single(["a", Search("red"), "b", Search("blue"), Search("red")], 4)
    assert live.after.tolist() == [1, 2, 2]
    assert [live.texts[n] for n in live.text] == ["red", "blue", "red"]
    assert live.behaviour.tolist() == [4, 4, 4]
    assert Searches.single(["a"], 0) is None
    plain = EventLog.of(["u"], ["a"])
    assert Searches.of(plain) is None
    assert len(query_texts(plain)) == 0
