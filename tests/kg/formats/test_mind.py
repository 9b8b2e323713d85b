"""MIND: clicks on news, and the entities that the news mention."""

import json
from pathlib import Path

import pytest

from kg.building.triples import read_triples
from kg.catalog import Catalog
from kg.clean import clean
from kg.errors import DataError
from kg.events import EventLog
from kg.formats.mind import FORMAT, read_mind
from kg.formats.tables import read_plain, write_plain

NINE = 1573808122  # 2019-11-15 08:55:22 UTC


def entity(key: str, label: str) -> dict[str, object]:
    return {"Label": label, "Type": "O", "WikidataId": key, "Confidence": 1.0,
            "OccurrenceOffsets": [0], "SurfaceForms": [label]}  # fmt: skip


PGA = json.dumps([entity("Q910409", "PGA Tour")])
BOTH = json.dumps([entity("Q910409", "PGA Tour"), entity("Q30", "United States")])
BEHAVIOURS = [
    ["1", "U1", "11/15/2019 8:55:22 AM", "N3 N1", "N2-1 N3-0"],
    ["2", "U1", "11/14/2019 12:00:05 AM", "N3", "N1-0 N3-1"],
    ["3", "U2", "11/15/2019 8:55:22 PM", "", "N1-1"],
]
NEWS = [
    ["N1", "sports", "golf", "PGA Tour winners", "A gallery of \"recent\" winners",
     "https://www.msn.com/x", PGA, BOTH],
    ["N2", "news", "", "Rain, and more", "", "https://www.msn.com/y", "[]", "[]"],
    ["N3", "video", "animals", "A cat", "It sleeps", "https://www.msn.com/z", "[]", ""],
]  # fmt: skip


def save(folder: Path, behaviours: list[list[str]], news: list[list[str]]) -> Path:
    for name, rows in (("behaviors.tsv", behaviours), ("news.tsv", news)):
        (folder / name).write_text("".join("\t".join(row) + "\n" for row in rows), "utf-8")
    return folder


@pytest.fixture
def mind(tmp_path: Path) -> Path:
    return save(tmp_path, BEHAVIOURS, NEWS)


def test_clicks_come_after_the_history_of_the_first_impression(mind: Path) -> None:
    events = FORMAT.read(mind).events
    assert events is not None
    assert events.columns == ["user_id", "item_id", "behaviour", "timestamp"]
    first = NINE - 86400 - 8 * 3600 - 55 * 60 - 17
    assert events.rows() == [
        ("U1", "N3", "click", str(first - 1)),  # row 2 is the earlier one
        ("U1", "N3", "click", str(first)),
        ("U1", "N2", "click", str(NINE)),
        ("U2", "N1", "click", str(NINE + 43200)),
    ]


def test_a_history_keeps_its_order_one_second_apart(tmp_path: Path) -> None:
    rows = [["1", "U", "11/15/2019 8:55:22 AM", "N3 N1 N2", "N1-1"],
            ["2", "V", "11/15/2019 8:55:22 AM", "N2 N3", "N1-0"]]  # fmt: skip
    events = FORMAT.read(save(tmp_path, rows, NEWS)).events
    assert events is not None
    mine = events.filter(user_id="U")
    assert mine["item_id"].to_list() == ["N3", "N1", "N2", "N1"]
    assert [NINE - int(time) for time in mine["timestamp"]] == [3, 2, 1, 0]
    assert events.filter(user_id="V")["item_id"].to_list() == ["N2", "N3"]


def test_views_are_taken_on_request(mind: Path) -> None:
    tables = read_mind(mind, views=True)
    assert tables.events is not None
    shown = tables.events.filter(behaviour="view")
    assert set(shown.select("user_id", "item_id").rows()) == {("U1", "N3"), ("U1", "N1")}
    assert not [note for note in tables.notes if "-0" in note]
    assert [note for note in read_mind(mind).notes if "(-0) is left out" in note]


def test_news_are_items_with_a_path(mind: Path) -> None:
    items = FORMAT.read(mind).items
    assert items is not None
    assert items.columns == ["item_id", "title", "text", "category"]
    assert items.rows() == [
        ("N1", "PGA Tour winners", 'A gallery of "recent" winners', "sports > golf"),
        ("N2", "Rain, and more", None, "news"),
        ("N3", "A cat", "It sleeps", "video > animals"),
    ]


