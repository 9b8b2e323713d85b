"""Graphs to HeteroData and back."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData

from kg.building.build import build_graph
from kg.errors import DataError
from kg.graph import KnowledgeGraph
from kg.ids import Vocab
from kg.testing import planted, tiny
from models.gnn.hetero import from_hetero, to_hetero


def with_events():
    world = tiny()
    return build_graph(world.log, world.catalog, triples=world.triples)


def planted_graph():
    world = planted(np.random.default_rng(0), users=20, items=15)
    return build_graph(world.log, world.catalog)


def odd():
    """A node type without edges, one without nodes, unsorted and repeated edges, ids that look
    like numbers.
    """
    vocabs = {"item": Vocab(("01", "10", "2")), "tag": Vocab(("a", "b\x00")), "lone": Vocab(("x",)),
              "none": Vocab(())}  # fmt: skip
    edges = {("item", "has", "tag"): np.array([[2, 0, 0], [1, 0, 0]]),
             ("item", "none", "none"): np.empty((2, 0), np.int64)}  # fmt: skip
    return KnowledgeGraph(vocabs, edges, {"item": ("Heat", "", "霸王别姬")})


@pytest.mark.filterwarnings("ignore:The node types")
@pytest.mark.parametrize("make", [with_events, planted_graph, odd])
def test_the_round_trip_is_exact(make):
    graph = make()
    data = to_hetero(graph)
    assert data.validate(raise_on_error=False) or make is odd  # which has a lonely node
    back = from_hetero(data)
    assert {k: v.ids for k, v in back.vocabs.items()} == {k: v.ids for k, v in graph.vocabs.items()}
    assert list(back.edges) == list(graph.edges)
    for relation, index in graph.edges.items():
        assert back.edges[relation].dtype == np.int64
        np.testing.assert_array_equal(back.edges[relation], index)
    assert back.names == {k: v for k, v in graph.names.items() if k in graph.vocabs}
    assert back.events == graph.events
    assert bool(graph.events) == (make is not odd)


def test_dates_of_facts_go_along():
    graph = with_events()
    by = ("item", "made_by", "maker")
    times = np.arange(graph.edges[by].shape[1])[::-1].copy()
    dated = replace(graph, edge_time={by: times})
    data = to_hetero(dated)
    assert data[by].time.tolist() == times.tolist()
    back = from_hetero(data)
    assert list(back.edge_time) == [by]
    np.testing.assert_array_equal(back.edge_time[by], times)


def test_what_is_in_it():
    data = to_hetero(odd())
    assert data["item"].num_nodes == 3
    assert data["item"].ids.tolist() == ["01", "10", "2"]
    assert data["item"].names[2] == "霸王别姬"
    assert "names" not in data["tag"]
    index = data["item", "has", "tag"].edge_index
    assert (index.dtype, index.tolist()) == (torch.int64, [[2, 0, 0], [1, 0, 0]])


def test_a_subgraph_keeps_the_right_ids():
    part = to_hetero(odd()).subgraph({"item": torch.tensor([2, 1])})
    graph = from_hetero(part)
    assert graph.vocabs["item"].ids == ("10", "2")
    assert graph.names["item"] == ("", "霸王别姬")
    assert graph.edges["item", "has", "tag"].tolist() == [[1], [1]]


def foreign(edges=((0, 11), (1, 0)), **store):
    """12 items and 2 tags that came from elsewhere."""
    data = HeteroData()
    data["item"].x = torch.zeros(12, 3)
    data["tag"].num_nodes = 2
    data["item", "has", "tag"].edge_index = torch.tensor(edges)
    for name, value in store.items():
        data["tag"][name] = value
    return data


def test_nodes_without_ids_are_called_by_their_numbers():
    graph = from_hetero(foreign())
    assert sorted(graph.vocabs["item"].ids, key=int) == [str(n) for n in range(12)]
    heads, tails = graph.edges["item", "has", "tag"]
    assert graph.vocabs["item"].decode(heads) == ["0", "11"]
    assert graph.vocabs["tag"].decode(tails) == ["1", "0"]


def test_nodes_are_numbered_by_their_ids():
    graph = from_hetero(foreign(ids=["z", "a"], names=["Zet", "Ah"]))
    assert graph.vocabs["tag"].ids == ("a", "z")
    assert graph.names["tag"] == ("Ah", "Zet")
    assert graph.vocabs["tag"].decode(graph.edges["item", "has", "tag"][1]) == ["a", "z"]


def unknown_type():
    data = foreign()
    data["item", "by", "maker"].edge_index = torch.tensor([[0], [0]])
    return data


def unsized():
    data = foreign()
    del data["tag"]["num_nodes"]
    data["tag"].colour = "red"
    return data


def no_edges():
    data = HeteroData()
    data["item"].num_nodes = 2
    return data


def no_index():
    data = foreign()
    data["item", "by", "tag"].weight = torch.zeros(3)
    return data


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: foreign(((0, 12), (1, 0))), r"\[0, 12\).*'item'.*12"),
        (lambda: foreign(((0, 1), (1, -1))), r"\[0, 2\).*'tag'.*-1"),
        (lambda: foreign(((0.0, 1.0), (1.0, 0.0))), "integers.*float"),
        (lambda: foreign((0, 1)), r"\[2, E\]"),
        (lambda: foreign(ids=["a", "a"]), "all different"),
        (lambda: foreign(ids=["a"]), "one id for each of its 2"),
        (lambda: foreign(names=["a"]), "one name for each of its 2"),
        (unknown_type, "'maker'"),
        (unsized, "'tag' must say"),
        (no_edges, "at least one edge type"),
        (no_index, "Got none"),
    ],
)
def test_what_is_no_graph_is_refused(make, told):
    with pytest.raises(DataError, match=told):
        from_hetero(make())


def test_a_graph_without_relations_is_refused():
    with pytest.raises(DataError, match="at least one relation"):
        to_hetero(KnowledgeGraph({"item": Vocab(("a",))}, {}))
