"""Cleaning: what is kept aside is counted under its first reason."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kg.clean import CleanConfig, clean
from kg.errors import DataError
from kg.events import EventLog, read_events
from kg.ids import Vocab

ITEMS = Vocab(("a", "b", "c", "d"), "item")
NOW = 1_000_000.0
DAY = 86400


def test_every_reason_once(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_text(
        "user,item,time,query\n"
        "u,a,100,\n"  # kept
        ",b,100,\n"  # no user
        "u,z,100,\n"  # unknown item
        "u,,100,\n"  # no item, no query
        "u,,101,boots\n"  # kept: a search
        "u,b,soon,\n"  # no time
        "u,b,-5,\n"  # impossible
        "u,b,0,\n"  # impossible
        "u,b,4102444800,\n"  # impossible: the year 2100
        "u,a,100,\n"  # duplicate
        "v,b,100,\n"  # kept
    )
    log, report = clean(EventLog.read(path), ITEMS, now=NOW)
    assert report.reasons == {
        "no user": 1, "unknown item": 1, "no item": 1, "no time": 1, "impossible time": 3,
        "duplicate": 1,
    }  # fmt: skip
    assert (report.read, report.kept) == (11, 3)
    assert log.users.ids == ("u", "v")
    assert log.items == ITEMS
    assert log.item.tolist() == [0, -1, 1]
    assert log.query == ("", "boots", "")
    aside = {row["row"]: (row["user"], row["reason"]) for row in report.aside.to_dicts()}
    assert aside == {
        2: ("", "no user"), 3: ("u", "unknown item"), 4: ("u", "no item"), 6: ("u", "no time"),
        7: ("u", "impossible time"), 8: ("u", "impossible time"), 9: ("u", "impossible time"),
        10: ("u", "duplicate"),
    }  # fmt: skip
    assert str(report).startswith("11 events read, 3 kept, kept aside: ")


def test_the_first_reason_counts() -> None:
    log = EventLog.of(["u", "u"], ["z", "a"], time=np.array([-1, 1]))
    assert clean(log, ITEMS, now=NOW)[1].reasons == {"unknown item": 1}


def test_a_duplicate_agrees_in_all_five_fields() -> None:
    log = EventLog.of(
        ["u"] * 6,
        ["a", "a", "b", "a", "a", "a"],
        behaviour=["view", "view", "view", "cart", "view", "view"],
        time=np.array([1, 1, 1, 1, 2, 1]),
        query=["", "", "", "", "", "boots"],
    )
    kept, report = clean(log, ITEMS, now=NOW)
    assert report.reasons == {"duplicate": 1}
    assert report.aside["row"].to_list() == [2]  # the first one stays
    assert len(kept) == 5
    assert clean(log, ITEMS, CleanConfig(drop_duplicates=False), now=NOW)[1].reasons == {}


def test_repetitions_without_times_are_meant() -> None:
    assert clean(EventLog.of(["u", "u"], ["a", "a"]), ITEMS)[1].reasons == {}


def test_a_bot_is_over_the_limit_within_one_utc_day_and_loses_all() -> None:
    # u: three in one day, and one later; v: three, but over two days
    log = EventLog.of(
        ["u"] * 4 + ["v"] * 3,
        ["a", "b", "c", "d", "a", "b", "c"],
        time=np.array([1, 2, DAY - 1, 5 * DAY, DAY - 2, DAY - 1, DAY]),
    )
    kept, report = clean(log, ITEMS, CleanConfig(max_events_per_day=2), now=NOW)
    assert report.reasons == {"bot": 4}
    assert kept.users.ids == ("v",)
    assert clean(log, ITEMS, CleanConfig(max_events_per_day=3), now=NOW)[1].reasons == {}


def test_duplicates_do_not_make_a_bot() -> None:
    log = EventLog.of(["u"] * 4, ["a"] * 4, time=np.array([1, 1, 1, 2]))
    report = clean(log, ITEMS, CleanConfig(max_events_per_day=2), now=NOW)[1]
    assert report.reasons == {"duplicate": 2}


def test_the_slack_of_the_future() -> None:
    late = int(NOW) + DAY
    log = EventLog.of(["u", "u"], ["a", "b"], time=np.array([late, late + 1]))
    assert clean(log, ITEMS, now=NOW)[1].reasons == {"impossible time": 1}
    assert clean(log, ITEMS, CleanConfig(future_slack_days=2), now=NOW)[1].reasons == {}


def test_behaviours_that_nobody_shows_leave() -> None:
    log = EventLog.of(["u", "u"], ["z", "b"], behaviour=["cart", "view"])
    kept = clean(log, ITEMS)[0]
    assert [kind.name for kind in kept.behaviours] == ["view"]
    assert kept.behaviour.tolist() == [0]


def test_what_is_kept_aside_has_its_time_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "e.csv"
    path.write_text(
        "user,item,time\nv,a,2024-01-02\nv,b,03.01.2024 15:00\nu,a,\nu,b,4.1.2024\nu,a,2100-01-01\n"
    )
    file = read_events(path)
    report = clean(file.log, ITEMS, written=file.times)[1]
    told = report.aside.sort("row").select("row", "time", "reason").rows()
    assert told == [
        (2, "03.01.2024 15:00", "no time"), (3, None, "no time"), (4, "4.1.2024", "no time"),
        (5, "2100-01-01", "impossible time"),
    ]  # fmt: skip
    assert "3 no time (such as '03.01.2024 15:00' in row 2)" in str(report)
    assert "(such as '2100-01-01' in row 5, read as 2100-01-01 00:00:00)" in str(report)
    assert clean(file.log, ITEMS)[1].aside["time"].to_list().count(None) == 3  # never -2**62
    path.write_text("user,item,time\nv,a,2100-01-01\n")
    file = read_events(path)
    with pytest.raises(DataError, match=r"of 1: 1 impossible time \(such as '2100-01-01' in row 1"):
        clean(file.log, ITEMS, written=file.times)


def test_nothing_left_is_an_error_that_counts() -> None:
    with pytest.raises(DataError, match=r"No valid event is left of 2: 2 unknown item"):
        clean(EventLog.of(["u", "u"], ["y", "z"]), ITEMS)


def test_cleaning_twice_changes_nothing() -> None:
    log = EventLog.of(["u", "v", "v"], ["z", "b", "b"], time=np.array([1, 2, 2]))
    once, _ = clean(log, ITEMS, now=NOW)
    twice, report = clean(once, ITEMS, now=NOW)
    assert report.reasons == {}
    assert twice.to_frame().equals(once.to_frame())


@given(
    st.lists(
        st.tuples(st.sampled_from("uv"), st.sampled_from("abz"), st.integers(-1, 3)), min_size=1
    )
)
def test_every_event_is_kept_or_told(rows: list[tuple[str, str, int]]) -> None:
    log = EventLog.of(
        [r[0] for r in rows], [r[1] for r in rows], time=np.array([r[2] for r in rows])
    )
    good = {row for row in rows if row[1] != "z" and row[2] > 0}
    if not good:
        with pytest.raises(DataError, match="No valid event"):
            clean(log, ITEMS, now=NOW)
        return
    kept, report = clean(log, ITEMS, now=NOW)
    assert kept.row is not None
    told = [*kept.row.tolist(), *report.aside["row"].to_list()]
    assert sorted(told) == list(range(1, len(rows) + 1))
    assert report.kept + sum(report.reasons.values()) == report.read == len(rows)
    frame = kept.to_frame()
    assert set(zip(frame["user"], frame["item"], frame["time"], strict=True)) == good
    assert len(kept) == len(good)


@pytest.mark.parametrize("bad", [{"max_events_per_day": 0}, {"future_slack_days": -1}, {"dup": 1}])
def test_the_rules_are_checked(bad: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        CleanConfig(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("ids", "told"),
    [
        (
            ("x7", "x9"),
            r"\. The events name items such as 'x7', the table .* such as '7': they must",
        ),
        (("7.0", "9.0"), r" \(2 ids are known but for a '\.0', such as '7\.0' beside '7': whole"),
    ],
)
def test_ids_that_are_written_otherwise_are_shown(ids, told):
    log = EventLog.of(["u", "u"], ids)
    with pytest.raises(DataError, match=f"2 unknown item{told}"):
        clean(log, Vocab(("7", "9"), "item"))


def test_unknown_items_that_lost_their_zeros_are_told():
    items = Vocab(("00012", "00013"), "item")
    log = EventLog.of(["u"] * 4, ["00012", "12", "12", "99"])
    said = str(clean(log, items)[1])
    assert "3 unknown item (1 id is known but for zeros in front, such as '12' beside" in said
    assert "zeros" not in str(clean(EventLog.of(["u", "u"], ["00012", "99"]), items)[1])
    with pytest.raises(DataError, match="2 ids are known but for zeros in front"):
        clean(EventLog.of(["u", "u"], ["12", "13"]), items)


def test_what_was_taken_back_is_no_liking():
    kinds = ["purchase", "Return", "remove from cart", "退款", "not-interested", "purchase"]
    log = EventLog.of(["u"] * 6, ["a", "a", "b", "c", "d", "b"], behaviour=kinds)
    items = Vocab(("a", "b", "c", "d"), "item")
    kept, report = clean(log, items)
    assert report.reasons == {"taken back": 4}
    assert kept.item.tolist() == [0, 1]
    assert [b.name for b in kept.behaviours] == ["purchase"]
    everything, _ = clean(log, items, CleanConfig(drop_taken_back=False))
    assert len(everything) == 6


def test_what_was_only_shown_or_turned_down_is_no_liking():
    no = ["ignored", "Dismissed", "thumbsDown", "thumbs_down", "hide", "skip", "not interested"]
    shown = ["impression", "Shown", "product-impression", "曝光"]
    kinds = ["view", *no, *shown]
    log = EventLog.of(["u"] * len(kinds), ["a"] * len(kinds), behaviour=kinds)
    kept, report = clean(log, Vocab(("a",), "item"))
    assert report.reasons == {"taken back": 7, "only shown": 4}
    assert [b.name for b in kept.behaviours] == ["view"]
    assert "4 only shown (Shown, impression, product-impression, 曝光)" in str(report)
    everything = CleanConfig(drop_taken_back=False, drop_shown=False)
    assert len(clean(log, Vocab(("a",), "item"), everything)[0]) == len(kinds)


def test_where_nothing_else_is_given_it_is_said_what_can_be_done():
    log = EventLog.of(["u"] * 3, ["a"] * 3, behaviour=["impression", "impression", "hide"])
    with pytest.raises(DataError) as caught:
        clean(log, Vocab(("a",), "item"))
    said = str(caught.value)
    assert "2 only shown (impression), 1 taken back (hide). What was only shown" in said
    assert "call such events otherwise" in said


def test_who_was_shown_much_is_no_bot():
    kinds = ["view"] + ["impression"] * 5
    log = EventLog.of(["u"] * 6, ["a"] * 6, behaviour=kinds, time=np.arange(1, 7))
    kept, report = clean(log, Vocab(("a",), "item"), CleanConfig(max_events_per_day=3), now=100)
    assert report.reasons == {"only shown": 5}
    assert len(kept) == 1


def test_low_ratings_are_left_out_if_asked():
    value = np.array([5, 2, np.nan, 4], np.float32)
    log = EventLog.of(["u"] * 4, ["a", "b", "c", "d"], value=value)
    items = Vocab(("a", "b", "c", "d"), "item")
    kept, report = clean(log, items, CleanConfig(least_value=4))
    assert report.reasons == {"low value": 1}
    assert kept.item.tolist() == [0, 2, 3]  # an event without a value says nothing against it
    assert len(clean(log, items)[0]) == 4
