"""All formats together: found by what is in a path, and our own folders in other people's files."""

import gzip
import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from kg.building.build import build_graph
from kg.building.from_table import from_table
from kg.building.triples import read_triples
from kg.catalog import Catalog
from kg.clean import clean
from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.formats import FORMATS, convert, detected, read_any
from kg.formats.tables import Named, Tables, write_plain
from kg.graph_store import save_graph
from kg.storage import Dataset, save_dataset
from kg.testing import planted
from kg.vectors import read_vectors

DOCS = Path(__file__).parents[3] / "docs" / "data.md"
WRITABLE = [name for name, form in FORMATS.items() if form.write is not None]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A data folder and a graph folder."""
    place = tmp_path_factory.mktemp("own")
    world = planted(np.random.default_rng(0), users=30, signal=1.0)
    data = Dataset(world.log, world.catalog, build_graph(world.log, world.catalog))
    save_dataset(place / "data", data, {})
    frame = pl.DataFrame({"sku": ["a", "b"], "title": ["Boots", "Hat"], "brand": ["x", "x"],
                          "kind": ["A > B", "A"]})  # fmt: skip
    save_graph(place / "graph", from_table(frame, relations="brand,kind:hierarchy(>)").graph, {})
    return place, data


def test_every_format_is_in_the_docs():
    text = DOCS.read_text(encoding="utf-8")
    for name in FORMATS:
        assert f"| `{name}` |" in text, name


@pytest.mark.parametrize("name", ["data", "graph"])
def test_our_own_folders_are_recognised(folders, name):
    assert detected(folders[0] / name).name == name


@pytest.mark.parametrize("to", [name for name in WRITABLE if name not in ("rdf", "graphml")])
def test_events_go_out_and_come_back(folders, tmp_path, to):
    place, data = folders
    convert(place / "data", tmp_path / "out", to=to)
    assert detected(tmp_path / "out").name == to
    convert(tmp_path / "out", tmp_path / "plain")
    items = Catalog.read(tmp_path / "plain" / "items.csv") if to != "kgat" else data.catalog
    log, _ = clean(EventLog.read(tmp_path / "plain" / "events.csv", use_time=to != "kgat",
                                 ordered=to != "kgat"), items.ids)  # fmt: skip
    own = set(zip(data.log.users.decode(data.log.user), data.log.items.decode(data.log.item),
                  strict=True))  # fmt: skip
    assert set(zip(log.users.decode(log.user), log.items.decode(log.item), strict=True)) == own
    if to != "kgat":
        assert np.array_equal(log.time, data.log.time)
        assert {b.name for b in log.behaviours} == {b.name for b in data.log.behaviours}


@pytest.mark.parametrize("to", ["plain", "recbole", "rdf", "graphml"])
def test_a_graph_goes_out_and_comes_back(folders, tmp_path, to):
    place, _ = folders
    own = read_any(place / "graph")
    if to == "recbole":  # which wants events
        own = Tables(pl.DataFrame({"user_id": ["u"], "item_id": ["a"]}), own.items, None,
                     own.triples, own.entities)  # fmt: skip
        (tmp_path / "with").mkdir()
        write_plain(own, tmp_path / "with")
        convert(tmp_path / "with", tmp_path / "out", to=to)
    else:
        convert(place / "graph", tmp_path / "out", to=to)
    convert(tmp_path / "out", tmp_path / "plain")
    assert own.triples is not None
    found = read_any(tmp_path / "plain").triples
    assert found is not None
    assert set(found.iter_rows()) == set(own.triples.iter_rows())
    items = Catalog.of(["a", "b"]).ids
    triples = read_triples(tmp_path / "plain" / "triples.csv", items,
                           entities=tmp_path / "plain" / "entities.csv")  # fmt: skip
    brand = next(edges for relation, edges in triples.edges.items() if relation[1] == "brand")
    assert brand.shape == (2, 2)
    assert not triples.dropped


@pytest.mark.parametrize("ending", ["csv", "tsv", "csv.gz", "txt", "parquet"])
def test_a_file_of_triples_alone_is_read(tmp_path, ending):
    frame = pl.DataFrame({"head": ["i1", "i2"], "relation": ["by", "by"], "tail": ["x", "x"],
                          "since": ["2024-01-01", None]})  # fmt: skip
    file = tmp_path / f"t.{ending}"
    if ending == "parquet":
        frame.write_parquet(file)
    else:
        text = frame.write_csv(separator="\t" if ending == "tsv" else ",").encode()
        file.write_bytes(gzip.compress(text) if ending.endswith("gz") else text)
    assert detected(file).name == "plain"
    convert(file, tmp_path / "plain")
    again = read_any(tmp_path / "plain")
    assert set(again.there()) == {"triples"}
    assert again.triples.columns == ["head", "relation", "tail", "timestamp"]
    assert again.triples.rows() == frame.rows()
    convert(tmp_path / "plain", tmp_path / "rdf", to="rdf")
    assert read_any(tmp_path / "rdf").triples.rows() == frame.select(frame.columns[:3]).rows()


def test_other_files_alone_are_no_plain_form(tmp_path):
    file = tmp_path / "events.csv"
    file.write_text("user_id,item_id,timestamp\nu,i,1\n")
    with pytest.raises(UsageError, match=r"events\.csv must be told: it looks like none of plain"):
        read_any(file)
    with pytest.raises(DataError, match=r"events\.csv, line 1, must name a column 'head'"):
        read_any(file, "plain")
    file.write_text("head,relation,tail\n")
    with pytest.raises(DataError, match=r"events\.csv has a header and no rows"):
        read_any(file)


def test_a_frame_is_no_path(tmp_path):
    frame = pl.DataFrame({"user_id": ["u"], "item_id": ["i"]})
    for read in (read_any, detected, lambda given: convert(given, tmp_path / "o")):
        with pytest.raises(UsageError, match=r"path of a file.* Got DataFrame .*EventLog\.read"):
            read(frame)
    assert not (tmp_path / "o").exists()


def test_vectors_survive_the_plain_form(tmp_path):
    values = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    told = {"image": Named(("a", "b"), values), "user:age": Named(("u",), values[:1])}
    tables = Tables(items=pl.DataFrame({"item_id": ["a", "b"]}), vectors=told)
    (tmp_path / "p").mkdir()
    write_plain(tables, tmp_path / "p")
    back = read_any(tmp_path / "p")
    assert set(back.vectors) == set(told)
    for name, one in told.items():
        assert back.vectors[name].ids == one.ids
        assert np.array_equal(back.vectors[name].values, one.values)
    ids = Catalog.of(["a", "b"]).ids
    found, report = read_vectors("image", tmp_path / "p" / "image.npz", ids)
    assert report.used == 2
    assert np.array_equal(found.values, values)


def test_prices_go_out_as_numbers_and_come_back(tmp_path):
    rng = np.random.default_rng(0)
    price, year = rng.lognormal(3, 1, 300).round(2), rng.integers(1990, 2000, 300)
    rows = [f"i{n},Thing {n},{p},{y}" for n, (p, y) in enumerate(zip(price, year, strict=True))]
    rows[7] = "i7,Thing 7,,1234567"
    (tmp_path / "items.csv").write_text("\n".join(["item_id,title,price,year", *rows]))
    catalog = Catalog.read(tmp_path / "items.csv")
    log = clean(EventLog.of(["u", "u"], ["i0", "i1"]), catalog.ids)[0]
    save_dataset(tmp_path / "data", Dataset(log, catalog, build_graph(log, catalog)), {})
    convert(tmp_path / "data", tmp_path / "plain")
    again = Catalog.read(tmp_path / "plain" / "items.csv")
    assert again.numbers.keys() == catalog.numbers.keys() == {"price", "year"}
    for name in again.numbers:
        np.testing.assert_array_equal(again.numbers[name], catalog.numbers[name])
        one, other = again.attribute(name), catalog.attribute(name)
        assert one.cells(300) == other.cells(300)


def test_what_no_format_is_or_two_are(tmp_path):
    with pytest.raises(UsageError, match="nothing at"):
        detected(tmp_path / "none")
    with pytest.raises(UsageError, match=r"none of plain, .*--from"):
        detected(tmp_path)
    (tmp_path / "x.inter").write_text("user_id:token\titem_id:token\nu\ti\n", encoding="utf-8")
    assert detected(tmp_path).name == "recbole"
    (tmp_path / "feedback.jsonl").write_text(
        json.dumps({"FeedbackType": "buy", "UserId": "u", "ItemId": "i"}), encoding="utf-8"
    )
    with pytest.raises(UsageError, match="recbole, gorse"):
        detected(tmp_path)
    assert read_any(tmp_path, "gorse").events is not None


def test_writing_is_whole_or_not_at_all(folders, tmp_path):
    with pytest.raises(UsageError, match="can only be read"):
        convert(folders[0] / "data", tmp_path / "o", to="movielens")
    with pytest.raises(DataError, match="must hold events"):
        convert(folders[0] / "graph", tmp_path / "o", to="recbole")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "mine").write_text("x", encoding="utf-8")
    with pytest.raises(UsageError, match="not empty"):
        convert(folders[0] / "data", tmp_path / "o")


def test_a_table_without_its_ids_is_named_with_what_it_has(tmp_path):
    (tmp_path / "events.csv").write_text("User ID,Gender\n1,f\n")
    with pytest.raises(
        DataError, match=r"events\.csv, line 1, must name a column 'user_id'.*Got User ID, Gender"
    ):
        read_any(tmp_path)
