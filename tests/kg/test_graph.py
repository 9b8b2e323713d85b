"""KnowledgeGraph: typed nodes and edges that check themselves, and networkx both ways."""

import datetime as dt

import networkx as nx
import numpy as np
import polars as pl
import pytest

from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.graph import KnowledgeGraph, Relation
from kg.ids import Vocab

ITEM, TAG = Vocab(("a", "b", "c"), "item"), Vocab(("new", "red"), "tag")
HAS: Relation = ("item", "has", "tag")


def small() -> KnowledgeGraph:
    edges = {HAS: np.array([[0, 0, 2], [0, 1, 1]])}
    return KnowledgeGraph({"item": ITEM, "tag": TAG}, edges, {"item": ("Boots", "", "Cap")})


def log() -> EventLog:
    told = EventLog.of(
        ["u", "u", "v", "v", "v"],
        ["a", "a", "b", "b", None],
        behaviour=["view", "view", "view", "cart", "search"],
    )
    return EventLog(told.users, ITEM, told.behaviours, told.user, told.item, told.behaviour)


def test_events_are_edges_by_behaviour_each_once() -> None:
    graph = small().with_events(log())
    assert graph.num_nodes == {"item": 3, "tag": 2, "user": 2}
    assert graph.edges[("user", "view", "item")].tolist() == [[0, 1], [0, 1]]
    assert graph.edges[("user", "cart", "item")].tolist() == [[1], [1]]
    assert graph.events == {("user", "view", "item"), ("user", "cart", "item")}
    assert graph.fact_relations == [HAS]
    assert graph.num_edges == 6


def test_facts_alone_hold_no_event_and_new_events_replace_the_old() -> None:
    graph = small().with_events(log())
    assert set(graph.facts().edges) == {HAS}
    assert graph.facts().events == frozenset()
    again = graph.with_events(log().take(np.array([0])))
    assert again.num_edges == 4


def test_a_node_is_called_by_its_name_or_its_id() -> None:
    graph = small()
    assert [graph.name("item", code) for code in range(3)] == ["Boots", "b", "Cap"]
    assert graph.name("tag", 1) == "red"


@pytest.mark.parametrize(
    ("relation", "index", "rule"),
    [
        (HAS, [[0], [2]], r"nodes in \[0, 2\) of type 'tag'. Got 2"),
        (HAS, [[0, -1], [0, 0]], r"nodes in \[0, 3\) of type 'item'. Got -1"),
        (("item", "has", "shop"), [[0], [0]], "unknown node type 'shop'"),
        (("shop", "has", "item"), [[0], [0]], "unknown node type 'shop'"),
        (HAS, [[0, 1], [0, 1], [0, 1]], r"shape \[2, E\]. Got \(3, 2\)"),
        (HAS, [0, 1], r"shape \[2, E\]"),
    ],
)
def test_bad_edges_are_refused(relation: Relation, index: list[object], rule: str) -> None:
    with pytest.raises(DataError, match=rule):
        KnowledgeGraph({"item": ITEM, "tag": TAG}, {relation: np.array(index)})


def test_names_and_event_relations_are_checked() -> None:
    with pytest.raises(DataError, match="one name per node of type 'item'"):
        KnowledgeGraph({"item": ITEM}, {}, {"item": ("Boots",)})
    with pytest.raises(DataError, match="must be one of its relations"):
        KnowledgeGraph({"item": ITEM}, {}, events=frozenset({("user", "view", "item")}))


def test_events_must_number_the_same_items_and_users() -> None:
    with pytest.raises(DataError, match=r"same items.*clean\(log, catalog.ids\)"):
        small().with_events(EventLog.of(["u"], ["a"]))
    vocabs = {"item": ITEM, "user": Vocab(("u", "w"), "user"), "tag": TAG}
    about_users = KnowledgeGraph(vocabs, {("user", "is", "tag"): np.array([[1], [0]])})
    with pytest.raises(DataError, match="facts about users"):
        about_users.with_events(log())