def test_entities_are_mentioned_once(mind: Path) -> None:
    tables = FORMAT.read(mind)
    assert tables.triples is not None
    assert tables.entities is not None
    assert tables.triples.rows() == [("N1", "mentions", "Q910409"), ("N1", "mentions", "Q30")]
    assert tables.entities.filter(type="entity").rows() == [
        ("Q910409", "entity", "PGA Tour", None),
        ("Q30", "entity", "United States", None),
    ]
    assert ("N1", "item", "PGA Tour winners", "N1") in tables.entities.rows()
    assert tables.entities["item_id"].drop_nulls().to_list() == ["N1", "N2", "N3"]


def test_without_entities_there_are_no_triples(tmp_path: Path) -> None:
    tables = FORMAT.read(save(tmp_path, BEHAVIOURS, NEWS[1:]))
    assert tables.triples is None
    assert tables.entities is None


def test_vectors_are_left_out_and_told(mind: Path) -> None:
    assert not [note for note in FORMAT.read(mind).notes if "vectors" in note]
    (mind / "entity_embedding.vec").write_text("Q30\t0.1\t0.2\n")
    tables = FORMAT.read(mind)
    assert tables.vectors == {}
    assert [note for note in tables.notes if "entity_embedding.vec are left out" in note]


def test_recognised_by_both_files(mind: Path) -> None:
    assert FORMAT.recognises(mind)
    assert not FORMAT.recognises(mind / "news.tsv")
    (mind / "news.tsv").unlink()
    assert not FORMAT.recognises(mind)


def changed(rows: list[list[str]], row: int, cell: int, value: str) -> list[list[str]]:
    return [
        [value if (r, c) == (row, cell) else old for c, old in enumerate(cells)]
        for r, cells in enumerate(rows)
    ]


@pytest.mark.parametrize(
    ("row", "cell", "value", "message"),
    [
        (1, 2, "2019-11-15 08:55", "line 2: a time must look like .* Got '2019-11-15 08:55'"),
        (2, 2, "", "line 3: a time must look like .* Got None"),
        (0, 4, "N2-1 N3", "line 1: an impression must end in -1 .* Got 'N3'"),
        (0, 4, "N2-2", "Got 'N2-2'"),
        (0, 4, "N2-1\tx", "line 1, must have 5 cells .* Got 6"),
    ],
)
def test_mistakes_in_behaviours(
    tmp_path: Path, row: int, cell: int, value: str, message: str
) -> None:
    folder = save(tmp_path, changed(BEHAVIOURS, row, cell, value), NEWS)
    with pytest.raises(DataError, match=f"behaviors.tsv, {message}|{message}"):
        FORMAT.read(folder)


@pytest.mark.parametrize(
    ("cell", "value"), [(6, "[{"), (7, '{"a": 1}'), (7, "[1]"), (6, "3"), (7, '[{"WikidataId"]')]
)
def test_broken_entities_are_named(tmp_path: Path, cell: int, value: str) -> None:
    folder = save(tmp_path, BEHAVIOURS, changed(NEWS, 2, cell, value))
    with pytest.raises(DataError, match=r"news.tsv, line 3: the (title|abstract)_entities must"):
        FORMAT.read(folder)


def test_missing_and_empty_files(mind: Path) -> None:
    (mind / "news.tsv").write_text("")
    with pytest.raises(DataError, match=r"news.tsv is empty"):
        FORMAT.read(mind)
    (mind / "news.tsv").unlink()
    with pytest.raises(DataError, match=r"must hold a file news.tsv .mind."):
        FORMAT.read(mind)
    (mind / "behaviors.tsv").unlink()
    with pytest.raises(DataError, match=r"must hold a file behaviors.tsv .mind.. Got nothing"):
        FORMAT.read(mind)


def test_the_plain_form_survives_and_is_taken(mind: Path) -> None:
    tables = FORMAT.read(mind)
    write_plain(tables, mind)
    again = read_plain(mind).there()
    assert list(again) == ["events", "items", "triples", "entities"]
    for name, frame in tables.there().items():
        assert again[name].equals(frame), name
    catalog = Catalog.read(mind / "items.csv")
    log, report = clean(EventLog.read(mind / "events.csv"), catalog.ids)
    assert (report.kept, report.reasons) == (4, {})
    assert log.time is not None
    assert int(log.time.max()) == NINE + 43200
    triples = read_triples(mind / "triples.csv", catalog.ids, entities=mind / "entities.csv")
    assert triples.edges[("item", "mentions", "entity")].shape == (2, 2)
    assert not triples.dropped
