"""Graphs in other numbers, put together, kept in folders, and reported on."""

import json

import numpy as np
import pytest

from kg.building.build import build_graph
from kg.building.joined import merged, renumbered
from kg.catalog import Catalog
from kg.checking.diff import difference
from kg.checking.page import page
from kg.checking.report import lines, report
from kg.errors import DataError
from kg.graph import KnowledgeGraph
from kg.graph_store import load_graph, save_graph
from kg.ids import Vocab
from kg.testing import tiny


def graph_of(facts, names=None, kinds=("item", "brand")):
    """A graph of (item, brand) pairs."""
    vocabs = {kind: Vocab.of({pair[n] for pair in facts}, kind) for n, kind in enumerate(kinds)}
    ends = [vocabs[kind].encode([pair[n] for pair in facts]) for n, kind in enumerate(kinds)]
    edges = {(kinds[0], "made_by", kinds[1]): np.unique(np.stack(ends), axis=1)}
    return KnowledgeGraph(vocabs, edges, names or {})


def pairs(graph):
    (relation,) = graph.edges
    ends = [graph.vocabs[relation[2 * n]].decode(graph.edges[relation][n]) for n in (0, 1)]
    return set(zip(*ends, strict=True))


def test_numbers_of_a_catalogue():
    graph = graph_of([("a", "x"), ("b", "y"), ("c", "x")], {"item": ("A", "B", "C")})
    moved, lost = renumbered(graph, {"item": Vocab.of(["b", "c", "new"], "item")})
    assert pairs(moved) == {("b", "y"), ("c", "x")}
    assert lost == {"item": 1}
    assert moved.names["item"] == ("B", "C", "")


def test_two_become_one():
    one = graph_of([("a", "x"), ("b", "y")], {"brand": ("Ex", "")})
    other = graph_of([("b", "y"), ("c", "z")], {"brand": ("Why", "Zed")})
    both = merged(one, other)
    assert pairs(both) == {("a", "x"), ("b", "y"), ("c", "z")}
    assert both.names["brand"] == ("Ex", "Why", "Zed")
    assert merged(one, one).edges.keys() == one.edges.keys()
    assert pairs(merged(one, one)) == pairs(one)


def test_a_folder_of_its_own(tmp_path):
    graph = graph_of([("甲", "x"), ("b", "y")], {"brand": ("Ex", "Why")})
    save_graph(tmp_path / "g", graph, {"sources": {"items": "t.csv"}})
    back = load_graph(tmp_path / "g")
    assert back.vocabs == graph.vocabs
    assert back.names == graph.names
    assert pairs(back) == pairs(graph)
    file = tmp_path / "g" / "graph.npz"
    file.write_bytes(file.read_bytes()[:-3])
    with pytest.raises(DataError, match=r"graph\.npz"):
        load_graph(tmp_path / "g")


def test_facts_take_the_place_of_attributes():
    world = tiny()
    ids = world.catalog.ids.ids
    graph = build_graph(world.log, world.catalog, facts=graph_of([(ids[0], "x"), ("other", "y")]))
    assert [r for r in graph.edges if r not in graph.events] == [("item", "made_by", "brand")]
    assert graph.edges[("item", "made_by", "brand")].shape[1] == 1
    assert graph.events
    assert graph.names["item"] == world.catalog.titles


def test_what_is_wrong_is_found():
    brands = ["Acme", "acme ", "Brim"]
    vocabs = {"item": Vocab.of("abcd", "item"), "brand": Vocab.of(brands, "brand"),
              "user": Vocab.of(["u", "v"], "user")}  # fmt: skip
    edges = {("item", "brand", "brand"): np.array([[0, 1, 2], [0, 0, 1]]),
             ("user", "view", "item"): np.array([[0, 1, 1], [0, 0, 3]])}  # fmt: skip
    graph = KnowledgeGraph(vocabs, edges, {}, frozenset({("user", "view", "item")}))
    found = report(graph)
    assert found.linked == 0.75
    assert found.unlinked == ("d",)
    assert found.lonely == {"brand": 1}
    assert found.doubles == (("brand", "Acme", "acme "),)
    assert found.components == 2
    assert found.largest == pytest.approx(3 / 5)
    brand = next(one for one in found.relations if one.name == "brand")
    assert (brand.edges, brand.sources, brand.targets, brand.hub) == (3, 3, 2, "Acme")
    assert found.most_hub == pytest.approx(2 / 3)
    # u: a, b by facts; v: a, b, d. u: a, d by v's events; v: a, d
    assert found.reach_by_facts == pytest.approx(5 / 8)
    assert found.reach_by_events == pytest.approx(4 / 8)
    assert found.reach_users == 2
    # c requires d: u reaches a, b as before; v met d, so c as well
    more = {**edges, ("item", "requires", "item"): np.array([[2], [3]])}
    linked = report(KnowledgeGraph(vocabs, more, {}, frozenset({("user", "view", "item")})))
    assert linked.reach_by_facts == pytest.approx(6 / 8)
    assert json.loads(json.dumps(found.as_dict()))["linked"] == 0.75
    told = "\n".join(lines(found))
    for words in ("75.0% of 4 items", "such as d", "Acme / acme", "2 parts"):
        assert words in told


def test_the_page_stands_alone_and_escapes():
    catalog = Catalog.of(["a"], ["<b>bold</b>"])
    graph = graph_of([("a", "<script>x</script>"), ("b", "y")])
    html = page(report(graph, catalog), "<i>")
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "&lt;i&gt;" in html
    assert "http" not in html


def test_a_graph_of_nothing():
    empty = report(KnowledgeGraph({"item": Vocab((), "item")}, {}))
    assert (empty.linked, empty.components, empty.relations) == (0.0, 0, ())
    assert lines(empty)
    assert page(empty)


def test_what_changed_between_two_releases():
    old = graph_of([("a", "x"), ("b", "y"), ("c", "y")])
    new = graph_of([("a", "x"), ("b", "z"), ("d", "y")])
    found = {(one.what, one.name): one for one in difference(old, new)}
    items = found["nodes", "item"]
    assert (items.added, items.removed, items.kept) == (1, 1, 2)
    assert (items.examples_added, items.examples_removed) == (("d",), ("c",))
    edges = found["edges", "item – made_by – brand"]
    assert (edges.added, edges.removed, edges.kept) == (2, 2, 1)
    assert edges.examples_removed == ("b → y", "c → y")
    assert all(one.added == one.removed == 0 for one in difference(old, old))
    gone = {one.name: one for one in difference(old, KnowledgeGraph({}, {}))}
    assert gone["item – made_by – brand"].removed == 3


def test_a_circle_in_what_leads_upwards_is_told():
    vocabs = {"item": Vocab.of("ab", "item"), "kind": Vocab.of("uvwxyz", "kind")}
    above = np.array([[0, 1, 2, 3, 4, 5], [1, 2, 0, 4, 5, 5]])  # u > v > w > u; z > z
    edges = {("kind", "part_of", "kind"): above, ("kind", "like", "kind"): above}
    found = report(KnowledgeGraph(vocabs, edges))
    assert sorted(found.circles) == [("part_of", "u", "v", "w"), ("part_of", "z")]
    assert any("2 times part_of leads in a circle" in line for line in lines(found))
    tree = KnowledgeGraph(vocabs, {("kind", "part_of", "kind"): above[:, [0, 1, 3]]})
    assert report(tree).circles == ()