def test_networkx_and_back() -> None:
    graph = small().with_events(log())
    there = graph.to_networkx()
    assert there.number_of_nodes() == 7
    assert there.nodes[("item", "a")] == {"type": "item", "name": "Boots"}
    assert there.edges[("user", "v"), ("item", "b"), "cart"] == {"event": True}
    assert there.edges[("item", "a"), ("tag", "red"), "has"] == {"event": False}
    back = KnowledgeGraph.from_networkx(there)
    assert back.vocabs == graph.vocabs
    assert back.events == graph.events
    assert back.edges.keys() == graph.edges.keys()
    for relation, index in graph.edges.items():
        np.testing.assert_array_equal(back.edges[relation], index)
    assert [back.name("item", code) for code in range(3)] == ["Boots", "b", "Cap"]


def test_other_networkx_graphs_are_refused() -> None:
    plain = nx.MultiDiGraph()
    plain.add_node("a")
    with pytest.raises(DataError, match=r"pair \(type, id\). Got 'a'"):
        KnowledgeGraph.from_networkx(plain)
    for kind in (nx.Graph, nx.DiGraph, nx.MultiGraph):
        with pytest.raises(UsageError, match=f"needs a MultiDiGraph.*Got a {kind.__name__}"):
            KnowledgeGraph.from_networkx(kind())


def edges(**attributes: object) -> nx.MultiDiGraph:
    graph = nx.MultiDiGraph()
    graph.add_edge(("item", "a"), ("item", "b"), relation="requires", **attributes)
    graph.add_edge(("item", "a"), ("item", "b"), relation="similar")
    graph.add_edge(("item", "a"), ("item", "c"), relation="similar", time=None)
    return graph


def test_an_edge_of_networkx_may_name_its_relation_by_an_attribute() -> None:
    graph = KnowledgeGraph.from_networkx(edges())
    assert graph.edges[("item", "requires", "item")].tolist() == [[0], [1]]
    assert graph.edges[("item", "similar", "item")].tolist() == [[0, 0], [1, 2]]
    nameless = nx.MultiDiGraph([(("item", "a"), ("item", "b"))])
    with pytest.raises(DataError, match=r"from \('item', 'a'\) to .* must name its relation"):
        KnowledgeGraph.from_networkx(nameless)


def test_times_of_networkx_may_be_dates() -> None:
    for time in ("2024-01-01", dt.datetime(2024, 1, 1), 1704067200):
        graph = KnowledgeGraph.from_networkx(edges(time=time))
        assert graph.edge_time[("item", "requires", "item")].tolist() == [1704067200]
    with pytest.raises(DataError, match=r"time of the edge from \('item', 'a'\).*'soon'"):
        KnowledgeGraph.from_networkx(edges(time="soon"))


def test_nodes_of_networkx_that_are_one_as_text_are_refused() -> None:
    graph = nx.MultiDiGraph()
    graph.add_nodes_from([("item", 1), ("tag", "1")])
    assert KnowledgeGraph.from_networkx(graph).num_nodes == {"item": 1, "tag": 1}
    graph.add_node(("item", "1"))
    with pytest.raises(DataError, match=r"Got \('item', 1\) and \('item', '1'\)"):
        KnowledgeGraph.from_networkx(graph)
    graph = nx.MultiDiGraph()
    graph.add_node(("item", None))
    with pytest.raises(DataError, match="nodes of type 'item', position 0"):
        KnowledgeGraph.from_networkx(graph)


def test_of_triples() -> None:
    rows = [("a", "by", "p"), ("b", "by", "p"), ("a", "like", "b")]
    frame = pl.DataFrame(rows, schema=["head", "relation", "tail"], orient="row")
    for triples, items in ((rows, ["a", "b", "c"]), (iter(rows), pl.Series(["c", "b", "a"])),
                           (frame, Vocab.of("abc", "item"))):  # fmt: skip
        graph = KnowledgeGraph.from_triples(triples, items)
        assert graph.num_nodes == {"item": 3, "entity": 1}
        assert graph.edges[("item", "by", "entity")].tolist() == [[0, 1], [0, 0]]
    with pytest.raises(UsageError, match=r"Got \['a', 'by', None\] instead, number 0"):
        KnowledgeGraph.from_triples([("a", "by", None)], ["a"])
