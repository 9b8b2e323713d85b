"""One table of events, as other libraries take it, with a header and without."""

import gzip
from pathlib import Path

import pytest

from kg.catalog import Catalog
from kg.clean import clean
from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.formats.presets import FORMATS
from kg.formats.rows import bare_table
from kg.formats.tables import EVENTS, Format, read_plain, write_plain

BY_NAME = {form.name: form for form in FORMATS}

RECTOOLS = "user_id,item_id,weight,datetime\nu1,i1,1.5,2024-01-31\nu2,i 2,,2024-02-01 10:00:00\n"
MICROSOFT = "userID,itemID,rating,timestamp\n01,7,4.0,978300760\n01,8,2.5,978300761\n"
TABS = "01\t7\t4\t978300760\n01\t8\t2.5\t978300761\n"
RATED = [("01", "7", "rate", "978300760", "4"), ("01", "8", "rate", "978300761", "2.5")]


def save(folder: Path, text: str | bytes, name: str = "e.csv") -> Path:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder / name


def test_rectools_weights_are_values_of_events_of_no_kind(tmp_path: Path) -> None:
    tables = BY_NAME["rectools"].read(save(tmp_path, RECTOOLS))
    assert tables.events is not None
    assert tables.events.columns == ["user_id", "item_id", "timestamp", "value"]
    assert tables.events.rows() == [
        ("u1", "i1", "2024-01-31", "1.5"),
        ("u2", "i 2", "2024-02-01 10:00:00", None),
    ]
    assert "weights" in tables.notes[0]


def test_microsoft_ratings_with_and_without_times(tmp_path: Path) -> None:
    form = BY_NAME["ms-recommenders"]
    tables = form.read(save(tmp_path, MICROSOFT))
    assert tables.events is not None
    assert tables.events.columns == list(EVENTS[:5])
    assert tables.events.rows()[0] == ("01", "7", "rate", "978300760", "4.0")
    timeless = form.read(save(tmp_path, "itemID,rating,userID\n7,4,01\n"))
    assert timeless.events is not None
    assert timeless.events.rows(named=True) == [
        {"user_id": "01", "item_id": "7", "behaviour": "rate", "value": "4"}
    ]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("elliot", TABS),
        ("elliot", TABS.replace("\n", "\r\n")),
        ("elliot", TABS.replace("\n", "\n\n")),
        ("elliot", "\ufeff" + TABS.rstrip("\n")),
        ("cornac", TABS),
        ("cornac", TABS.replace("\t", " ")),
        ("cornac", TABS.replace("\t", "::")),
        ("librec", TABS.replace("\t", "::")),
        ("librec", TABS.replace("\t", ",")),
        ("librec", TABS.replace("\t", " , ")),
    ],
)
def test_positions_without_a_header(tmp_path: Path, name: str, text: str) -> None:
    for raw in (text.encode(), gzip.compress(text.encode())):
        tables = BY_NAME[name].read(save(tmp_path, raw))
        assert tables.events is not None
        assert tables.events.columns == list(EVENTS[:5])
        assert tables.events.rows() == RATED


@pytest.mark.parametrize("name", ["elliot", "cornac", "librec"])
def test_times_may_be_missing(tmp_path: Path, name: str) -> None:
    mark = "::" if name == "librec" else "\t"
    tables = BY_NAME[name].read(save(tmp_path, f"a{mark}b{mark}1\n"))
    assert tables.events is not None
    assert tables.events.columns == ["user_id", "item_id", "behaviour", "value"]


def test_only_unmistakable_headers_are_recognised(tmp_path: Path) -> None:
    def names(text: str | bytes) -> list[str]:
        path = save(tmp_path, text)
        return [form.name for form in FORMATS if form.recognises(path)]

    assert names(RECTOOLS) == ["rectools"]
    assert names(MICROSOFT) == ["ms-recommenders"]
    assert names("userID,itemID,rating\n1,2,3\n") == ["ms-recommenders"]
    for text in (TABS, "user_id,item_id,timestamp\n1,2,3\n", "", b"\xff\x00", "\n"):
        assert names(text) == []
    assert [form.name for form in FORMATS if form.recognises(tmp_path)] == []


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("elliot", "", "is empty"),
        ("elliot", "\n \n", "is empty"),
        ("elliot", "a\tb\t1\n\na\tb\n", "line 3, must have 3 to 4 cells .* Got 2 instead"),
        ("elliot", "a\tb\t1\t2\t3\n", "line 1, must have 3 to 4 cells .* Got 5 instead"),
        ("elliot", "u,i,1\n", r"separated by '\\t'. Got 1 instead"),
        ("cornac", "user\titem\trating\n", "line 1: the value must be a number. Got 'rating'"),
        ("librec", "a::b::1\na::b::good\n", "line 2: the value must be a number. Got 'good'"),
        ("librec", b"a::b::1\na::\xe9::1\n", "line 2, holds the byte 0xe9"),
        ("rectools", "", "is empty"),
        ("rectools", "user_id,item_id,datetime\n1,2,3\n", "must name the column 'weight'"),
        ("rectools", "user_id,item_id,weight,datetime\n1,2,x,3\n", "must be a number. Got 'x'"),
        ("rectools", "user_id,item_id,weight,datetime\n1,2,3\n", "line 2, must have 4 cells"),
        ("ms-recommenders", "userID,itemID,rating\n1,2,x\n", "line 2: .*'rating' must be a number"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, name: str, text: str | bytes, message: str) -> None:
    path = save(tmp_path, text)
    with pytest.raises(DataError, match=message) as caught:
        BY_NAME[name].read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.name)
def test_a_folder_or_nothing_is_no_traceback(tmp_path: Path, form: Format) -> None:
    with pytest.raises(DataError, match="is one file of events"):
        form.read(tmp_path)
    with pytest.raises(UsageError, match="There is no file"):
        form.read(tmp_path / "gone.csv")


def test_a_cut_off_gzip_file_is_named(tmp_path: Path) -> None:
    path = save(tmp_path, gzip.compress(TABS.encode() * 99)[:40])
    for form in FORMATS:
        assert not form.recognises(path)
        with pytest.raises(DataError, match="cannot be read"):
            form.read(path)


def test_latin_only_where_it_is_asked_for(tmp_path: Path) -> None:
    path = save(tmp_path, "1|Am\xe9lie\n".encode("latin-1"))
    assert bare_table(path, "|", ("id", "t"), latin=True).rows() == [("1", "Amélie", 1)]
    with pytest.raises(DataError, match="0xe9"):
        bare_table(path, "|", ("id", "t"))


@pytest.mark.parametrize(
    ("name", "text"), [("rectools", RECTOOLS), ("ms-recommenders", MICROSOFT), ("elliot", TABS)]
)
def test_the_plain_form_survives_and_is_a_log(tmp_path: Path, name: str, text: str) -> None:
    tables = BY_NAME[name].read(save(tmp_path, text))
    assert tables.events is not None
    write_plain(tables, tmp_path)
    again = read_plain(tmp_path).events
    assert again is not None
    assert again.equals(tables.events)
    items = save(tmp_path, "item_id\n" + "\n".join(tables.events["item_id"]) + "\n", "items.csv")
    log, report = clean(EventLog.read(tmp_path / "events.csv"), Catalog.read(items).ids)
    assert (report.kept, report.reasons) == (2, {})
    assert log.time is not None
    assert log.behaviours[0].name == ("view" if name == "rectools" else "rating")
