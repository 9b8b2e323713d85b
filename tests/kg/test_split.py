"""Splits: by hand on small logs, and the promise that no part sees the future."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.schema import Behaviour
from kg.split import Split, known_share, leave_one_out, make_split, merged, temporal_split


def rows(log: EventLog) -> list[int]:
    assert log.row is not None
    return log.row.tolist()


def test_leave_one_out_by_hand_with_tied_times() -> None:
    # u: rows 1, 3, 5 and 6, of which 3, 5 and 6 share one second; v: rows 2 and 4; w: row 7
    log = EventLog.of(
        ["u", "v", "u", "v", "u", "u", "w"],
        ["a", "a", "b", "c", "c", "a", "b"],
        time=np.array([1, 9, 5, 8, 5, 5, 5]),
    )
    split = leave_one_out(log)
    assert rows(split.train) == [1, 3, 4, 2, 7]  # v has too few for both, w for any
    assert rows(split.valid) == [5]
    assert rows(split.test) == [6]
    alone = leave_one_out(log, valid=False)
    assert rows(alone.train) == [1, 3, 5, 4, 7]
    assert rows(alone.valid) == []
    assert rows(alone.test) == [6, 2]
    assert rows(leave_one_out(log, test=False).valid) == [6, 2]
    assert rows(leave_one_out(log, minimum=2).test) == [6]
    assert rows(leave_one_out(log, minimum=3).test) == []


def test_a_search_goes_with_the_item_event_before_it() -> None:
    log = EventLog.of(
        ["u"] * 7,
        [None, "a", None, "b", None, "c", None],
        query=["q1", "", "q2", "", "q3", "", "q4"],
        behaviour=["search", "view"] * 3 + ["search"],
    )
    split = leave_one_out(log)
    assert rows(split.train) == [1, 2, 3]
    assert rows(split.valid) == [4, 5]
    assert rows(split.test) == [6, 7]
    assert split.valid.has_item.sum() == split.test.has_item.sum() == 1
    assert rows(split.before_test()) == [1, 2, 3, 4, 5]


def test_temporal_split_by_hand() -> None:
    time = np.array([10, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    log = EventLog.of(["u", "v"] * 5, list("abcdefghij"), time=time)
    split = temporal_split(log, test=0.2, valid=0.3)
    assert sorted(split.train.time.tolist()) == [1, 2, 3, 4, 5]  # type: ignore[union-attr]
    assert sorted(split.valid.time.tolist()) == [6, 7, 8]  # type: ignore[union-attr]
    assert sorted(split.test.time.tolist()) == [9, 10]  # type: ignore[union-attr]


@pytest.mark.parametrize("share", [0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9])
def test_shares_of_ten_are_exact(share: float) -> None:
    log = EventLog.of(["u"] * 10, ["a"] * 10, time=np.arange(1, 11))
    assert len(temporal_split(log, test=share, valid=0).test) == round(10 * share)


def test_events_of_one_second_stay_together() -> None:
    log = EventLog.of(["u"] * 4, list("abcd"), time=np.array([1, 2, 2, 2]))
    split = temporal_split(log, test=0.25, valid=0)
    assert rows(split.train) == [1]
    assert rows(split.test) == [2, 3, 4]


EVENTS = st.lists(
    st.tuples(st.sampled_from("uvw"), st.sampled_from(["a", "b", "c", ""]), st.integers(1, 6)),
    min_size=1,
    max_size=40,
)
SHARES = st.sampled_from([0.0, 0.1, 0.25, 0.4])


def log_of(events: list[tuple[str, str, int]]) -> EventLog:
    time = np.array([event[2] for event in events])
    return EventLog.of([e[0] for e in events], [e[1] for e in events], time=time)


def check_partition(log: EventLog, split: Split) -> None:
    parts = (split.train, split.valid, split.test)
    assert sorted(row for part in parts for row in rows(part)) == sorted(rows(log))
    for part in parts:
        assert (part.users, part.items) == (log.users, log.items)
        kept = [row for row in rows(log) if row in set(rows(part))]
        assert rows(part) == kept  # the order of the log


@given(EVENTS, st.booleans(), st.booleans(), st.integers(1, 3))
def test_leave_one_out_is_a_partition_and_each_user_keeps_the_past(
    events: list[tuple[str, str, int]], valid: bool, test: bool, minimum: int
) -> None:
    log = log_of(events)
    split = leave_one_out(log, valid=valid, test=test, minimum=minimum)
    check_partition(log, split)
    place = {row: at for at, row in enumerate(rows(log))}
    held = int(valid) + int(test)
    for user in range(len(log.users)):
        own = [part.take(part.user == user) for part in (split.train, split.valid, split.test)]
        places = [place[row] for part in own for row in rows(part)]
        assert places == sorted(places)  # train before valid before test
        items = [int(part.has_item.sum()) for part in own]
        gives = sum(items) >= minimum + held
        assert items[1:] == [int(valid and gives), int(test and gives)]


@given(EVENTS, SHARES, SHARES)
def test_temporal_split_is_a_partition_without_a_look_ahead(
    events: list[tuple[str, str, int]], test: float, valid: float
) -> None:
    log = log_of(events)
    assert log.time is not None
    first = int((log.time == log.time.min()).sum())
    room = len(log) * (1 - test - valid) + 1e-9  # so many events may be training
    if test + valid > 0 and first > int(room):
        with pytest.raises(DataError, match="training part of a split must hold at least one"):
            temporal_split(log, test=test, valid=valid)
        return
    split = temporal_split(log, test=test, valid=valid)
    check_partition(log, split)
    times = [part.time for part in (split.train, split.valid, split.test)]
    earlier = -1
    for stamps in times:
        assert stamps is not None
        if stamps.size:
            assert stamps.min() > earlier
            earlier = stamps.max()
    if test > 0:
        assert len(split.test) >= test * len(log) - 1e-6


def test_times_and_shares_are_needed() -> None:
    log = EventLog.of(["u"], ["a"])
    with pytest.raises(UsageError, match="temporal_split needs times"):
        temporal_split(log)
    for test, valid in ((1.0, 0.0), (-0.1, 0.0), (0.5, 0.5)):
        with pytest.raises(UsageError, match=f"Got {test} and {valid}"):
            temporal_split(log_of([("u", "a", 1)]), test=test, valid=valid)
    with pytest.raises(DataError, match="must hold at least one event"):
        temporal_split(EventLog.of([], [], time=np.array([], np.int64)))
    with pytest.raises(DataError, match="training part"):
        temporal_split(log_of([("u", "a", 1)] * 3))


def test_merged_sorts_again_and_ties_keep_the_first_log_first() -> None:
    log = EventLog.of(
        ["u", "u", "v"], ["a", "b", "a"], time=np.array([5, 5, 1]), value=np.array([1.0, 2, 3]),
        query=["x", "y", "z"],
    )  # fmt: skip
    back = merged(log.take(np.array([1])), log.take(np.array([0, 2])))
    assert rows(back) == [2, 1, 3]
    assert back.query == ("y", "x", "z")
    assert back.value is not None
    assert back.value.tolist() == [2.0, 1.0, 3.0]


def test_merged_interleaves_by_time() -> None:
    log = EventLog.of(["u"] * 4, list("abcd"), time=np.array([1, 2, 3, 4]))
    back = merged(log.take(np.array([1, 3])), log.take(np.array([0, 2])))
    assert back.to_frame().equals(log.to_frame())


@given(EVENTS)
def test_before_test_is_the_log_without_the_test(events: list[tuple[str, str, int]]) -> None:
    log = log_of(events)
    split = leave_one_out(log)
    hidden = set(rows(split.test))
    assert rows(split.before_test()) == [row for row in rows(log) if row not in hidden]


def test_only_like_logs_are_merged() -> None:
    first, other = EventLog.of(["u"], ["a"]), EventLog.of(["u"], ["b"])
    cart = EventLog(first.users, first.items, (Behaviour("cart"),), first.user, first.item,
                    first.behaviour)  # fmt: skip
    for second in (other, cart):
        with pytest.raises(DataError, match="same users, items and behaviours"):
            merged(first, second)


def test_refitted_leaves_the_test_part_and_remembers_the_period():
    log = EventLog.of(np.repeat(np.arange(4), 25), np.arange(100) % 7, time=np.arange(100) * 3600)
    split = temporal_split(log)
    whole = split.refitted()
    assert whole.train.row.tolist() == split.before_test().row.tolist()
    assert len(whole.valid) == 0
    assert whole.test is split.test
    assert whole.by_time
    assert whole.period == split.period > 0
    assert whole.refitted().train.row.tolist() == whole.train.row.tolist()


@pytest.mark.parametrize("people", [20, 400])
def test_the_end_of_the_log_is_held_out_where_people_come_back(people: int) -> None:
    """2,000 events a minute apart, items met again; of 20 people in turn, or of sessions of 5."""
    place = np.arange(2000)
    user = place % people if people == 20 else place // 5
    log = EventLog.of(user, place % 3, time=place * 60)
    found = make_split(log, "none")
    assert found.by_time == (people == 20)
    assert len(found.test) == 0 < len(found.valid)
    assert known_share(temporal_split(log, test=0)) == (people == 20)
    assert make_split(log, "time").by_time


def test_nobody_in_the_validation_part_is_known() -> None:
    assert known_share(leave_one_out(EventLog.of(["u"], ["a"]))) == 0


@pytest.mark.parametrize(
    ("word", "told"),
    [("test", "none, last or time"), ("Last", "Did you mean 'last'"), (None, "Got None instead")],
)
def test_an_unknown_way_to_hold_out_is_refused(word, told):
    log = EventLog.of(["u"] * 4, list("abcd"))
    with pytest.raises(UsageError, match=told):
        make_split(log, word)


@pytest.mark.parametrize("word", ["Valid", "tst", None])
def test_an_unknown_part_is_refused(word):
    split = leave_one_out(EventLog.of(["u"] * 4, list("abcd")))
    with pytest.raises(UsageError, match=r"The part of a split must be valid or test\. Got"):
        split.part(word)


def test_a_training_part_that_holds_what_is_held_out_is_refused():
    log = EventLog.of(["u"] * 5, list("abcab"), time=np.arange(5))
    split = leave_one_out(log)
    with pytest.raises(UsageError, match="1 of the 1 events of test are in train too"):
        Split(log, split.valid.take(np.zeros(0, np.int64)), split.test)
    with pytest.raises(UsageError, match="1 of the 1 events of valid are in train too"):
        Split(split.before_test(), split.valid, split.test)
    with pytest.raises(DataError, match="same users, items and behaviours"):
        Split(split.train, split.valid, EventLog.of(["u"], ["z"]))
    other = EventLog.of(["u", "u"], ["c", "a"], time=np.array([7, 8]))  # rows of another file
    same = replace(split.test, row=other.row[:1], time=other.time[:1])
    assert len(Split(split.train, split.valid, same).test) == 1
