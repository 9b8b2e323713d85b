"""Named vectors: files of several forms, strangers set aside, each mistake named."""

import numpy as np
import polars as pl
import pytest

from kg.catalog import Catalog
from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.graph import KnowledgeGraph
from kg.ids import Vocab
from kg.storage import Dataset, load_dataset, save_dataset
from kg.vectors import Vectors, read_vectors

ITEMS = Vocab(("a", "b", "c", "d"), "item")
VALUES = np.array([[1.5, -2.0], [0.25, 3.0], [0.0, 4.0]], np.float32)
IDS = ["c", "z", "a"]


def npz(folder, ids=IDS, values=VALUES, **names):
    file = folder / "image.npz"
    np.savez(file, **({"ids": np.array(ids), "vectors": values} | names))
    return file


def table(folder, text):
    file = folder / "image.csv"
    file.write_text(text, encoding="utf-8")
    return file


def forms(folder):
    frame = pl.DataFrame({"id": IDS, "image": VALUES.tolist()})
    frame.write_parquet(folder / "image.parquet")
    yield npz(folder)
    yield folder / "image.parquet"
    yield table(folder, "id,x,y\nc,1.5,-2\nz,0.25,3\na,0,4\n")
    yield table(folder, "id\tv\nc\t1.5|-2.0\nz\t0.25|3\na\t 0 | 4\n")


def test_every_form_of_a_file_gives_the_same(tmp_path):
    for file in forms(tmp_path):
        found, report = read_vectors("image", file, ITEMS)
        assert found.row.tolist() == [0, 2]
        np.testing.assert_array_equal(found.values, VALUES[[2, 0]])
        np.testing.assert_array_equal(found.dense(4), [[0, 4], [0, 0], [1.5, -2], [0, 0]])
        assert (report.read, report.used, report.width) == (3, 2, 2)
        assert report.aside.rows() == [("image", "z", 2, "unknown item")]
        assert "1 unknown item" in str(report)


def test_spaces_around_an_id_are_no_part_of_it_as_in_tables(tmp_path):
    file = npz(tmp_path, [" 7", "8 "], np.array([[1.0], [2.0]]))
    found, report = read_vectors("image", file, Vocab(("7", "8"), "item"))
    assert (found.row.tolist(), len(report.aside)) == ([0, 1], 0)


def test_a_row_of_zeros_says_nothing_and_numbers_are_ids(tmp_path):
    known = Vocab(("007", "7", "8"), "item")
    file = npz(tmp_path, [7, 8], np.array([[0.0], [2.0]]))
    found, report = read_vectors("image", file, known)
    assert found.row.tolist() == [2]
    assert report.aside["reason"].to_list() == ["only zeros"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,x\na,1\nb,\n", "line 3: column 'x' must be a finite number. Got an empty cell"),
        ("id,x\na,1\nb,far\n", "line 3: column 'x' must be a number. Got 'far'"),
        ("id,x\na,1\nb,nan\n", "line 3: column 'x' must be a finite number"),
        (
            "id,v\na,1|2\nb,1|2|3\n",
            "line 3: column 'v' must hold 2 numbers as the first row does. Got 3",
        ),
        ("id,v\na,1|2\nb,1|inf\n", "line 3: column 'v' must be a finite number. Got 'inf'"),
        ("id,x\na,1\nb,2\na,3\n", "line 4: each id must stand once. Got 'a' again, after line 2"),
        ("name,x\na,1\n", "no column for 'item_id'"),
        ("id\na\n", "must have columns of numbers beside 'id'"),
    ],
)
def test_a_bad_table_is_named_by_file_line_rule_and_value(tmp_path, text, told):
    file = table(tmp_path, text)
    with pytest.raises(DataError) as caught:
        read_vectors("image", file, ITEMS)
    assert told in str(caught.value)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"ids": np.array(IDS, object)}, "plain numbers and texts"),
        ({"ids": np.array(["a"])}, r"of the shape \[1, W\]"),
        ({"ids": np.array([0.5, 1.5, 2.5])}, "texts or whole numbers"),
        (
            {"vectors": np.array([[1.0, 2], [3, np.nan], [5, 6]])},
            r"row 2 \(id 'z'\): number 2 must be finite\. Got nan",
        ),
        ({"vectors": np.ones(3)}, "must be numbers of the shape"),
        ({"vectors": np.full((3, 1), 1e300)}, r"row 1 \(id 'c'\): number 1 .* Got inf"),
        ({"ids": np.array(["a", "b", "a"])}, "row 3: each id must stand once"),
    ],
)
def test_a_bad_npz_is_named(tmp_path, changed, told):
    with pytest.raises(DataError, match=told):
        read_vectors("image", npz(tmp_path, **changed), ITEMS)


