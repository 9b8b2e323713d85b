"""A data folder gives back what was put in."""

import dataclasses

import numpy as np
import pytest

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.split import leave_one_out
from kg.storage import Dataset, load_dataset, save_dataset
from kg.testing import tiny


def same(a, b):
    for field in dataclasses.fields(a):
        one, two = getattr(a, field.name), getattr(b, field.name)
        if isinstance(one, np.ndarray):
            assert two.dtype == one.dtype, field.name
            np.testing.assert_array_equal(one, two, err_msg=field.name)
        else:
            assert one == two, field.name


@pytest.fixture
def data():
    world = tiny()
    return Dataset(world.log, world.catalog,
                   build_graph(world.log, world.catalog, triples=world.triples))  # fmt: skip


def test_round_trip_of_the_tiny_world(tmp_path, data):
    save_dataset(tmp_path / "d", data, {"source": "tiny 小"})
    back = load_dataset(tmp_path / "d")
    same(data.log, back.log)
    assert back.catalog.ids == data.catalog.ids
    assert (back.catalog.titles, back.catalog.texts) == (data.catalog.titles, data.catalog.texts)
    for a, b in zip(data.catalog.attributes, back.catalog.attributes, strict=True):
        same(a, b)
    facts = data.graph.facts()
    assert back.graph.vocabs == facts.vocabs
    assert back.graph.names == facts.names  # titles of items and makers: explanations read them
    assert back.graph.events == frozenset()
    assert back.graph.edges.keys() == facts.edges.keys()
    for relation, index in facts.edges.items():
        np.testing.assert_array_equal(back.graph.edges[relation], index)


def test_the_loaded_graph_takes_training_events(tmp_path, data):
    save_dataset(tmp_path / "d", data, {})
    back = load_dataset(tmp_path / "d")
    split = leave_one_out(back.log)
    want = data.graph.with_events(leave_one_out(data.log).train)
    got = back.graph.with_events(split.train)
    assert got.events == want.events
    assert got.num_edges == want.num_edges


def test_a_log_without_times_or_queries(tmp_path, data):
    log = dataclasses.replace(data.log, time=None, query=None, row=None)
    save_dataset(tmp_path / "d", dataclasses.replace(data, log=log), {})
    same(log, load_dataset(tmp_path / "d").log)


def test_wrong_folders_are_refused(tmp_path, data):
    with pytest.raises(UsageError, match="no folder"):
        load_dataset(tmp_path / "none")
    (tmp_path / "other").mkdir()
    with pytest.raises(DataError, match="manifest"):
        load_dataset(tmp_path / "other")


def test_the_fingerprint_is_that_of_what_a_training_sees(data, tmp_path):
    save_dataset(tmp_path / "a", data, {})
    assert load_dataset(tmp_path / "a").fingerprint == data.fingerprint
    fewer = data.log.take(np.arange(len(data.log) - 1))
    assert dataclasses.replace(data, log=fewer).fingerprint != data.fingerprint
    bare = dataclasses.replace(data.graph, edges={}, events=frozenset())
    assert dataclasses.replace(data, graph=bare).fingerprint != data.fingerprint
    told = dataclasses.replace(data.catalog, titles=data.catalog.titles[::-1])
    assert dataclasses.replace(data, catalog=told).fingerprint != data.fingerprint


def test_parts_that_do_not_fit_each_other_are_no_dataset(data):
    other = Catalog.of(["zz"], ["Z"])
    with pytest.raises(DataError, match=r"log and the catalogue .* call clean\(log"):
        Dataset(data.log, other, data.graph)
    log = EventLog.of(["u"], ["zz"])
    with pytest.raises(DataError, match=r"graph and the catalogue .* Got 8 and 1 items"):
        Dataset(log, other, data.graph)
