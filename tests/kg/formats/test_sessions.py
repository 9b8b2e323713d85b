"""RetailRocket and Diginetica."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from kg.building.triples import read_triples
from kg.catalog import Catalog
from kg.clean import clean
from kg.errors import DataError
from kg.events import EventLog
from kg.formats.sessions import FORMATS
from kg.formats.tables import read_plain, write_plain

RETAIL_FORMAT, DIGI_FORMAT = FORMATS

RETAIL = {
    "events.csv": (
        "timestamp,visitorid,event,itemid,transactionid\n"
        "1433221332117,257597,view,355908,\n"
        "1433224214164,992329,addtocart,248676,\n"
        "1433221332999,257597,transaction,355908,4000\n"
        "1433221332001,257597,view,5,\n"
    ),
    "item_properties_part1.csv": (
        "timestamp,itemid,property,value\n"
        "1442113200000,355908,categoryid,1338\n"
        "1435460400000,355908,categoryid,1016\n"
        "1435460400000,355908,888,1116713 960601 n277.200\n"
    ),
    "item_properties_part2.csv": (
        "timestamp,itemid,property,value\n"
        "1433041200000,77,categoryid,213\n"
        "1433041200000,355908,available,1\n"
    ),
    "category_tree.csv": "categoryid,parentid\n1016,213\n213,9\n9,\n1338,1338\n",
}
DIGI = {
    "train-item-views.csv": (
        "sessionId;userId;itemId;timeframe;eventdate\n"
        "1;NA;81766;526309;2016-05-09\n"
        "2;9;31331;1031018;2016-05-09\n"
        "2;NA;5;1500;2016-05-09\n"
    ),
    "train-purchases.csv": (
        "sessionId;userId;timeframe;eventdate;ordernumber;itemId\n"
        "2;9;1231018;2016-05-09;3;31331\n2;9;1231018;2016-05-09;3;NA\n"
    ),
    "train-queries.csv": (
        "queryId;sessionId;userId;timeframe;duration;eventdate;searchstring.tokens;categoryId;"
        "items;is.test\n"
        "1;1;NA;16000;311;2016-05-09;NA;0;81766,31331;FALSE\n"
        "2;3;NA;2000;411;2016-05-10;16655,244087;NA;5,7;TRUE\n"
    ),
    "train-clicks.csv": "queryId;timeframe;itemId\n1;17999;31331\n8;1;5\n",
    "products.csv": (
        "itemId;pricelog2;product.name.tokens\n"
        "81766;10;4875,776\n31331;9;16655\n5;8;\n7;;1\n"
    ),
    "product-categories.csv": "itemId;categoryId\n81766;1096\n31331;12\n5;12\n",
}  # fmt: skip
VIEWED = "sessionId;userId;itemId;timeframe;eventdate\n"
DAY = 1462752000  # 2016-05-09

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def save(files: dict[str, str], name: str = "", text: str | None = None) -> Path:
        folder = tmp_path / "data"
        folder.mkdir()
        for file, content in {**files, **({name: text} if name else {})}.items():
            if content is not None:
                (folder / file).write_text(content)
        return folder

    return save


def rows(frame: pl.DataFrame | None) -> list[tuple[str | None, ...]]:
    assert frame is not None
    return frame.rows()


# RetailRocket


def test_retailrocket_events_in_order_of_their_milliseconds(make: Make) -> None:
    events = RETAIL_FORMAT.read(make(RETAIL)).events
    assert events is not None
    assert events.columns == ["user_id", "item_id", "behaviour", "timestamp"]
    assert events.rows() == [
        ("257597", "5", "view", "1433221332"),
        ("257597", "355908", "view", "1433221332"),
        ("257597", "355908", "purchase", "1433221332"),
        ("992329", "248676", "cart", "1433224214"),
    ]


def test_retailrocket_items_take_their_first_category(make: Make) -> None:
    tables = RETAIL_FORMAT.read(make(RETAIL))
    assert tables.items is not None
    assert tables.items.columns == ["item_id", "category"]
    assert rows(tables.items) == [
        ("5", None),
        ("355908", "c9 > c213 > c1016"),
        ("248676", None),
        ("77", "c9 > c213"),
    ]
    assert [note for note in tables.notes if "first by time" in note and "available" in note]


def test_retailrocket_categories_are_a_tree_with_the_items_on_it(make: Make) -> None:
    tables = RETAIL_FORMAT.read(make(RETAIL))
    assert rows(tables.triples) == [
        ("c1016", "subcategory_of", "c213"),
        ("c213", "subcategory_of", "c9"),
        ("c1338", "subcategory_of", "c1338"),
        ("item:77", "leaf_category", "c213"),
        ("item:355908", "leaf_category", "c1016"),
    ]
    entities = rows(tables.entities)
    assert ("c1016", "category", "c9 > c213 > c1016", None) in entities
    assert ("c1338", "category", "c1338", None) in entities  # a circle ends
    assert ("item:77", "item", None, "77") in entities
    assert len(entities) == 6


def test_retailrocket_is_told_from_a_plain_folder(make: Make) -> None:
    folder = make(RETAIL)
    assert RETAIL_FORMAT.recognises(folder)
    assert not DIGI_FORMAT.recognises(folder)
    (folder / "events.csv").write_text("user_id,item_id,behaviour,timestamp\na,b,view,1\n")
    assert not RETAIL_FORMAT.recognises(folder)
    assert not RETAIL_FORMAT.recognises(folder / "events.csv")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("events.csv", None, "must hold a file events.csv .retailrocket."),
        ("events.csv", "", "events.csv is empty"),
        ("events.csv", "timestamp,visitorid,event\n1,2,view\n", "must name the column 'itemid'"),
        ("events.csv", RETAIL["events.csv"] + "1,2,buy,3,\n",
         "line 6: an event must be one of view, addtocart, transaction. Got 'buy'"),
        ("events.csv", RETAIL["events.csv"] + "x,2,view,3,\n",
         "line 6: column 'timestamp' must be a whole number. Got 'x'"),
        ("events.csv", RETAIL["events.csv"] + "1,2,view\n", "line 6, must have 5 cells"),
        ("category_tree.csv", "categoryid\n1\n", "must name the column 'parentid'"),
        ("item_properties_part2.csv", "timestamp,itemid\n1,2\n", "must name the column 'property'"),
        ("item_properties_part2.csv", "", "item_properties_part2.csv is empty"),
        ("item_properties_part1.csv", RETAIL["item_properties_part1.csv"] + "1,2,3,4,5,6\n",
         "part1.csv, line 5, must have 4 cells .* Got 6"),
        ("item_properties_part1.csv", RETAIL["item_properties_part1.csv"] + "x,2,categoryid,4\n",
         "column 'timestamp' must be a whole number. Got 'x'"),
    ],
)  # fmt: skip
def test_retailrocket_mistakes(make: Make, name: str, text: str | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        RETAIL_FORMAT.read(make(RETAIL, name, text))


def test_retailrocket_does_without_a_tree_and_without_properties(make: Make) -> None:
    folder = make(RETAIL, "category_tree.csv", None)
    tables = RETAIL_FORMAT.read(folder)
    assert sorted(rows(tables.items)) == [
        ("248676", None), ("355908", "c1016"), ("5", None), ("77", "c213"),
    ]  # fmt: skip
    assert rows(tables.triples) == [
        ("item:77", "leaf_category", "c213"), ("item:355908", "leaf_category", "c1016"),
    ]  # fmt: skip
    assert any("There is no category_tree.csv" in note for note in tables.notes)
    for file in folder.glob("item_properties*"):
        file.unlink()
    bare = RETAIL_FORMAT.read(folder)
    assert tables.events is not None
    assert bare.events is not None
    assert bare.events.equals(tables.events)
    assert bare.items is None
    assert bare.triples is None
    assert any("There is no item_properties_part1.csv" in note for note in bare.notes)


def test_retailrocket_survives_and_is_taken(make: Make, tmp_path: Path) -> None:
    tables = RETAIL_FORMAT.read(make(RETAIL))
    write_plain(tables, tmp_path)
    again = read_plain(tmp_path).there()
    for name, frame in tables.there().items():
        assert again[name].equals(frame), name
    catalog = Catalog.read(tmp_path / "items.csv")
    log, report = clean(EventLog.read(tmp_path / "events.csv"), catalog.ids)
    assert (report.kept, report.reasons) == (4, {})
    user = log.users.encode(["257597"])[0]
    assert log.items.decode(log.item[log.user == user]) == ["5", "355908", "355908"]
    triples = read_triples(
        tmp_path / "triples.csv", catalog.ids, entities=tmp_path / "entities.csv"
    )
    assert triples.edges[("item", "leaf_category", "category")].shape == (2, 2)
    assert triples.edges[("category", "subcategory_of", "category")].shape == (2, 3)


# Diginetica


def test_diginetica_events_of_all_kinds(make: Make) -> None:
    events = DIGI_FORMAT.read(make(DIGI)).events
    assert events is not None
    assert events.rows(named=True)[0] == {
        "user_id": "9", "item_id": "5", "behaviour": "view", "timestamp": str(DAY + 1),
        "query": None,
    }  # fmt: skip
    assert events.rows()[1:] == [
        ("session:1", "31331", "click", str(DAY + 17), None),
        ("session:1", "81766", "view", str(DAY + 526), None),
        ("9", "31331", "view", str(DAY + 1031), None),
        ("9", "31331", "purchase", str(DAY + 1231), None),
        ("session:3", None, "search", str(DAY + 86402), "16655 244087"),
    ]


def test_diginetica_says_what_it_lost(make: Make) -> None:
    notes = " ".join(DIGI_FORMAT.read(make(DIGI)).notes)
    assert "Purchases without an itemId are left out: 1 of 2." in notes
    assert "Searches without words (a category was opened) are left out: 1 of 2." in notes
    assert "Clicks on unknown queries are left out: 1 of 2." in notes


def test_diginetica_products(make: Make) -> None:
    items = DIGI_FORMAT.read(make(DIGI)).items
    assert items is not None
    assert items.columns == ["item_id", "title", "category", "price_log2"]
    assert items.rows() == [
        ("81766", "4875 776", "c1096", "10"),
        ("31331", "16655", "c12", "9"),
        ("5", None, "c12", "8"),
        ("7", "1", None, None),
    ]


@pytest.mark.parametrize(
    ("name", "lost"),
    [
        ("train-purchases.csv", {"purchase"}),
        ("train-queries.csv", {"search", "click"}),
        ("train-clicks.csv", {"click"}),
        ("products.csv", set()),
        ("product-categories.csv", set()),
    ],
)
def test_diginetica_does_without_some_files(make: Make, name: str, lost: set[str]) -> None:
    tables = DIGI_FORMAT.read(make(DIGI, name, None))
    assert tables.events is not None
    kinds = set(tables.events["behaviour"].to_list())
    assert kinds == {"view", "click", "purchase", "search"} - lost
    assert [note for note in tables.notes if f"There is no {name}" in note]
    assert (tables.items is None) == (name == "products.csv")
    if tables.items is not None:
        assert ("category" in tables.items.columns) == (name != "product-categories.csv")


def test_diginetica_as_sr_gnn_spells_it(make: Make) -> None:
    views = DIGI["train-item-views.csv"]
    other = views.replace("sessionId;userId;itemId", "session_id;user_id;item_id")
    folder = make({"train-item-views.csv": other})
    assert DIGI_FORMAT.recognises(folder)
    events = DIGI_FORMAT.read(folder).events
    (folder / "train-item-views.csv").write_text(views)
    again = DIGI_FORMAT.read(folder).events
    assert again is not None
    assert events is not None
    assert events.equals(again)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("train-item-views.csv", None, "must hold a file train-item-views.csv .diginetica."),
        ("products.csv", "", "products.csv is empty"),
        ("products.csv", "itemId;pricelog2;product.name.tokens\n1;cheap;3\n",
         "'pricelog2' must be a number. Got 'cheap'"),
        ("train-item-views.csv", VIEWED + "1;2;3;x;2016-05-09\n",
         "line 2: column 'timeframe' must be a whole number. Got 'x'"),
        ("train-item-views.csv", VIEWED + "1;2;3;4;yesterday\n",
         "line 2: column 'eventdate' must be a day .* Got 'yesterday'"),
        ("train-item-views.csv", VIEWED + "1;2;3\n",
         "line 2, must have 5 cells"),
        ("train-purchases.csv", "sessionId;userId;timeframe;eventdate;ordernumber\n1;2;3;4;5\n",
         "must name the column 'itemId'"),
        ("train-clicks.csv", "queryId;timeframe;itemId\n1;NA;2\n",
         "column 'timeframe' must be a whole number. Got None"),
    ],
)  # fmt: skip
def test_diginetica_mistakes(make: Make, name: str, text: str | None, message: str) -> None:
    with pytest.raises(DataError, match=message):
        DIGI_FORMAT.read(make(DIGI, name, text))


def test_diginetica_is_recognised(make: Make) -> None:
    folder = make(DIGI)
    assert DIGI_FORMAT.recognises(folder)
    assert not RETAIL_FORMAT.recognises(folder)
    (folder / "train-item-views.csv").unlink()
    assert not DIGI_FORMAT.recognises(folder)


def test_diginetica_survives_and_is_taken(make: Make, tmp_path: Path) -> None:
    tables = DIGI_FORMAT.read(make(DIGI))
    write_plain(tables, tmp_path)
    again = read_plain(tmp_path).there()
    for name, frame in tables.there().items():
        assert again[name].equals(frame), name
    catalog = Catalog.read(tmp_path / "items.csv")
    log, report = clean(EventLog.read(tmp_path / "events.csv"), catalog.ids)
    assert (report.kept, report.reasons) == (6, {})
    assert log.query is not None
    assert [text for text in log.query if text] == ["16655 244087"]
    category = next(a for a in catalog.attributes if a.name == "category")
    assert set(category.values.ids) == {"c12", "c1096"}
