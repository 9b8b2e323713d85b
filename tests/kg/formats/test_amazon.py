"""Amazon's reviews and metadata of three years."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from kg.building.triples import read_triples
from kg.catalog import Catalog
from kg.clean import clean
from kg.errors import DataError
from kg.events import EventLog
from kg.formats.amazon import FORMAT, read_amazon
from kg.formats.tables import Tables, read_plain, write_plain

Fill = Callable[[Path], Path]
SECRET = "works as a gift for my nephew"
OLD_REVIEWS = [
    {"reviewerID": "A2", "asin": "0000031852", "reviewerName": "J. McDonald", "helpful": [2, 3],
     "reviewText": SECRET, "overall": 5.0, "summary": "Heavenly", "unixReviewTime": 1252800000,
     "reviewTime": "09 13, 2009"},
    {"reviewerID": "A1", "asin": "B00TV", "overall": 2.0, "unixReviewTime": 1252700000},
]  # fmt: skip
OLD_META = [
    {"asin": "0000031852", "title": "Girls Ballet Tutu", "price": 3.17, "imUrl": "http://x",
     "related": {"also_bought": ["B00JHONN1S", "B00TV"], "bought_together": ["B00TV"]},
     "salesRank": {"Toys & Games": 211836}, "brand": "Coxlures",
     "categories": [["Sports & Outdoors", "Dance"], ["Clothing", "Girls|Teens", "A > B"]]},
    {"asin": "B00TV", "title": "It's a \"TV\"", "description": "Wide &amp; flat"},
]  # fmt: skip
MID_REVIEWS = [
    {"overall": 4.0, "vote": "5", "verified": True, "reviewTime": "01 1, 2018",
     "reviewerID": "A1", "asin": "B1", "style": {"Size:": " Large"}, "reviewText": SECRET,
     "unixReviewTime": 1514764800},
]  # fmt: skip
MID_META = [
    {"asin": "B1", "title": "Boot &amp; Lace", "description": ["Warm", "  and\n dry", ""],
     "brand": "Acme", "category": ["Shoes", "Men &amp; Boys", "Boots"], "price": "$49.99",
     "also_buy": ["B2"], "also_view": [], "rank": "1 in Shoes"},
    {"asin": "B1", "title": "again"},
    {"asin": "B2", "title": "", "description": [], "category": [], "brand": ""},
]  # fmt: skip
NEW_REVIEWS = [
    {"rating": 5.0, "title": "Love it", "text": SECRET, "asin": "B1-RED", "parent_asin": "B1",
     "user_id": "AG", "timestamp": 1588687728923, "verified_purchase": True},
    {"rating": 1.0, "asin": "B2", "parent_asin": "B2", "user_id": "AG",
     "timestamp": 1588687728001},
]  # fmt: skip
NEW_META = [
    {"main_category": "All Beauty", "title": "Howard LC0008", "average_rating": 4.8,
     "features": [], "description": [], "price": None, "store": "Howard Products",
     "categories": [], "details": {"Brand": "H"}, "parent_asin": "B1", "bought_together": None},
    {"title": "Soap", "store": None, "categories": ["Beauty", "Soap"], "parent_asin": "B2",
     "description": ["Clean."], "bought_together": None},
]  # fmt: skip


def lines(rows: list[dict[str, object]], literal: bool = False) -> str:
    return "".join((repr(row) if literal else json.dumps(row)) + "\n" for row in rows)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    return folder


def old(folder: Path) -> Path:
    (folder / "reviews_Toys_5.json.gz").write_bytes(gzip.compress(lines(OLD_REVIEWS).encode()))
    (folder / "meta_Toys.json.gz").write_bytes(gzip.compress(lines(OLD_META, True).encode()))
    return folder


def mid(folder: Path) -> Path:
    (folder / "Shoes_5.json").write_text(lines(MID_REVIEWS))
    (folder / "meta_Shoes.json").write_text(lines(MID_META))
    return folder


def new(folder: Path) -> Path:
    (folder / "All_Beauty.jsonl").write_text(lines(NEW_REVIEWS))
    (folder / "meta_All_Beauty.jsonl").write_text(lines(NEW_META))
    return folder


def cells(tables: Tables, name: str) -> list[tuple[str | None, ...]]:
    return tables.there()[name].rows()


def test_2014_is_read_from_python_literals(data: Path) -> None:
    tables = FORMAT.read(old(data))
    assert tables.events is not None
    assert tables.events.columns == ["user_id", "item_id", "behaviour", "timestamp", "value"]
    assert cells(tables, "events") == [
        ("A1", "B00TV", "review", "1252700000", "2"),
        ("A2", "0000031852", "review", "1252800000", "5"),
    ]
    assert tables.items is not None
    assert tables.items.columns == ["item_id", "title", "text", "brand", "category"]
    assert cells(tables, "items") == [
        ("0000031852", "Girls Ballet Tutu", None, "Coxlures",
         "Sports & Outdoors > Dance|Clothing > Girls/Teens > A / B"),
        ("B00TV", 'It\'s a "TV"', "Wide & flat", None, None),
    ]  # fmt: skip


def test_reviews_in_python_literals_are_the_same(data: Path) -> None:
    quick = FORMAT.read(old(data)).events
    (data / "reviews_Toys_5.json.gz").write_text("\n" + lines(OLD_REVIEWS, True))
    slow = data / "reviews_Toys_5.json.gz"
    slow.write_text(slow.read_text().lstrip().replace("}\n{", "}\n\n{"))
    assert quick is not None
    again = FORMAT.read(data).events
    assert again is not None
    assert again.equals(quick)


def test_2018(data: Path) -> None:
    tables = FORMAT.read(mid(data))
    assert cells(tables, "events") == [("A1", "B1", "review", "1514764800", "4")]
    assert cells(tables, "items") == [
        ("B1", "Boot & Lace", "Warm and dry", "Acme", "Shoes > Men & Boys > Boots"),
        ("B2", None, None, None, None),
    ]
    assert [note for note in tables.notes if "stand twice in the metadata: 1;" in note]


def test_html_is_no_text(data: Path) -> None:
    (data / "r.json").write_text(lines(MID_REVIEWS))
    row = {
        "asin": "B1", "brand": "by\n    \n    Acme", "title": "Boot <3 you",
        "description": ['<div class="a">Warm<br />and &lt;b&gt;dry</b></div>',
                        "<style type='x'>p { a: 1 }</style><script>var a;</script>"],
        "category": ["Shoes", "</span></span>", "Boots"],
    }  # fmt: skip
    other = {"asin": "B2", "brand": "by Mary", "description": "2 < 3 > 1",
             "title": '<span class="a-color"'}  # fmt: skip
    (data / "meta.json").write_text(lines([row, other]))
    items = FORMAT.read(data).items
    assert items is not None
    assert items.rows() == [
        ("B1", "Boot <3 you", "Warm and dry", "Acme", "Shoes > Boots"),
        ("B2", None, "2 < 3 > 1", "by Mary", None),
    ]


def test_2023_is_of_parents_and_milliseconds(data: Path) -> None:
    tables = FORMAT.read(new(data))
    assert cells(tables, "events") == [
        ("AG", "B2", "review", "1588687728", "1"),
        ("AG", "B1", "review", "1588687728", "5"),
    ]
    assert cells(tables, "items") == [
        ("B1", "Howard LC0008", None, "Howard Products", None),
        ("B2", "Soap", "Clean.", None, "Beauty > Soap"),
    ]


@pytest.mark.parametrize("fill", [old, mid, new])
def test_what_a_review_says_is_nowhere(data: Path, tmp_path: Path, fill: Fill) -> None:
    tables = FORMAT.read(fill(data))
    write_plain(tables, tmp_path)
    for file in tmp_path.glob("*.csv"):
        assert SECRET not in file.read_text()
    assert "texts of the reviews" in tables.notes[0]


def test_relations_only_on_request(data: Path) -> None:
    plain = FORMAT.read(old(data))
    assert plain.triples is None
    assert [note for note in plain.notes if "crawled later" in note]
    tables = read_amazon(data, related=True)
    assert cells(tables, "triples") == [
        ("0000031852", "also_bought", "B00JHONN1S"),
        ("0000031852", "also_bought", "B00TV"),
        ("0000031852", "bought_together", "B00TV"),
    ]
    assert ("B00JHONN1S", "item", "B00JHONN1S") in cells(tables, "entities")
    assert not [note for note in tables.notes if "crawled later" in note]


def test_relations_of_2018_to_unknown_items_are_dropped_by_the_graph(
    data: Path, tmp_path: Path
) -> None:
    write_plain(read_amazon(old(data), related=True), tmp_path)
    items = Catalog.read(tmp_path / "items.csv").ids
    found = read_triples(tmp_path / "triples.csv", items, entities=tmp_path / "entities.csv")
    assert found.edges[("item", "also_bought", "item")].shape == (2, 1)
    assert dict(found.dropped) == {"item not in the catalogue": 1}


def test_reviews_alone_are_a_file(data: Path) -> None:
    new(data)
    tables = FORMAT.read(data / "All_Beauty.jsonl")
    assert tables.items is None
    assert [note for note in tables.notes if "no metadata" in note]


def test_recognised_by_the_first_line(data: Path) -> None:
    assert not FORMAT.recognises(data)
    assert not FORMAT.recognises(data / "gone.json")
    mid(data)
    assert FORMAT.recognises(data)
    assert FORMAT.recognises(data / "Shoes_5.json")
    assert not FORMAT.recognises(data / "meta_Shoes.json")
    (data / "Shoes_5.json").write_text('{"UserId": "a", "ItemId": "b"}\n')
    assert not FORMAT.recognises(data)
    for raw in (b"", b"{", b"[1]\n", b"\xff\xfe", b"\x1f\x8bxx", b'{"asin": "a"}\n'):
        (data / "Shoes_5.json").write_bytes(raw)
        assert not FORMAT.recognises(data)


def test_files_of_other_things_are_told(data: Path) -> None:
    mid(data)
    (data / "package.json").write_text('{"name": "x"}')
    assert [note for note in FORMAT.read(data).notes if "left out: package.json" in note]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("Shoes_5.json", lines(MID_REVIEWS) + '{"reviewerID": \n', "line 2, must be one JSON obj"),
        ("Shoes_5.json", lines(MID_REVIEWS) + "\n[1, 2]\n", r"line 3, must be .* Got '\[1, 2\]'"),
        ("Shoes_5.json", "", "Shoes_5.json is empty"),
        ("Shoes_5.json", '{"a": 1}\n', "must hold reviews"),
        ("meta_Shoes.json", "", "meta_Shoes.json is empty"),
        ("meta_Shoes.json", "{'asin\n", "meta_Shoes.json, line 1, must be one JSON object"),
        ("Shoes_5.json", "a,b\n1,2\n", "line 1, must be one JSON object. Got 'a,b'"),
        ("Shoes_5.json", lines(MID_REVIEWS) + lines([{**MID_REVIEWS[0], "overall": "good"}]),
         "line 2: the rating must be a number. Got 'good'"),
        ("Shoes_5.json", lines(MID_REVIEWS) + lines([{**MID_REVIEWS[0], "unixReviewTime": "x"}]),
         "line 2: the time must be a number. Got 'x'"),
        ("meta_Shoes.json", lines(MID_META) + "{'asin': \n", "line 4, must be one JSON object"),
        ("meta_Shoes.json", lines(MID_META) + '{"title": "x"}\n', "line 4, must have an asin"),
        ("meta_Shoes.json", lines(MID_META) + "{'asin': exit()}\n", "line 4, must be one JSON"),
    ],
)  # fmt: skip
def test_mistakes_are_named(data: Path, file: str, text: str, message: str) -> None:
    (mid(data) / file).write_text(text)
    with pytest.raises(DataError, match=message):
        FORMAT.read(data)


def test_bytes_that_are_not_utf8(data: Path) -> None:
    (mid(data) / "Shoes_5.json").write_bytes(lines(MID_REVIEWS).encode() + b'{"asin": "\xe9"}\n')
    with pytest.raises(DataError, match="line 2, holds the byte 0xe9"):
        FORMAT.read(data)


def test_metadata_or_nothing(data: Path) -> None:
    with pytest.raises(DataError, match="must hold reviews"):
        FORMAT.read(data)
    (mid(data) / "Shoes_5.json").unlink()
    with pytest.raises(DataError, match="must hold reviews"):
        FORMAT.read(data)


@pytest.mark.parametrize("fill", [old, mid, new])
def test_the_plain_form_survives_and_is_taken(data: Path, tmp_path: Path, fill: Fill) -> None:
    tables = FORMAT.read(fill(data))
    write_plain(tables, tmp_path)
    again = read_plain(tmp_path).there()
    assert list(again) == ["events", "items"]
    for name, frame in tables.there().items():
        assert again[name].equals(frame), name
    catalog = Catalog.read(tmp_path / "items.csv")
    log, report = clean(EventLog.read(tmp_path / "events.csv"), catalog.ids)
    assert tables.events is not None
    assert (report.kept, report.reasons) == (tables.events.height, {})
    assert log.value is not None
    assert log.value.max() == tables.events["value"].cast(pl.Float32).max()
