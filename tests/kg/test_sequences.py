"""Sequences: histories as one ragged array."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.sequences import Sequences


def by_hand() -> Sequences:
    """u: b, a, b; v: only a search; w: c."""
    log = EventLog.of(
        ["u", "w", "u", "v", "u"],
        ["a", "c", "b", None, "b"],
        behaviour=["view", "cart", "view", "search", "cart"],
        time=np.array([5, 1, 3, 2, 9]),
    )
    return Sequences.of(log)


def test_histories_are_oldest_first_and_searches_are_left_out() -> None:
    histories = by_hand()
    assert len(histories) == 3
    assert histories.offsets.tolist() == [0, 3, 3, 4]
    assert histories.lengths.tolist() == [3, 0, 1]
    assert [histories.items_of(row).tolist() for row in range(3)] == [[1, 0, 1], [], [2]]
    assert histories.time is not None
    assert histories.time.tolist() == [3, 5, 9, 1]
    assert histories.behaviour.tolist() == [2, 2, 0, 0]  # cart, search, view
    assert histories.num_items == 3


def test_take_in_any_order_and_twice() -> None:
    part = by_hand().take(np.array([2, 0, 1, 2]))
    assert [part.items_of(row).tolist() for row in range(4)] == [[2], [1, 0, 1], [], [2]]
    assert part.time is not None
    assert part.time.tolist() == [1, 3, 5, 9, 1]
    assert len(by_hand().take(np.array([], np.int64))) == 0


def test_the_matrix_says_who_touched_what() -> None:
    histories = by_hand()
    assert histories.matrix().toarray().tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 1]]
    weights = np.array([1, 2, 4, 8], np.float32)
    assert histories.matrix(weights).toarray().tolist() == [[2, 5, 0], [0, 0, 0], [0, 0, 8]]
    assert histories.item.tolist() == [1, 0, 1, 2]  # untouched
    assert histories.offsets.tolist() == [0, 3, 3, 4]


def test_one_history_by_its_items() -> None:
    one = Sequences.single(np.array([2, 0]), 5)
    assert len(one) == 1
    assert one.items_of(0).tolist() == [2, 0]
    assert one.time is None
    assert one.matrix().toarray().tolist() == [[1, 0, 1, 0, 0]]
    assert Sequences.single(np.array([]), 5).lengths.tolist() == [0]


@given(st.lists(st.lists(st.integers(0, 4), max_size=5), max_size=6), st.data())
def test_take_agrees_with_lists(histories: list[list[int]], data: st.DataObject) -> None:
    lengths = [len(history) for history in histories]
    flat = np.array([item for history in histories for item in history], np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    all_ = Sequences(offsets, flat, np.zeros(len(flat), np.int64), None, 5)
    rows = data.draw(st.lists(st.integers(0, len(histories) - 1))) if histories else []
    part = all_.take(np.array(rows, np.int64))
    assert [part.items_of(at).tolist() for at in range(len(part))] == [histories[r] for r in rows]


@pytest.mark.parametrize(
    ("offsets", "behaviour", "rule"),
    [
        ([0, 1], [0, 0], "end with the 2 events"),
        ([1, 2], [0, 0], "begin with 0"),
        ([], [0, 0], "begin with 0"),
        ([0, 2, 1, 2], [0, 0], "must not fall"),
        ([0, 2], [0], "behaviour must have one entry"),
    ],
)
def test_ragged_arrays_are_checked(offsets: list[int], behaviour: list[int], rule: str) -> None:
    with pytest.raises(DataError, match=rule):
        Sequences(np.array(offsets, np.int64), np.array([0, 1]), np.array(behaviour), None, 2)


@given(st.lists(st.lists(st.integers(0, 3), max_size=8), min_size=1, max_size=5))
def test_the_share_of_repeats_against_a_slow_loop(rows: list[list[int]]) -> None:
    item = np.array([i for row in rows for i in row], np.int64)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    histories = Sequences(offsets, item, np.zeros(len(item), np.int64), None, 4)
    again = [i in row[:at] for row in rows for at, i in enumerate(row)]
    assert histories.repeat_share == pytest.approx(np.mean(again) if again else 0.0)


def test_what_follows_a_visit_by_hand() -> None:
    log = EventLog.of(
        ["u"] * 5 + ["v"] * 2, list("abcdeab"), time=np.array([0, 10, 100, 105, 300, 0, 900])
    )
    histories = Sequences.of(log)
    assert histories.visits(50).tolist() == [0, 0, 1, 1, 2, 3, 4]
    found = [list(range(*pair)) for pair in zip(*histories.periods(50), strict=True)]
    assert found == [[], [2, 3], [], [4], [], [6], []]
    longer = [list(range(*pair)) for pair in zip(*histories.periods(50, 290), strict=True)]
    assert longer == [[], [2, 3, 4], [], [4], [], [6], []]
    begin, stop = histories.periods(10_000)
    assert not (begin < stop).any()
    untimed = Sequences.single(np.array([1, 2]), 5)
    assert untimed.visits(50).tolist() == [0, 1]
    with pytest.raises(UsageError, match="times"):
        untimed.periods(1)
    nobody = Sequences(np.zeros(3, np.int64), *np.zeros((3, 0), np.int64), 5)
    assert [len(bound) for bound in nobody.periods(50, 9)] == [0, 0]


def test_what_has_not_been_met_by_hand() -> None:
    log = EventLog.of(["u", "u", "v", "v", "w"], list("abbca"))
    histories = Sequences.of(log.take(np.array([0, 2])))  # u has a, v has b
    left = histories.unmet(log)
    assert left.users.decode(left.user) == ["u", "v", "w"]
    assert left.items.decode(left.item) == ["b", "c", "a"]
