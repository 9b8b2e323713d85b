"""What is wrong with a graph is said: nodes that join too much, ends that are no items."""

import json

import numpy as np
import pytest

from kg.checking.page import page
from kg.checking.report import lines, relation_lines, report
from kg.graph import KnowledgeGraph
from kg.ids import Vocab


def of_brands(*counts):
    """A graph in which so many items have the first brand, so many the second, …"""
    tails = np.repeat(np.arange(len(counts)), counts)
    items = Vocab.of((f"i{n:07d}" for n in range(len(tails))), "item")
    brands = Vocab.of((f"b{n}" for n in range(len(counts))), "brand")
    edges = {("item", "brand", "brand"): np.stack([np.arange(len(tails)), tails])}
    return KnowledgeGraph({"item": items, "brand": brands}, edges)


def hubs(graph):
    return [line for line in lines(report(graph)) if "apart" in line]


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ([1000], ["1,000 of the items (100%) lead to 'b0', which tells nothing apart"]),
        ([55] + [1] * 45, ["55 of the items (55%) lead to 'b0', which tells little apart"]),
        ([50, 50], []),  # the most that two values can tell
        ([20] * 5, []),
        ([1, 1, 1], []),
        ([10, 10, 10], []),
        ([1], []),  # one item and one brand
    ],
)  # fmt: skip
def test_a_node_that_joins_many_is_named(counts, told):
    assert hubs(of_brands(*counts)) == [f"brand: {line}" for line in told]


def test_relations_are_told_with_their_edges_and_their_largest_target():
    graph = of_brands(3, 1)
    assert relation_lines(report(graph)) == [
        "item – brand – brand: 4 edges, 1.0 for each of 4, to 2 nodes, 75% of them to 'b0'"
    ]
    none = KnowledgeGraph(graph.vocabs, {r: e[:, :0] for r, e in graph.edges.items()})
    (line,) = relation_lines(report(none))
    assert line.endswith("0 edges, 0.0 for each of 0, to 0 nodes")


def test_what_few_items_have_joins_few_of_all():
    """A flag that two of fifty items have tells these apart, and what leads upwards is meant to."""
    graph = of_brands(*[1] * 50)
    flags, above = Vocab.of(["yes"], "flag"), ("brand", "part_of", "brand")
    edges = {("item", "flag", "flag"): np.array([[0, 1], [0, 0]]),
             above: np.stack([np.arange(1, 50), np.zeros(49, np.int64)])}  # fmt: skip
    vocabs = {**graph.vocabs, "flag": flags}
    assert hubs(KnowledgeGraph(vocabs, {**graph.edges, **edges})) == []


def test_a_graph_of_relations_without_an_edge_is_reported():
    none = of_brands(1, 1)
    none = KnowledgeGraph(none.vocabs, {r: e[:, :0] for r, e in none.edges.items()})
    assert (report(none).components, report(none).linked) == (0, 0)


def test_a_hub_is_counted_by_the_items_it_joins():
    """Of several tags an item, one that everybody has is a small part of the edges."""
    items, tags = Vocab.of("abcdefgh", "item"), Vocab.of("0123456789", "tag")
    own = [(item, (3 * item + n) % 9 + 1) for item in range(8) for n in range(4)]
    pairs = np.array([*((item, 0) for item in range(8)), *own]).T
    graph = KnowledgeGraph({"item": items, "tag": tags}, {("item", "tag", "tag"): pairs})
    found = report(graph)
    (tag,) = found.relations
    assert (tag.hub, tag.hub_joins, tag.hub_share) == ("0", 8, 0.2)
    assert "8 of the items (100%) lead to '0', which tells little apart" in hubs(graph)[0]
    assert found.as_dict()["relations"][0]["hub_joins"] == 8


def test_ends_that_are_no_items_are_counted():
    rows = [("s1", "similar_to", "s2"), ("s99", "similar_to", "s1"), ("s1", "similar_to", "s77"),
            ("s1", "by", "x"), ("s2", "by", "s1"), ("s2", "by", "y")]  # fmt: skip
    graph = KnowledgeGraph.from_triples(rows, ["s1", "s2", "s3"])
    found = report(graph)
    told = {"relation": "similar_to", "count": 2, "some": ("s77", "s99")}
    assert found.as_dict()["no_items"] == (told,)
    assert json.loads(json.dumps(found.as_dict()))["no_items"][0]["some"] == ["s77", "s99"]
    line = ("similar_to joins items, but 2 of its ends are none of the catalogue and became nodes "
            "of the type entity: s77, s99")  # fmt: skip
    assert line in lines(found)
    assert line in page(found)


def test_of_many_ends_the_first_are_named():
    rows = [("a", "like", "b"), *(("a", "like", "b") for _ in range(3))]
    rows += [(f"x{n}", "like", "a") for n in range(9)] + [("b", "like", "a")]
    rows += [(one, "like", other) for one in "cdefg" for other in "ab"]
    graph = KnowledgeGraph.from_triples(rows, list("abcdefg"))
    (odd,) = report(graph).no_items
    assert (odd.count, odd.some) == (9, ("x0", "x1", "x2", "x3", "x4"))
    assert any(line.endswith("x4, …") for line in lines(report(graph)))


def test_words_that_happen_to_be_ids_are_no_relation_of_items():
    rows = [("heat", "year", "1995"), ("up", "year", "2009"), ("1995", "year", "2001")]
    assert report(KnowledgeGraph.from_triples(rows, ["1995", "heat", "up"])).no_items == ()
    typed = {
        ("item", "about", "item"): np.array([[0], [1]]),
        ("item", "about", "city"): np.array([[0], [0]]),
    }
    vocabs = {"item": Vocab.of("ab", "item"), "city": Vocab.of(["rome"], "city")}
    assert report(KnowledgeGraph(vocabs, typed)).no_items == ()


def test_the_page_draws_how_many_nodes_have_how_many_edges():
    graph = of_brands(9, 2, 1, 1)
    (one,) = report(graph).relations
    assert one.source_degrees == (13,)
    assert one.target_degrees == (2, 1, 0, 1)  # 1 edge, 2 or 3, 4 to 7, 8 to 15
    html = page(report(graph))
    assert html.count("<svg") == 2
    assert ">8–15</text>" in html
    assert "http" not in html.replace("http-equiv", "")
