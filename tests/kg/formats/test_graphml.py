"""GraphML in and out, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import networkx as nx
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kg.errors import DataError, UsageError
from kg.formats.graphml import FORMAT, read_graphml, write_graphml
from kg.formats.tables import TRIPLES, Tables
from kg.graph import KnowledgeGraph
from kg.ids import Vocab

SMALL = """\
<?xml version="1.0" encoding="utf-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns">
<key id="t" for="node" attr.name="type" attr.type="string"/>
<key id="n" for="node" attr.name="name" attr.type="string"/>
<key id="i" for="node" attr.name="item_id" attr.type="int"/>
<key id="x" for="node" attr.name="x" attr.type="double"/>
<key id="r" for="edge" attr.name="relation" attr.type="string"/>
<graph edgedefault="directed">
<node id="heat"><data key="t">Film</data><data key="n">Heat</data><data key="i">7</data></node>
<node id="mann"><data key="x">0.5</data></node>
<edge source="heat" target="mann"><data key="r">director</data></edge>
<edge id="producer" source="heat" target="mann"/>
<edge id="e3" source="mann" target="heat"/>
</graph></graphml>
"""


def _file(folder: Path, text: str | bytes, name: str = "g.graphml") -> Path:
    file = folder / name
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def _table(columns: tuple[str, ...], *rows: tuple[str | None, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")


@pytest.mark.parametrize("zipped", [False, True])
def test_nodes_and_edges_are_read(tmp_path: Path, zipped: bool) -> None:
    raw = SMALL.encode()
    file = _file(tmp_path, gzip.compress(raw) if zipped else raw, "g.graphml" + ".gz" * zipped)
    assert FORMAT.recognises(file)
    tables = FORMAT.read(file)
    assert tables.triples is not None
    assert tables.triples.rows() == [
        ("heat", "director", "mann"),
        ("heat", "producer", "mann"),
        ("mann", "related", "heat"),
    ]
    assert tables.entities is not None
    assert tables.entities.rows(named=True) == [
        {"entity_id": "heat", "type": "Film", "name": "Heat", "item_id": "7"},
        {"entity_id": "mann", "type": "entity", "name": None, "item_id": None},
    ]
    assert tables.notes == ("Left out the attributes of nodes that are no triples: x.",)


def test_an_undirected_graph_is_read_in_one_direction_and_said(tmp_path: Path) -> None:
    tables = read_graphml(_file(tmp_path, SMALL.replace('"directed"', '"undirected"')))
    assert tables.triples is not None
    assert ("heat", "director", "mann") in tables.triples.rows()
    assert any("undirected" in note for note in tables.notes)


def test_a_knowledge_graph_that_networkx_wrote_is_read(tmp_path: Path) -> None:
    vocabs = {"item": Vocab.of(["7", "8"]), "genre": Vocab.of(["7"])}
    edges = {("item", "genre", "genre"): np.array([[0, 1], [0, 0]])}
    graph = KnowledgeGraph(vocabs, edges, {"item": ("Heat", "Alien")}).to_networkx()
    nx.write_graphml_xml(graph, tmp_path / "g.graphml")
    tables = read_graphml(tmp_path / "g.graphml")
    assert tables.triples is not None
    assert tables.triples.rows() == [
        ("item:7", "genre", "genre:7"),
        ("item:8", "genre", "genre:7"),
    ]
    assert tables.entities is not None
    assert tables.entities.rows() == [
        ("genre:7", "genre", "7", None),
        ("item:7", "item", "Heat", "7"),
        ("item:8", "item", "Alien", "8"),
    ]
    assert tables.notes == ()


HEAD = '<graphml xmlns="http://graphml.graphdrawing.org/xmlns" xmlns:y="http://y/">'
DIALECTS = {
    "TinkerPop": """\
<key id="labelV" for="node" attr.name="labelV" attr.type="string"/>
<key id="name" for="node" attr.name="name" attr.type="string"/>
<key id="labelE" for="edge" attr.name="labelE" attr.type="string"/>
<graph edgedefault="directed">
<node id="1"><data key="labelV">film</data><data key="name">Heat</data></node>
<node id="2"><data key="labelV">person</data><data key="name">Mann</data></node>
<edge id="7" source="1" target="2"><data key="labelE">director</data></edge></graph>""",
    "TinkerPop 2": """\