def test_an_npz_without_the_two_arrays_or_that_is_none(tmp_path):
    np.savez(tmp_path / "x.npz", emb=VALUES)
    with pytest.raises(DataError, match=r"'ids' and 'vectors'\. Got emb"):
        read_vectors("image", tmp_path / "x.npz", ITEMS)
    (tmp_path / "y.npz").write_text("id,x\n")
    with pytest.raises(DataError, match=r"no readable \.npz"):
        read_vectors("image", tmp_path / "y.npz", ITEMS)


@pytest.mark.parametrize("name", ["", "text", "a b", "2d", "x/y"])
def test_names_that_parts_already_have_or_that_are_none(name):
    with pytest.raises(UsageError, match="name of vectors"):
        Vectors(name, np.zeros(0, np.int64), np.zeros((0, 3), np.float32))


def test_a_data_folder_keeps_vectors_and_what_was_set_aside(tmp_path):
    catalog = Catalog.of(ITEMS.ids)
    found, report = read_vectors("image", npz(tmp_path), catalog.ids)
    catalog = catalog.with_vectors(found, Vectors.of("sound", ["d", "q"], VALUES[:2], catalog.ids))
    log = EventLog.of(["u"], ["a"])
    graph = KnowledgeGraph({"item": catalog.ids, "user": log.users}, {})
    log = EventLog(log.users, catalog.ids, log.behaviours, log.user, log.item, log.behaviour)
    save_dataset(tmp_path / "d", Dataset(log, catalog, graph), {}, vectors_aside=report.aside)
    back = load_dataset(tmp_path / "d").catalog
    assert [v.name for v in back.vectors] == ["image", "sound"]
    for old, new in zip(catalog.vectors, back.vectors, strict=True):
        np.testing.assert_array_equal(new.dense(4), old.dense(4))
    aside = (tmp_path / "d" / "set_aside_vectors.csv").read_text().splitlines()
    assert aside == ["vectors,id,row,reason", "image,z,2,unknown item"]


def test_one_name_cannot_stand_twice():
    catalog = Catalog.of(ITEMS.ids)
    image = Vectors.of("image", IDS, VALUES, catalog.ids)
    with pytest.raises(DataError, match="must stand once"):
        catalog.with_vectors(image, image)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_named(bad):
    values = np.array([[1.0, 2.0], [3.0, bad]], np.float32)
    with pytest.raises(DataError, match=r"vectors 'image' must be finite .* for row 3"):
        Vectors("image", np.array([0, 3]), values)
    with pytest.raises(DataError, match=r"image, row 2 \(id 'b'\): number 2 must be finite"):
        Vectors.of("image", ["a", "b"], values, ITEMS)


def test_vectors_from_python():
    frame = pl.DataFrame({"item_id": IDS, "image": VALUES.tolist()})
    told = [VALUES, VALUES.tolist(), frame["image"], frame["image"].to_numpy()]
    for values in told:
        found = Vectors.of("image", frame["item_id"], values, ITEMS)
        np.testing.assert_array_equal(found.dense(4), [[0, 4], [0, 0], [1.5, -2], [0, 0]])
    found, _ = read_vectors("image", frame, ITEMS)
    np.testing.assert_array_equal(found.values, VALUES[[2, 0]])
    with pytest.raises(DataError, match=r"ids of the vectors 'image', position 1"):
        Vectors.of("image", ["a", None], VALUES[:2], ITEMS)
    for odd in ([[1.0], [1.0, 2.0]], [["x"], ["y"]]):
        with pytest.raises(DataError, match="rows of equally many numbers"):
            Vectors.of("image", ["a", "b"], odd, ITEMS)
