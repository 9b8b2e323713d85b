"""Words find the relations, types and nodes of a graph, or it is said why not."""

import numpy as np
import polars as pl
import pytest

from kg.building.matched import Misfit, UnknownRelation, fact_place, matched
from kg.building.triples import Triples, read_triples
from kg.dates import UNDATED
from kg.errors import DataError, UsageError
from kg.graph import KnowledgeGraph
from kg.ids import Vocab

ITEMS = Vocab(("1995", "heat", "up"), "item")
PEOPLE = Vocab(("p1", "p2"), "person")


@pytest.fixture
def graph():
    vocabs = {"item": ITEMS, "person": PEOPLE, "year": Vocab(("1995", "2009"), "year"),
              "city": Vocab(("rome",), "city")}  # fmt: skip
    edges = {
        ("item", "by", "person"): np.array([[1], [0]]),
        ("item", "year", "year"): np.array([[1], [0]]),
        ("item", "like", "item"): np.array([[1], [2]]),
        ("person", "born_in", "city"): np.array([[0], [0]]),
        ("item", "about", "person"): np.array([[1], [0]]),
        ("item", "about", "city"): np.array([[1], [0]]),
        ("item", "silent", "city"): np.zeros((2, 0), np.int64),
    }
    return KnowledgeGraph(vocabs, edges, {"person": ("Ann Lee", "Bo")})


def facts(found):
    return {
        (relation[0], *(found.vocabs[relation[2 * n]].ids[edge[n]] for n in (0, 1)), relation[2])
        for relation, index in found.edges.items() for edge in index.T
    }  # fmt: skip


def of(*rows):
    return Triples.of(rows, ITEMS)


def test_nodes_are_found_by_id_and_by_name_and_others_are_new(graph):
    found = matched(of(("up", "by", "p2"), ("up", "by", "ann lee"), ("heat", "by", "New")), graph)
    assert facts(found) == {
        ("item", "up", "p2", "person"), ("item", "up", "p1", "person"),
        ("item", "heat", "New", "person"),
    }  # fmt: skip
    assert found.vocabs["item"] == ITEMS
    assert dict(zip(found.vocabs["person"].ids, found.names["person"], strict=True)) == {
        "New": "New", "p1": "", "p2": "",
    }  # fmt: skip


def test_new_words_are_one_node_however_they_are_written(graph):
    found = matched(of(("up", "by", "New"), ("heat", "by", "new"), ("heat", "by", "NEW")), graph)
    assert facts(found) == {("item", "up", "NEW", "person"), ("item", "heat", "NEW", "person")}


def test_declared_namesakes_stay_two(graph, tmp_path):
    (tmp_path / "t.csv").write_text("head,relation,tail\n0,by,1\n0,by,2\n0,year,3\n")
    (tmp_path / "e.csv").write_text(
        "entity_id,type,name,item_id\n0,film,,up\n1,person,Bo,\n2,person,Bo,\n3,year,2009,\n"
    )
    triples = read_triples(tmp_path / "t.csv", ITEMS, entities=tmp_path / "e.csv")
    assert facts(matched(triples, graph)) == {
        ("item", "up", "1", "person"), ("item", "up", "2", "person"),
        ("item", "up", "2009", "year"),  # years are called by their ids
    }  # fmt: skip


def test_a_word_that_is_an_items_id_may_be_a_year(graph):
    found = matched(of(("up", "year", "1995"), ("1995", "year", "1996")), graph)
    assert facts(found) == {("item", "up", "1995", "year"), ("item", "1995", "1996", "year")}


def test_a_relation_to_several_types_goes_where_the_tail_is_known(graph):
    found = matched(of(("up", "about", "Rome"), ("up", "about", "Bo")), graph)
    assert facts(found) == {("item", "up", "rome", "city"), ("item", "up", "p2", "person")}


def test_declared_ends_keep_their_types(graph, tmp_path):
    (tmp_path / "t.csv").write_text("head,relation,tail,since\n0,by,1,2024-01-01\n1,born_in,2,\n")
    (tmp_path / "e.csv").write_text(
        "entity_id,type,name,item_id\n0,film,,up\n1,person,Bo,\n2,city,Oslo,\n"
    )
    triples = read_triples(tmp_path / "t.csv", ITEMS, entities=tmp_path / "e.csv")
    found = matched(triples, graph)
    assert facts(found) == {("item", "up", "1", "person"), ("person", "1", "2", "city")}
    assert found.names["city"] == ("Oslo",)
    assert found.edge_time["item", "by", "person"].tolist() == [1_704_067_200]
    assert ("person", "born_in", "city") not in found.edge_time
    assert UNDATED not in found.edge_time["item", "by", "person"]


@pytest.mark.parametrize(
    ("row", "kind", "rule"),
    [
        (("up", "bye", "p1"), UsageError, r"'bye' is none that this run .* Did you mean 'by'\?"),
        (("up", "silent", "rome"), UsageError, "'silent' is none"),  # no fact of it was learned
        (("up", "like", "elsewhere"), DataError, "'like' leads to items .* Got 'elsewhere'"),
        (("up", "born_in", "rome"), DataError, "joins person and city .* Got item 'up'"),
    ],
)
def test_what_fits_nothing_is_told(graph, row, kind, rule):
    with pytest.raises(kind, match=rule):
        matched(of(row), graph)


def test_a_head_that_is_no_item_is_told(graph):
    with pytest.raises(DataError, match=r"begin at items\. Got 'downn' instead"):
        matched(of(("up", "by", "p1"), ("downn", "by", "p1")), graph)
    with pytest.raises(DataError, match="no head or tail is an item id"):
        of(("downn", "by", "p1"))
    with pytest.raises(UsageError, match=r"must be a head, a relation and a tail.*\['up', 'by'\]"):
        of(("up", "by"))
    assert matched(of(), graph).num_edges == 0


def test_the_line_of_a_fact_that_fits_nothing_is_found(graph, tmp_path):
    file, entities = tmp_path / "t.csv", tmp_path / "e.csv"

    def line(text, declared=None):
        file.write_text(text, "utf-8")
        if declared is not None:
            entities.write_text(declared, "utf-8")
        told = None if declared is None else entities
        triples = read_triples(file, ITEMS, entities=told, triple_ids="item")
        with pytest.raises((UnknownRelation, Misfit)) as caught:
            matched(triples, graph)
        found = fact_place(caught.value, file, told)
        return found.removeprefix(f"{file}, ")

    assert line("head,relation,tail\nup,by,p1\n\n downn , by,p1\n") == "line 4"
    assert line("subject,predicate,object\nup,by,p1\nup,bye,p1\n") == "line 3"
    assert line("head,relation,tail\nup,like,heat\nup,like,elsewhere\n") == "line 3"
    assert line("head,relation,tail\nup,by,p1\nup,born_in,rome\n") == "line 3"
    declared = "entity_id,type,name,item_id\n0,film,,up\n1,person,Bo,\n2,city,Oslo,\n"
    assert line("head,relation,tail\n0,by,1\n0,born_in,2\n", declared) == "line 3"
    frame = pl.DataFrame({"head": ["x"], "relation": ["y"], "tail": ["z"]})
    assert fact_place(Misfit("", ("x", "y", "z")), frame, None) == "the triples, row 1"
