"""Who is forgotten is nowhere any more, and nobody else has changed."""

from dataclasses import replace

import numpy as np
import pytest

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.clean import clean
from kg.events import EventLog
from kg.forgetting import graph_without, log_without, table_without
from kg.graph import KnowledgeGraph
from kg.ids import Vocab
from kg.testing import tiny
from kg.vectors import Vectors

GONE = ["u2", "u5"]


def people():
    ids = ["u1", "u2", "u3", "u5", "u9"]
    table = Catalog.of(
        ids, attributes={"town": [["Ulm"], ["Bern"], ["Ulm"], ["Bern"], []],
                         "likes": [["tea"], ["tea", "go"], [], ["cake"], ["tea"]]},
        numbers={"age": [20, 30, 40, np.nan, 60]}, name="user",
    )  # fmt: skip
    looks = Vectors.of("face", ["u2", "u3", "u5"], np.eye(3, 2), table.ids)
    return table.with_vectors(looks)


def test_a_log_keeps_the_events_of_all_others():
    log = tiny().log
    left = log_without(log, GONE)
    frame = log.to_frame()
    assert left.to_frame().equals(frame.filter(~frame["user"].is_in(GONE)))
    assert left.users.ids == ("u1", "u3", "u4", "u6")
    assert log.take(~np.isin(log.user, log.users.encode(GONE))).users == log.users  # its ids stay
    assert log_without(log, ()).to_frame().equals(frame)


def test_ids_that_came_late_stay_the_last():
    log = tiny().log
    more = EventLog.of(["b", "a", "u1"], ["i1", "i2", "i3"], time=log.time.max() + np.arange(3))
    both = log.joined(clean(more, log.items)[0])
    left = log_without(both, ["a", "u2"])
    assert left.users == Vocab(("u1", "u3", "u4", "u5", "u6", "b"), "user", 1)
    assert set(left.to_frame()["user"]) == set(left.users.ids)


def test_a_table_loses_rows_and_the_values_that_only_they_had():
    left = table_without(people(), GONE)
    assert left.ids.ids == ("u1", "u3", "u9")
    assert left.attribute("town").values.ids == ("Ulm",)
    assert left.attribute("likes").cells(3) == [["tea"], [], ["tea"]]
    assert left.vectors[0].dense(3).tolist() == [[0, 0], [0, 1], [0, 0]]
    assert left.numbers["age"].tolist() == [20, 40, 60]


@pytest.mark.parametrize("users", [None, people()])
def test_a_graph_is_as_if_they_had_never_been(users):
    world = tiny()
    whole = build_graph(world.log, world.catalog, users, world.triples)
    left = graph_without(whole, GONE)
    table = None if users is None else table_without(users, GONE)
    want = build_graph(log_without(world.log, GONE), world.catalog, table, world.triples)
    assert left.vocabs == want.vocabs
    for relation, index in want.edges.items():
        assert left.edges[relation].tolist() == index.tolist(), relation
    assert all(left.edges[r].size == 0 for r in left.edges.keys() - want.edges.keys())
    assert left.names == want.names


def test_names_and_dates_go_with_the_nodes():
    world = tiny()
    graph = build_graph(world.log, world.catalog)
    index = np.array([[0, 1, 1, 4], [1, 0, 2, 0]])
    knows = ("user", "knows", "user")
    graph = replace(
        graph, edges={**graph.edges, knows: index}, edge_time={knows: np.arange(4)},
        names={**graph.names, "user": tuple("ABCDEF")},
    )  # fmt: skip
    left = graph_without(graph, ["u2"])
    assert left.names["user"] == tuple("ACDEF")
    assert left.edges[knows].tolist() == [[3], [0]]
    assert left.edge_time[knows].tolist() == [3]
    nobody = KnowledgeGraph({"item": world.catalog.ids}, {})
    assert graph_without(nobody, ["u2"]) is nobody