<key id="name" for="node" attr.name="name" attr.type="wishful"/>
<key id="type" for="node" attr.name="Type"><default>film</default></key>
<graph edgedefault="directed"><node id="1"><data key="name">Heat</data></node>
<node id="2"><data key="name">Mann</data><data key="type">person</data></node>
<edge id="7" source="1" target="2" label="director"/></graph>""",
    "Neo4j": """\
<key id="label" for="node" attr.name="other"/><key id="label" for="edge" attr.name="label"/>
<key id="title" for="node" attr.name="title"/>
<graph edgedefault="directed">
<node id="1" labels=":film"><data key="labels">:film:work</data><data key="title">Heat</data></node>
<node id="2" labels=":person"><data key="name">Mann</data></node>
<edge id="e0" source="1" target="2"><data key="label">director</data></edge></graph>""",
    "yEd": """\
<key for="node" id="d1" yfiles.type="nodegraphics"/>
<key for="edge" id="d2" yfiles.type="edgegraphics"/><key for="node" id="d3" attr.name="Class"/>
<graph edgedefault="directed">
<node id="1"><data key="d3">film</data><data key="d1"> <y:ShapeNode><y:Fill>red</y:Fill>
<y:NodeLabel>Heat<y:Model/></y:NodeLabel></y:ShapeNode></data></node>
<node id="g"><graph edgedefault="directed"><node id="2"><data key="d3">person</data>
<data key="d1"><y:NodeLabel> Mann </y:NodeLabel></data></node></graph></node>
<edge source="1" target="2"><data key="d2"><y:EdgeLabel>director</y:EdgeLabel></data></edge>
</graph>""",
}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_types_and_relations_of_other_programs(tmp_path: Path, dialect: str) -> None:
    tables = read_graphml(_file(tmp_path, f"{HEAD}{DIALECTS[dialect]}</graphml>"))
    assert tables.triples is not None
    assert tables.triples.rows() == [("1", "director", "2")]
    assert tables.entities is not None
    assert tables.entities.rows()[:2] == [("1", "film", "Heat"), ("2", "person", "Mann")]
    several = "1 nodes have several labels: the first was taken."
    assert tables.notes == ((several,) if dialect == "Neo4j" else ())


def test_two_nodes_of_one_id_are_one_and_said(tmp_path: Path) -> None:
    again = '<node id="mann"><data key="n">Mann</data></node>\n<edge source'
    tables = read_graphml(_file(tmp_path, SMALL.replace("<edge source", again, 1)))
    assert tables.entities is not None
    assert tables.entities["name"].to_list() == ["Heat", "Mann"]
    assert "1 nodes have the id of one before them: they are one entity." in tables.notes


def test_what_a_type_cannot_hold_is_text_and_hyperedges_are_said(tmp_path: Path) -> None:
    text = SMALL.replace(">7<", ">seven<").replace("<edge id", "<hyperedge/><edge id", 1)
    tables = read_graphml(_file(tmp_path, text))
    assert tables.entities is not None
    assert tables.entities["item_id"].to_list() == ["seven", None]
    assert "Left out 1 edges between more than two nodes." in tables.notes


REFUSED: dict[str, tuple[str | bytes, str]] = {
    "broken": (SMALL.replace("</node>", "</nod>", 1), r"line 9, is no XML: mismatched tag"),
    "bomb": (
        SMALL.replace("<graphml", '<!DOCTYPE g [<!ENTITY a "aaa">]>\n<graphml', 1),
        r"line 2: .*must not declare entities",
    ),
    "utf-16 bomb": (
        SMALL.replace("<graphml", '<!DOCTYPE g [<!ENTITY a "aaa">]>\n<graphml', 1)
        .replace("utf-8", "utf-16")
        .encode("utf-16"),
        r"line 2: .*must not declare entities",
    ),
    "bad byte": (SMALL.encode().replace(b"Heat", b"\xff"), "line 9, is no XML"),
    "no target": (SMALL.replace(' target="mann"', "", 1), r"line 11: each edge must have target"),
    "other XML": ("<a><b/></a>", r"line 1, is no GraphML: it must begin with <graphml>. Got <a>"),
    "no edge": ("\n".join(li for li in SMALL.split("\n") if "<edge" not in li), "holds no edge"),
    "empty": ("", "is empty"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_bad_file_is_refused(tmp_path: Path, case: str) -> None:
    content, message = REFUSED[case]
    file = _file(tmp_path, content)
    with pytest.raises(DataError, match=message) as caught:
        read_graphml(file)
    assert str(file) in str(caught.value)


def test_misuse(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no file"):
        read_graphml(tmp_path / "none.graphml")
    with pytest.raises(UsageError, match="no triples"):
        write_graphml(Tables(), tmp_path)
    assert not FORMAT.recognises(tmp_path)
    assert FORMAT.recognises(_file(tmp_path, SMALL, "g.xml"))
    assert not FORMAT.recognises(_file(tmp_path, "<rdf/>", "h.xml"))


def test_written_and_read_again(tmp_path: Path) -> None:
    triples = _table(TRIPLES, ("7", "directed by", "m"), ("7", "e1", "m"), ("m", "likes", "m"))
    entities = _table(
        ("entity_id", "type", "name", "item_id"),
        ("7", "item", 'Heat & "co"', "ml-7"),
        ("alone", "entity", None, None),
        ("m", "Person", "Mann\n", None),
    )
    write_graphml(Tables(triples=triples, entities=entities), tmp_path)
    again = FORMAT.read(tmp_path)
    assert again.triples is not None
    assert again.triples.equals(triples)
    assert again.entities is not None
    assert again.entities.equals(entities)
    assert again.notes == ()


def test_without_entities_the_items_are_marked(tmp_path: Path) -> None:
    triples = _table(TRIPLES, ("7", "genre", "Drama"))
    items = _table(("item_id", "title"), ("7", "Heat"), ("8", "Alien"))
    write_graphml(Tables(triples=triples, items=items), tmp_path)
    again = read_graphml(tmp_path)
    assert again.entities is not None
    assert again.entities.select("entity_id", "type", "item_id").rows() == [
        ("7", "item", "7"),
        ("Drama", "entity", None),
    ]


@pytest.mark.parametrize("bad", ["a\x01", "", None])
def test_what_xml_cannot_hold_is_not_written(tmp_path: Path, bad: str | None) -> None:
    triples = _table(TRIPLES, ("a", "r", "b"), ("a", "r", bad))
    with pytest.raises(DataError, match="triples, row 2: 'tail' must be text that XML can hold"):
        write_graphml(Tables(triples=triples), tmp_path)


TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
    | st.sampled_from("\n\t"),
    min_size=1,
    max_size=8,
).filter(lambda text: bool(text.strip()))
LINKS = st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=6, unique=True)


@settings(max_examples=60, deadline=None)
@given(links=LINKS, name=TEXT)
def test_any_ids_and_names_come_back(
    tmp_path_factory: pytest.TempPathFactory, links: list[tuple[str, str, str]], name: str
) -> None:
    folder = tmp_path_factory.mktemp("graphml")
    entities = _table(("entity_id", "name"), (links[0][0], name))
    write_graphml(Tables(triples=_table(TRIPLES, *links), entities=entities), folder)
    again = read_graphml(folder)
    assert again.triples is not None
    assert again.triples.rows() == sorted(links)
    assert again.entities is not None
    assert (links[0][0], "entity", name) in again.entities.rows()


def test_an_end_that_is_no_node_of_the_file_is_told(tmp_path):
    (tmp_path / "g.graphml").write_text(
        '<graphml><graph edgedefault="directed"><node id="a"/><node id="b"/>'
        '<edge source="a" target="b"/><edge source="a" target="typo"/></graph></graphml>'
    )
    notes = read_graphml(tmp_path / "g.graphml").notes
    assert (
        "1 ends of edges are no <node> of the file (typo): they are entities of no type." in notes
    )
