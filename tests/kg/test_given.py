"""Columns and frames from Python: by position, whatever made them, and nothing becomes 'nan'."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from kg.building.from_table import from_table
from kg.building.triples import Triples, read_triples
from kg.catalog import Catalog
from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.given import ids, lists, numbers, seconds, texts
from kg.ids import Vocab
from kg.tables import read_table
from kg.times import NO_TIME

SHANGHAI = dt.timezone(dt.timedelta(hours=8))
NAN = float("nan")


class Sorted:
    """As much of a Series of pandas as matters after a sort: its labels are not its positions."""

    def __init__(self, cells, labels=None):
        self.cells = list(cells)
        self.labels = list(labels or reversed(range(len(self.cells))))

    def __len__(self):
        return len(self.cells)

    def __iter__(self):
        return iter(self.cells)

    def __getitem__(self, label):
        return self.cells[self.labels.index(label)]

    def to_numpy(self):
        return np.array(self.cells, object)


class Frame:
    """As much of a frame of pandas as is looked at."""

    class At:
        def __init__(self, columns):
            self.columns = columns

        def __getitem__(self, key):
            return self.columns[key[1]]

    class Index:
        names = (None,)

    index = Index()

    def __init__(self, **columns):
        self.columns = list(columns)
        self.iloc = Frame.At([Sorted(cells) for cells in columns.values()])

    def __iter__(self):
        return iter(self.columns)


@pytest.mark.parametrize("column", [list, tuple, np.array, pl.Series, Sorted])
def test_columns_are_read_by_position(column):
    catalog = Catalog.of(
        column(["c", "a", "b"]), column(["C", "A", "B"]), column(["tc", "ta", "tb"]),
        {"kind": column(["x", "y", "z"])}, numbers={"price": column([3.0, 1.0, 2.0])},
    )  # fmt: skip
    assert catalog.titles == ("A", "B", "C")
    assert catalog.texts == ("ta", "tb", "tc")
    assert catalog.attributes[0].cells(3) == [["y"], ["z"], ["x"]]
    assert catalog.numbers["price"].tolist() == [1, 2, 3]
    log = EventLog.of(
        column(["u", "u", "u"]), column(["c", "b", "a"]), time=column([3, 2, 1]),
        behaviour=column(["cart", "click", "view"]), value=column([3, 2, 1]),
        query=column(["for c", "for b", "for a"]),
    )  # fmt: skip
    assert log.items.decode(log.item) == ["a", "b", "c"]
    assert log.query == ("for a", "for b", "for c")
    assert log.to_frame()["behaviour"].to_list() == ["view", "click", "cart"]
    assert (log.value.tolist(), log.time.tolist()) == ([1, 2, 3], [1, 2, 3])


def test_a_cell_of_an_attribute_is_one_value_or_several():
    cells = ["Algebra", ["x", None, "y"], None, NAN, 3.0, np.array(["z"]), {"b", "a"}, ""]
    assert lists(cells, "it") == [["Algebra"], ["x", "y"], [], [], ["3"], ["z"], ["a", "b"], []]
    assert lists(pl.Series([["a"], None, []]), "it") == [["a"], [], []]
    assert lists(np.array([1.0, NAN]), "it") == [["1"], []]


class NAType:
    """The NA of pandas, which is not equal to itself nor unequal."""

    def __eq__(self, other):
        return self

    def __bool__(self):
        raise TypeError("boolean value of NA is ambiguous")

    __hash__ = None


MISSING = [None, NAN, np.float32("nan"), np.datetime64("NaT"), NAType(), ""]


@pytest.mark.parametrize("nothing", MISSING)
def test_what_is_missing_has_no_name(nothing):
    with pytest.raises(DataError, match=r"'user' .*, position 1 \(from 0\), must not be empty"):
        EventLog.of(["u", nothing], ["a", "b"])
    with pytest.raises(DataError, match=r"'behaviour' .*, position 0 "):
        EventLog.of(["u", "v"], ["a", "b"], behaviour=[nothing, "view"])
    with pytest.raises(DataError, match="ids of a Catalog of items, position 1"):
        Catalog.of(["a", nothing])
    with pytest.raises(UsageError, match=r"none empty.* number 1"):
        Triples.of([("a", "by", "p"), ("a", "by", nothing)], Vocab.of("a"))
    log = EventLog.of(["u", "v"], [nothing, "b"], query=["boots", nothing])
    assert (log.items.ids, log.item.tolist(), log.query) == (("b",), [-1, 0], ("boots", ""))
    catalog = Catalog.of(["a"], [nothing], [nothing], {"kind": [nothing], "tag": [["x", nothing]]})
    assert (catalog.titles, catalog.texts) == (("",), ("",))
    assert [a.values.ids for a in catalog.attributes] == [(), ("x",)]


def test_cells_become_text_by_one_rule():
    moment = dt.datetime(2024, 1, 31, 20, 5, tzinfo=SHANGHAI)
    cells = [1, 2.0, NAN, True, "x", moment, moment.date(), [1, None, "y"], np.str_("z")]
    text = ["1", "2", None, "true", "x", "2024-01-31T12:05:00", "2024-01-31", "1|y", "z"]
    assert texts(cells, "it") == text
    assert texts([1.0, 2.5], "it") == ["1.0", "2.5"]
    assert texts(np.array([1.0, NAN]), "it") == ["1", None]
    assert texts(np.array(["2024-01-31T12"], "datetime64[h]"), "it") == ["2024-01-31T12:00:00"]
    assert ids(pl.Series(["b", "a"], dtype=pl.Categorical), "it") == ["b", "a"]
    for odd in (b"x", {"a": 1}):
        with pytest.raises(DataError, match="it must hold text, numbers, times or lists"):
            texts([odd], "it")


def test_numbers_are_told_by_their_place():
    assert numbers([1, "2.5", True], "it").tolist() == [1, 2.5, 1]
    assert np.isnan(numbers(pl.Series([1, None]), "it")).tolist() == [False, True]
    with pytest.raises(DataError, match=r"price.*position 1 .*a number. Got 'x'"):
        Catalog.of(["a", "b"], numbers={"price": [1, "x"]})
    mine = np.array([1.0, 2.0])
    catalog = Catalog.of(["a", "b"], numbers={"price": mine})
    mine[:] = 9
    assert catalog.numbers["price"].tolist() == [1, 2]


@pytest.mark.parametrize("column", ["ab", {"a": 1, "b": 2}, {"a", "b"}, 7, np.zeros((2, 2)),
                                    pl.DataFrame({"a": [1, 2]}), Frame(a=[1, 2])])  # fmt: skip
def test_what_is_no_column_is_refused(column):
    with pytest.raises(UsageError, match=r"'user' parameter of EventLog.of must be (a|one) column"):
        EventLog.of(column, ["a", "b"])
    with pytest.raises(UsageError, match=r"'time' parameter of EventLog.of must be (a|one) column"):
        EventLog.of(["u", "v"], ["a", "b"], time=column)


NEW_YEAR = 1704067200


@pytest.mark.parametrize("unit", ["D", "h", "s", "ms", "us", "ns"])
def test_moments_become_utc_seconds(unit):
    days = np.array(["2024-01-01", "2024-01-02"], f"datetime64[{unit}]")
    assert seconds(days, "it").tolist() == [NEW_YEAR, NEW_YEAR + 86400]
    assert seconds(list(days), "it").tolist() == [NEW_YEAR, NEW_YEAR + 86400]


def test_times_of_every_kind():
    day = dt.datetime(2024, 1, 1)
    kinds = [day, day.replace(hour=8, tzinfo=SHANGHAI), day.date(), np.datetime64(day), NEW_YEAR]
    assert seconds(kinds, "it").tolist() == [NEW_YEAR] * 5
    for text in ("2024-01-01", "2024-01-01T08:00:00+08:00", "2024/1/1 00:00"):
        assert seconds([text], "it").tolist() == [NEW_YEAR]
        assert seconds(np.array([text]), "it").tolist() == [NEW_YEAR]
    zoned = pl.Series([day]).dt.replace_time_zone("Asia/Shanghai")
    assert seconds(zoned, "it").tolist() == [NEW_YEAR - 8 * 3600]
    assert seconds([1.9, -0.5], "it").tolist() == [1, -1]
    before = np.array(["1969-12-31T23:59:59.5"], "datetime64[ns]")
    assert seconds(before, "it").tolist() == seconds(list(before), "it").tolist() == [-1]
    assert seconds(np.array([int(NO_TIME), 5]), "it").tolist() == [int(NO_TIME), 5]
    assert seconds([], "it").tolist() == []


@pytest.mark.parametrize(
    ("time", "told"),
    [
        ([1, NAN], "position 1 .*Got nan"),
        ([1, None], "position 1 .*Got None"),
        (np.array(["2024-01-01", "NaT"], "datetime64[s]"), "position 1 .*NaT"),
        (pl.Series([dt.datetime(2024, 1, 1), None]), "position 1 .*NaT"),
        ([1, np.inf], "position 1 .*Got inf"),
        ([[1], [2]], r"position 0 .*Got \[1\]"),
        (["soon", "later"], "position 0 .*Got 'soon'"),
        (["2024-01-01", "soon"], "position 1 .*Got 'soon'"),
        ([dt.datetime(2024, 1, 1), "soon"], "position 1 .*Got 'soon'"),
        ([1704067200000, 1704067200001], "which would be the year 55969: divide milliseconds"),
        (np.array([1704067200 * 10**9] * 2), "divide milliseconds by 1000, nanoseconds by 1e9"),
        (np.array([1, 2], "timedelta64[s]"), "Got the type timedelta64"),
    ],
)
def test_times_that_are_none_are_named(time, told):
    with pytest.raises((DataError, UsageError), match=told):
        EventLog.of(["u", "u"], ["a", "b"], time=time)


# Frames


COLUMNS = {
    "user": ["u", "v", "u"], "item": [1.0, 2.0, None], "time": [
        dt.datetime(2024, 1, 2), dt.datetime(2024, 1, 1, 8, tzinfo=SHANGHAI), None],
    "query": [None, None, "boots"],
}  # fmt: skip


def test_a_frame_is_read_like_a_file():
    log = EventLog.read(Frame(**COLUMNS))
    assert log.items.ids == ("1", "2")
    assert log.time.tolist() == [int(NO_TIME), NEW_YEAR + 86400, NEW_YEAR]
    assert log.query == ("boots", "", "")
    frame = pl.DataFrame({name: COLUMNS[name] for name in ("user", "item", "query")})
    for table in (frame, frame.lazy()):
        assert EventLog.read(table, columns={"user": "user"}).items.ids == ("1", "2")


@pytest.mark.parametrize("frame", [pl.DataFrame, lambda columns: Frame(**columns)])
def test_messages_name_the_row_of_a_frame(frame):
    with pytest.raises(DataError, match=r"^the frame, row 2: each item id must stand once\."):
        Catalog.read(frame({"item_id": [7, 7], "title": ["a", "b"]}))
    with pytest.raises(DataError, match="the frame, row 2: column 'sku' must not be empty"):
        Catalog.read(frame({"sku": ["a", None], "title": ["a", "b"]}))
    with pytest.raises(DataError, match=r"^the frame has no column for 'item'"):
        EventLog.read(frame({"user": ["u"]}))
    with pytest.raises(DataError, match="the triples, row 2: 'tail' must not be empty"):
        read_triples(frame({"head": ["a", "a"], "relation": ["by"] * 2, "tail": ["p", None]}),
                     Vocab.of("a"))  # fmt: skip
    with pytest.raises(DataError, match="the items, row 2: each item must stand once"):
        from_table(frame({"id": [1, 1]}))
    with pytest.raises(DataError, match="no rows"):
        EventLog.read(frame({}))
    with pytest.raises(DataError, match="no rows"):
        EventLog.read(frame({"user": [], "item": []}))


def test_what_is_no_table_is_refused():
    with pytest.raises(UsageError, match=r"path of a file or a frame .* Got list instead"):
        read_table(["user", "item"])
    with pytest.raises(DataError, match="column 'a' must hold text"):
        read_table(Frame(a=[{"x": 1}], b=[2]))


@pytest.mark.parametrize("frame", [pl.DataFrame, lambda columns: Frame(**columns)])
def test_triples_of_a_frame(frame):
    table = frame({"head": ["a", "b"], "relation": ["by", "by"], "tail": ["p", "p"],
                   "since": ["2024-01-01", None]})  # fmt: skip
    found = Triples.of(table, Vocab.of("ab"))
    assert found.edges[("item", "by", "entity")].tolist() == [[0, 1], [0, 0]]
    assert found.edge_time[("item", "by", "entity")].tolist() == [NEW_YEAR, int(NO_TIME)]
    people = frame({"entity_id": ["p", "b", "a"], "type": ["person", "item", "item"],
                    "item_id": [None, "b", "a"]})  # fmt: skip
    found = read_triples(table, Vocab.of("ab"), entities=people)
    assert set(found.edges) == {("item", "by", "person")}


def test_frames_of_pandas():
    pd = pytest.importorskip("pandas")
    items = pd.DataFrame(
        {"sku": ["c", "a", "b"], "title": ["C", None, "B"], "kind": pd.Categorical(["x", "y", "x"]),
         "price": [3, None, 2]}
    ).sort_values("sku")  # fmt: skip
    for catalog in (
        Catalog.of(items.sku, items.title, attributes={"kind": items.kind}),
        Catalog.read(items), Catalog.read(items.set_index("sku")),
    ):  # fmt: skip
        assert catalog.ids.ids == ("a", "b", "c")
        assert catalog.titles == ("", "B", "C")
        assert catalog.attribute("kind").cells(3) == [["y"], ["x"], ["x"]]
    assert Catalog.read(items).attribute("price").values.ids == ("2", "3")
    when = pd.to_datetime(pd.Series(["2024-01-02", "2024-01-01"]))
    events = pd.DataFrame(
        {"user": pd.array([7, 7], "Int64"), "item": ["b", "a"], "time": when}
    ).sort_values("time")  # fmt: skip
    zoned = events.assign(time=events.time.dt.tz_localize("UTC").dt.tz_convert("Asia/Shanghai"))
    for told in (events, zoned):
        for log in (
            EventLog.read(told), EventLog.of(told.user, told["item"], time=told.time),
            EventLog.of(pd.Index(told.user), told["item"].astype("string"), time=told.time),
        ):  # fmt: skip
            assert log.users.ids == ("7",)
            assert log.items.decode(log.item) == ["a", "b"]
            assert log.time.tolist() == [NEW_YEAR, NEW_YEAR + 86400]
    with pytest.raises(DataError, match=r"'time'.*position 1 "):
        EventLog.of(["u", "u"], ["a", "b"], time=pd.Series([when[0], pd.NaT]))
    with pytest.raises(DataError, match=r"'user'.*position 1 "):
        EventLog.of(pd.array(["u", pd.NA], "string"), ["a", "b"])
    double = pd.DataFrame([[1, 2]], columns=["user", "user"])
    with pytest.raises(DataError, match=r"own name. Got 'user' twice"):
        EventLog.read(double)
