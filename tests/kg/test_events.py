"""EventLog: sorted by user, then time, then the order of the file."""

import gzip
import warnings
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import DataError, UsageError
from kg.events import NOBODY, EventLog, NotRead, read_events, read_sequences
from kg.ids import Vocab
from kg.schema import BEHAVIOURS, Behaviour
from kg.times import NO_TIME


def save(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


def test_events_are_sorted_and_ties_keep_the_order_of_the_file() -> None:
    log = EventLog.of(
        ["v", "u", "u", "v", "u"], ["a", "c", "b", "b", "a"], time=np.array([5, 7, 7, 1, 2])
    )
    assert log.users.decode(log.user) == ["u", "u", "u", "v", "v"]
    assert log.items.decode(log.item) == ["a", "c", "b", "b", "a"]
    assert log.time is not None
    assert log.time.tolist() == [2, 7, 7, 1, 5]
    assert log.row is not None
    assert log.row.tolist() == [5, 2, 3, 4, 1]


def test_without_times_the_order_of_the_file_counts() -> None:
    log = EventLog.of(["v", "u", "v"], ["b", "b", "a"])
    assert log.time is None
    assert log.to_frame().rows() == [("u", "b", "view"), ("v", "b", "view"), ("v", "a", "view")]


def test_counts_weights_and_searches_without_an_item() -> None:
    log = EventLog.of(
        ["u", "u", "v"],
        ["a", None, "a"],
        behaviour=["购买", "query", "pv"],
        query=[None, "boots", None],
    )
    assert [kind.name for kind in log.behaviours] == ["purchase", "search", "view"]
    assert log.has_item.tolist() == [True, False, True]
    assert log.item_counts().tolist() == [2]
    assert log.user_counts().tolist() == [2, 1]
    assert log.weight.tolist() == [3.0, 1.0, 1.0]
    assert log.query == ("", "boots", "")


@pytest.mark.parametrize(
    ("name", "cells", "warned"),
    [
        ("how", ["buy", "view", ""], True),
        ("was", ["purchase", "addtocart", "refund"], True),
        ("how", ["walked", "flew", "swam"], True),
        ("device", ["phone", "tablet", "phone"], False),
        ("note", ["", "", ""], False),
        ("action", ["buy", "view", "view"], False),
    ],
)
def test_a_column_that_may_be_the_behaviour_is_told(tmp_path, name, cells, warned) -> None:
    rows = [f"u,{n},{cell}" for n, cell in enumerate(cells)]
    file = save(tmp_path / "e.csv", "\n".join([f"user,item,{name}", *rows]) + "\n")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        EventLog.read(file)
    told = [str(one.message) for one in caught if one.category is NotRead]
    assert len(told) == warned
    assert all(f"columns={{'behaviour': '{name}'}}" in text for text in told)
    assert read_events(file).like_behaviour == (name if warned else "")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        EventLog.read(file, columns={"behaviour": name})


def test_take_keeps_the_vocabularies() -> None:
    log = EventLog.of(["u", "u", "v"], ["a", "b", "c"], query=["x", "y", "z"])
    part = log.take(np.array([False, True, True]))
    assert (part.users, part.items) == (log.users, log.items)
    assert part.items.decode(part.item) == ["b", "c"]
    assert part.query == ("y", "z")
    assert log.take(np.array([2])).to_frame().rows() == [("v", "c", "view", "z")]


@given(st.lists(st.tuples(st.sampled_from("uvw"), st.sampled_from("abc"), st.integers(0, 5))))
def test_the_log_holds_exactly_the_events_it_was_given(rows: list[tuple[str, str, int]]) -> None:
    log = EventLog.of(
        [r[0] for r in rows], [r[1] for r in rows], time=np.array([r[2] for r in rows], np.int64)
    )
    frame = log.to_frame()
    got = list(zip(frame["user"], frame["item"], frame["time"], strict=True))
    assert got == sorted(rows, key=lambda row: (row[0], row[2]))  # Python's sort is stable


VIEW = (Behaviour("view"),)
UV, AB = Vocab(("u", "v")), Vocab(("a", "b"))


@pytest.mark.parametrize(
    ("user", "item", "time", "rule"),
    [
        ([0, 1], [0], None, "EventLog.item must have one entry per event"),
        ([0, 2], [0, 1], None, r"EventLog.user must lie in \[0, 2\)"),
        ([0, 1], [0, -2], None, r"EventLog.item must lie in \[-1, 2\)"),
        ([1, 0], [0, 1], None, "sorted by user"),
        ([0, 0], [0, 1], [2, 1], "sorted by time"),
    ],
)
def test_a_log_checks_itself(
    user: list[int], item: list[int], time: list[int] | None, rule: str
) -> None:
    with pytest.raises(DataError, match=rule):
        EventLog(
            UV, AB, VIEW, np.array(user), np.array(item), np.zeros(len(user), np.int64),
            None if time is None else np.array(time),
        )  # fmt: skip


def test_columns_must_have_one_length_and_users_a_name() -> None:
    with pytest.raises(DataError, match=r"'item' parameter .* per event \(2\). Got 1"):
        EventLog.of(["u", "v"], ["a"])
    with pytest.raises(DataError, match=r"'behaviour' parameter .*Got 1"):
        EventLog.of(["u", "v"], ["a", "b"], behaviour=["view"])
    with pytest.raises(DataError, match=r"'user' .*position 1 .*must not be empty. Got None"):
        EventLog.of(["u", None], ["a", "b"])  # type: ignore[list-item]


def test_read_keeps_ids_as_written(tmp_path: Path) -> None:
    path = save(
        tmp_path / "e.csv",
        "用户,商品,行为,时间\r\n小明,0114709,购买,2024-01-02\r\nan a,1.0,浏览,1970/01/02\r\n",
    )
    assert EventLog.read(path).to_frame().rows() == [
        ("an a", "1.0", "view", 86400),
        ("小明", "0114709", "purchase", 1704153600),
    ]


def test_floats_in_parquet_meet_the_ids_of_a_csv(tmp_path: Path) -> None:
    path = tmp_path / "e.parquet"
    pl.DataFrame({"user": [1.0, None], "item": [7.0, 8.0]}).write_parquet(path)
    log = EventLog.read(path)
    assert log.users.ids == (NOBODY, "1")
    assert log.items.ids == ("7", "8")


def test_a_rating_is_a_rating_only_where_it_stands(tmp_path: Path) -> None:
    path = save(tmp_path / "e.csv", "user,item,Rating\nu,a,4.5\nu,b,\n")
    log = EventLog.read(path)
    assert log.to_frame()["behaviour"].to_list() == ["rating", "view"]
    assert log.value is not None
    np.testing.assert_array_equal(log.value, np.array([4.5, np.nan], np.float32))


def test_without_any_value_there_is_no_value(tmp_path: Path) -> None:
    for text in ("user,item\nu,a\n", "user,item,rating\nu,a,\n"):
        log = EventLog.read(save(tmp_path / "e.csv", text))
        assert log.value is None
        assert [kind.name for kind in log.behaviours] == ["view"]
    log = EventLog.read(save(tmp_path / "e.csv", "user,item,quantity\nu,a,3\n"))
    assert [kind.name for kind in log.behaviours] == ["view"]
    assert log.value is not None
    assert log.value.tolist() == [3.0]


def test_a_value_that_is_no_number_names_the_row(tmp_path: Path) -> None:
    path = save(tmp_path / "e.csv", "user,item,rating\nu,a,4\nu,b,good\n")
    with pytest.raises(DataError, match=r"e.csv, line 3: column 'rating'.*Got 'good'"):
        EventLog.read(path)


def test_unreadable_times_are_kept_for_clean_to_count(tmp_path: Path) -> None:
    path = save(tmp_path / "e.csv", "user,item,ts\nu,a,5\nu,b,soon\nu,c,6\n")
    log = EventLog.read(path)
    assert log.time is not None
    assert log.time.tolist() == [int(NO_TIME), 5, 6]
    assert EventLog.read(path, use_time=False).time is None


def test_empty_behaviours_are_views_and_own_ones_come_first(tmp_path: Path) -> None:
    path = save(tmp_path / "e.csv", "user,item,event\nu,a,\nu,b,  \nu,c,Rent\nu,d,buy\n")
    rent = Behaviour("rent", 4.0)
    log = EventLog.read(path, own=(rent,))
    assert [log.behaviours[b].name for b in log.behaviour] == ["view", "view", "rent", "purchase"]
    assert rent in log.behaviours
    assert next(b for b in BEHAVIOURS if b.name == "purchase") in log.behaviours


def test_columns_are_named_and_those_of_the_catalogue_passed_over(tmp_path: Path) -> None:
    path = save(tmp_path / "e.csv", "who,what,how,at,sku\nu,a,buy,5,z\n")
    both = {"user": "who", "item": "what", "behaviour": "how", "time": "at",
            "item_id": "sku", "title": "name", "category": "cat"}  # fmt: skip
    assert EventLog.read(path, columns=both).to_frame().rows() == [("u", "a", "purchase", 5)]
    with pytest.raises(DataError, match=r"no column 'hwo' \(asked for as 'user'\).*'who'\?"):
        EventLog.read(path, columns={**both, "user": "hwo"})


def test_a_file_says_which_columns_were_taken(tmp_path: Path) -> None:
    path = save(tmp_path / "e.csv", "User,item,Datum,ts\nv,b,x, 5\nu,a,y,soon\n")
    file = read_events(path)
    assert file.roles == {"user": "User", "item": "item", "time": "ts"}
    assert file.unused == ("Datum",)
    assert file.times is not None
    assert file.times.to_list() == ["5", "soon"]
    untimed = read_events(path, use_time=False)
    assert (untimed.unused, untimed.times) == (("Datum", "ts"), None)
    assert read_events(save(tmp_path / "s.txt", "u a b\n")).roles == {}


@pytest.mark.parametrize(
    "header",
    [
        "用户ID,商品编号,行为类型,操作时间,评分",
        "用户编号,商品ID,行为,下单时间,数量",
        "會員編號,商品編號,行為類型,時間,評分",
        "用戶ID,產品編號,行為,下單時間,數量",
        "客户编号,货号,事件类型,日期,打分",
    ],
)
def test_chinese_headers_are_found(tmp_path: Path, header: str) -> None:
    file = read_events(save(tmp_path / "e.csv", f"{header}\nu1,i1,下单,2024-05-01,4\n"))
    roles = ("user", "item", "behaviour", "time", "value")
    assert file.roles == dict(zip(roles, header.split(","), strict=True))
    assert file.unused == ()


def test_a_value_called_a_rating_in_chinese_is_one(tmp_path: Path) -> None:
    for name, kind in (("评分", "rating"), ("評分", "rating"), ("数量", "view")):
        log = EventLog.read(save(tmp_path / "e.csv", f"用户,商品,{name}\nu,i,4\n"))
        assert [b.name for b in log.behaviours] == [kind]


def test_rows_without_a_user_are_kept_aside_not_lost(tmp_path: Path) -> None:
    path = save(tmp_path / "e.csv", "user,item\n,a\nu,b\n")
    assert EventLog.read(path).users.ids == (NOBODY, "u")
    with pytest.raises(DataError, match="column 'user' must not be empty in every row"):
        EventLog.read(save(tmp_path / "f.csv", "user,item\n,a\n,b\n"))


def test_a_file_without_users_names_its_columns(tmp_path: Path) -> None:
    path = save(tmp_path / "e.csv", "person,item\nu,a\n")
    with pytest.raises(DataError, match=r"no column for 'user'.*Its columns: person, item"):
        EventLog.read(path)


def test_sequences_have_one_user_a_line(tmp_path: Path) -> None:
    text = "\ufeffu 3 1\n\nv 2\r\nu 1\n"
    path = tmp_path / "s.v1.txt.gz"
    path.write_bytes(gzip.compress(text.encode()))
    log = EventLog.read(path)
    assert log.to_frame().rows() == [
        ("u", "3", "view"), ("u", "1", "view"), ("u", "1", "view"), ("v", "2", "view"),
    ]  # fmt: skip
    assert log.time is None


def test_a_txt_file_with_a_header_is_a_table(tmp_path: Path) -> None:
    path = save(tmp_path / "e.txt", "user_id\titem_id\ttimestamp\nu\ta\t5\n")
    assert EventLog.read(path).to_frame().rows() == [("u", "a", "view", 5)]


def test_bad_sequences_name_the_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"s.txt, line 2: user 'v' has no item"):
        read_sequences(save(tmp_path / "s.txt", "u 1\nv\n"))
    with pytest.raises(DataError, match=r"s.txt is empty"):
        read_sequences(save(tmp_path / "s.txt", "\n\n"))
    (tmp_path / "b.txt").write_bytes(b"u 1\nv \xff\n")
    with pytest.raises(DataError, match=r"b.txt, line 2, holds the byte 0xff"):
        read_sequences(tmp_path / "b.txt")
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(b"u 1 2 3\n" * 50)[:-9])
    with pytest.raises(DataError, match=r"c.txt.gz cannot be read"):
        read_sequences(tmp_path / "c.txt.gz")
    with pytest.raises(UsageError, match="There is no file"):
        EventLog.read(tmp_path / "none.txt")
