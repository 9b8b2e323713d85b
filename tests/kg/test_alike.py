"""`==` of what holds arrays: true where all of it is the same, and never an error."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from kg.alike import alike
from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.clean import clean
from kg.events import EventLog
from kg.graph import KnowledgeGraph
from kg.intents.labelled import LabelledTexts
from kg.sequences import Sequences
from kg.split import leave_one_out
from kg.storage import Dataset, load_dataset, save_dataset
from kg.vectors import Vectors


def data(price=1.0, time=5):
    catalog = Catalog.of(["a", "b"], ["A", "B"], attributes={"kind": ["x", "y"]},
                         numbers={"price": [price, None]})  # fmt: skip
    vectors = Vectors.of("image", ["a"], [[1.0, 2.0]], catalog.ids)
    catalog = catalog.with_vectors(vectors)
    log = EventLog.of(["u", "u", "v"], ["a", "b", "a"], time=[1, time, 3], value=[1, None, 2])
    return Dataset(log, catalog, build_graph(log, catalog))


def test_equal_data_are_equal():
    one, other = data(), data()
    assert one == other
    for name in ("log", "catalog", "graph"):
        assert getattr(one, name) == getattr(other, name)
        assert getattr(one, name) != "something else"
    assert Sequences.of(one.log) == Sequences.of(other.log)
    assert clean(one.log, one.catalog.ids) == clean(other.log, one.catalog.ids)
    assert leave_one_out(one.log, valid=False) == leave_one_out(other.log, valid=False)
    assert LabelledTexts.of(["a"], ["x"]) == LabelledTexts.of(["a"], ["x"])


def test_what_differs_is_not_equal():
    one = data()
    assert one.log != data(time=6).log
    assert one.log != replace(one.log, value=None)
    assert one.catalog != data(price=2.0).catalog
    assert one != data(price=2.0)
    assert one.graph != one.graph.facts()
    assert LabelledTexts.of(["a"], ["x"]) != LabelledTexts.of(["a"], ["y"])
    vectors = one.catalog.vectors[0]
    assert vectors != replace(vectors, values=vectors.values + 1)


def test_a_stored_folder_is_what_was_stored(tmp_path):
    one = data()
    save_dataset(tmp_path / "d", one)
    back = load_dataset(tmp_path / "d")
    assert (back.log, back.catalog) == (one.log, one.catalog)
    assert back.graph == one.graph.facts()
    assert isinstance(back.graph, KnowledgeGraph)


def test_arrays_and_tables_are_looked_into():
    nan = np.array([1.0, np.nan])
    frame = pl.DataFrame({"a": [1, None]})
    assert alike((nan, {"x": frame}), (nan.copy(), {"x": frame.clone()}))
    assert not alike(nan, nan[:1])
    assert not alike(nan, None)
    assert not alike(None, nan)
    assert not alike(np.array(["a"]), np.array([1.0]))
    assert not alike({"x": nan}, {"y": nan})
    with pytest.raises(TypeError, match="unhashable"):
        hash(data().log)
