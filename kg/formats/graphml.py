"""GraphML: nodes with a type and a name, edges with a relation.

Read as text, so that the types that keys declare do not matter. TinkerPop says labelV and labelE,
Neo4j labels=":Film" and label="DIRECTED" (and names keys that it does not declare), Gephi Edge
Label, yEd draws its labels.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

import polars as pl

from kg.errors import DataError, UsageError
from kg.formats.facts import not_facts
from kg.formats.tables import TRIPLES, Format, Tables
from kg.tables import UNREADABLE, existing_file, open_bytes

WRITTEN = "graph.graphml"
_TYPES = ("labelv", "type", "kind", "class")
_NAMES = ("name", "label", "title")
_RELATIONS = ("relation", "labele", "label", "edge label", "type", "key")
_DRAWN = ("NodeLabel", "EdgeLabel", "Label.Text")
"""Where yEd and yFiles keep the text of a label, inside of a <data>."""
_NUMBERED = re.compile(r"e?\d*")
"""The id of an edge that says nothing of its relation."""
_NO_XML = r"[\x00-\x08\x0b\x0c\x0d\x0e-\x1f\ufffe\uffff]"


# Reading


def read_graphml(path: str | Path) -> Tables:
    """The triples and entities of a GraphML file, or of the graph.graphml in a folder; sorted.

    A node has its `type` ("entity" without one), `name` and `item_id`; an edge its `relation`, or
    else its label, type, key or id ("related" where the id is but a number). Capitals in the names
    of attributes do not matter.
    What `KnowledgeGraph.to_networkx` gave networkx to write is read as well.
    Raises `DataError` for a file that is broken, has no edge or declares XML entities.
    """
    file = _graph_file(Path(path))
    graph = _parsed(file)
    notes: list[str] = []
    nodes = [_entity(node, data) for node, data in graph.nodes.items()]
    ids = {node: entity[0] for node, entity in zip(graph.nodes, nodes, strict=True)}
    rows = [(ids[e.head], _relation(e.key, e.data), ids[e.tail]) for e in graph.edges]
    if not rows:
        raise DataError(f"{file} holds no edge: at least one is needed.")
    if graph.undirected:
        notes.append("The graph is undirected: each edge is read from its source to its target.")
    several = sum(len(_classes(data.get("labels", ""))) > 1 for data in graph.nodes.values())
    if several:
        notes.append(f"{several:,} nodes have several labels: the first was taken.")
    if graph.twice:
        notes.append(f"{graph.twice:,} nodes have the id of one before them: they are one entity.")
    if odd := sorted(graph.nodes.keys() - graph.declared):
        some = ", ".join(odd[:3]) + (", …" if len(odd) > 3 else "")
        notes.append(f"{len(odd):,} ends of edges are no <node> of the file ({some}): they are "
                     "entities of no type.")  # fmt: skip
    if graph.hyperedges:
        notes.append(f"Left out {graph.hyperedges:,} edges between more than two nodes.")
    _note_left_out("nodes", graph.nodes.values(), {*_TYPES, *_NAMES, "labels", "item_id"}, notes)
    edges = (edge.data for edge in graph.edges)
    _note_left_out("edges", edges, {*_RELATIONS, "event"}, notes)
    columns = dict.fromkeys(("entity_id", "type", "name", "item_id"), pl.String)
    entities = pl.DataFrame(nodes, schema=columns, orient="row")
    entities = entities.drop(c for c in ("name", "item_id") if not entities[c].count())
    triples = pl.DataFrame(rows, schema=dict.fromkeys(TRIPLES, pl.String), orient="row").unique()
    return Tables(
        triples=triples.sort(TRIPLES), entities=entities.sort("entity_id"), notes=tuple(notes)
    )


def _graph_file(path: Path) -> Path:
    file = path / WRITTEN if (path / WRITTEN).is_file() else path
    if file.is_file() and file.stat().st_size == 0:
        raise DataError(f"{file} is empty: a graph with at least one edge is needed.")
    return existing_file(file)


@dataclass
class _Edge:
    head: str
    tail: str
    key: str
    data: dict[str, str]


@dataclass
class _Graph:
    """What a file says: attributes of nodes by id, edges, each attribute by its name."""

    nodes: dict[str, dict[str, str]] = field(default_factory=dict)
    edges: list[_Edge] = field(default_factory=list)
    undirected: bool = False
    hyperedges: int = 0
    declared: set[str] = field(default_factory=set)
    twice: int = 0


def _parsed(file: Path) -> _Graph:
    """`DataError` names the line that is no XML, that declares an entity (which may expand), and
    of a node or an edge without its ids.
    """
    reader = _Reader(file)
    try:
        with open_bytes(file) as handle:
            reader.parser.ParseFile(handle)
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code)
        raise DataError(f"{file}, line {error.lineno:,}, is no XML: {what}.") from None
    except DataError:
        raise
    except UNREADABLE as error:
        raise DataError(f"{file} cannot be read: {str(error).rstrip('.')}.") from None
    except (ValueError, LookupError) as error:  # an encoding that expat does not know
        raise DataError(f"{file} is no GraphML that can be read: {error}.") from None
    return reader.finished()


class _Reader:
    """Collects a `_Graph` while expat reads. `opened` has what may hold <data> around the place."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.graph = _Graph()
        self.keys: dict[tuple[str, str], str] = {}
        self.defaults: dict[tuple[str, str], str] = {}
        self.opened: list[tuple[str, dict[str, str] | None]] = []
        self.key = self.data = ("", "")
        self.text: list[str] = []
        self.drawn = False
        self.depth = self.data_depth = 0
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.EntityDeclHandler = self._declared
        self.parser.StartElementHandler = self._started
        self.parser.EndElementHandler = self._ended
        self.parser.CharacterDataHandler = self._said

    def finished(self) -> _Graph:
        """The graph, with the defaults of attributes that a node or an edge does not have."""
        for (kind, name), value in self.defaults.items():
            if kind in ("node", "all"):
                for data in self.graph.nodes.values():
                    data.setdefault(name, value)
            if kind in ("edge", "all"):
                for edge in self.graph.edges:
                    edge.data.setdefault(name, value)
        return self.graph

    def _where(self) -> str:
        return f"{self.file}, line {self.parser.CurrentLineNumber:,}"

    def _declared(self, name: str, *_: object) -> None:
        raise DataError(f"{self._where()}: GraphML must not declare entities. Got <!ENTITY {name}.")

    def _started(self, full: str, attributes: dict[str, str]) -> None:
        name = full.rpartition(":")[2]
        self.depth += 1
        if self.depth == 1 and name != "graphml":
            raise DataError(
                f"{self._where()}, is no GraphML: it must begin with <graphml>. Got <{full}>."
            )
        if self.data_depth:  # inside of a <data>: only what is drawn matters
            if name in _DRAWN:
                self.drawn, self.text = True, []
        elif name == "data":
            self.data = (self.opened[-1][0] if self.opened else "", attributes.get("key", ""))
            self.data_depth, self.text = self.depth, []
        elif name == "key":
            self.key = (attributes.get("for", "all"), attributes.get("attr.name", ""))
            known = attributes.get("id", "")
            self.keys[self.key[0], known] = self.keys["", known] = self.key[1]
        elif name == "default":
            self.text = []
        elif name == "graph":
            self.graph.undirected |= attributes.get("edgedefault") == "undirected"
            self.opened.append((name, None))
        elif name in ("node", "edge", "hyperedge", "port"):
            self.opened.append((name, self._held(name, attributes)))

    def _held(self, name: str, attributes: dict[str, str]) -> dict[str, str] | None:
        """Where the attributes of this node or edge are kept."""
        needed = {"node": ("id",), "edge": ("source", "target")}.get(name, ())
        for attribute in needed:
            if not attributes.get(attribute):
                raise DataError(
                    f"{self._where()}: each {name} must have {attribute}=… Got {attributes} "
                    "instead."
                )
        nodes = self.graph.nodes
        if name == "node":
            data = nodes.setdefault(attributes["id"], {})
            self.graph.twice += attributes["id"] in self.graph.declared
            self.graph.declared.add(attributes["id"])
            data.update({"labels": attributes["labels"]} if attributes.get("labels") else {})
            return data
        if name == "edge":
            head, tail = attributes["source"], attributes["target"]
            nodes.setdefault(head, {})
            nodes.setdefault(tail, {})
            data = {"label": attributes["label"]} if attributes.get("label") else {}
            self.graph.edges.append(_Edge(head, tail, attributes.get("id", ""), data))
            self.graph.undirected |= attributes.get("directed") == "false"
            return data
        self.graph.hyperedges += name == "hyperedge"
        return None

    def _said(self, text: str) -> None:
        if self.drawn or self.depth == self.data_depth or not self.data_depth:
            self.text.append(text)

    def _ended(self, full: str) -> None:
        name = full.rpartition(":")[2]
        text, self.text = "".join(self.text), []
        if self.drawn and name in _DRAWN:
            self._keep(text.strip(), "label")
            self.drawn = False
        elif self.depth == self.data_depth:
            self._keep(text, self._name_of(*self.data))
            self.data_depth = 0
        elif self.data_depth:
            self.text = [text]
        elif name == "default" and self.key[1] and text.strip():
            self.defaults[self.key] = text
        elif self.opened and name == self.opened[-1][0]:
            self.opened.pop()
        self.depth -= 1

    def _name_of(self, kind: str, key: str) -> str:
        """What the key declares, or else its id: Neo4j does not declare all keys."""
        names = (self.keys.get(place) for place in ((kind, key), ("all", key), ("", key)))
        return next((name for name in names if name), key)

    def _keep(self, text: str, name: str) -> None:
        data = self.opened[-1][1] if self.opened else None
        if data is not None and text.strip():
            data[name] = text


def _entity(node: str, data: Mapping[str, str]) -> tuple[str, str, str | None, str | None]:
    """(entity_id, type, name, item_id)."""
    kind, key = _pair(node)
    classes, said = _classes(data.get("labels", "")), _lowered(data)
    type_ = _first(said, _TYPES) or (classes[0] if classes else kind or "entity")
    item = said.get("item_id") or (key if kind == "item" else None)
    return (f"{kind}:{key}" if kind else node), type_, _first(said, _NAMES), item


def _pair(node: str) -> tuple[str, str]:
    """('item', '7') of the text "('item', '7')", the name of a node of a `KnowledgeGraph`."""
    try:
        pair = ast.literal_eval(node) if node.startswith(("('", '("')) else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        pair = None
    whole = isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(x, str) for x in pair)
    return pair if whole and pair else ("", "")


def _classes(labels: str) -> list[str]:
    """Neo4j's ":Film:Work" is several; other texts are one."""
    parts = labels.split(":") if labels.startswith(":") else [labels]
    return [part for part in parts if part.strip()]


def _relation(key: str, data: Mapping[str, str]) -> str:
    said = _first(_lowered(data), _RELATIONS)
    if said is not None:
        return said
    return "related" if _NUMBERED.fullmatch(key) else key


def _lowered(data: Mapping[str, str]) -> dict[str, str]:
    """The attributes that are not empty, by their names without capitals."""
    return {name.lower(): value for name, value in data.items() if value.strip()}


def _first(said: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    """The first of these attributes that is there."""
    return next((said[name] for name in names if name in said), None)


def _note_left_out(
    what: str, rows: Iterable[Mapping[str, str]], read: set[str], notes: list[str]
) -> None:
    left = Counter(name for data in rows for name in data if name.lower() not in read)
    if left:
        names = ", ".join(sorted(left))
        notes.append(f"Left out the attributes of {what} that are no triples: {names}.")


# Writing


def write_graphml(tables: Tables, folder: Path) -> None:
    """graph.graphml of the triples and entities; events, users, vectors and texts are left out.

    Raises `UsageError` if there are no triples, `DataError` for an empty cell or a character that
    XML cannot hold.
    """
    import networkx as nx

    if tables.triples is None:
        raise UsageError("GraphML holds edges, and these tables have no triples to write.")
    for column in tables.triples.select(TRIPLES):
        _check_text(column, "triples", needed=True)
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(_nodes(tables))
    for number, (head, relation, tail) in enumerate(tables.triples.select(TRIPLES).iter_rows()):
        # A key of its own: it is written as the id of the edge, which must not stand twice.
        graph.add_edge(head, tail, key=f"e{number}", relation=relation)
    nx.write_graphml_xml(graph, folder / WRITTEN, named_key_ids=True)


def _nodes(tables: Tables) -> list[tuple[str, dict[str, str]]]:
    frame = tables.entities
    if frame is None:
        items = tables.items
        ids = pl.Series(dtype=pl.String) if items is None else items["item_id"].drop_nulls()
        assert tables.triples is not None
        ends = pl.concat([tables.triples["head"], tables.triples["tail"].alias("head")])
        ids = ids.filter(ids.is_in(ends.implode()))
        frame = pl.DataFrame({"entity_id": ids, "item_id": ids})
        frame = frame.with_columns(pl.lit("item").alias("type"))
    known = [name for name in ("type", "name", "item_id") if name in frame.columns]
    for name in ("entity_id", *known):
        _check_text(frame[name], "entities", needed=name == "entity_id")
    return [
        (key, {name: value for name, value in zip(known, rest, strict=True) if value})
        for key, *rest in frame.select("entity_id", *known).iter_rows()
    ]


def _check_text(column: pl.Series, table: str, needed: bool) -> None:
    text = column.fill_null("")
    wrong = text.str.contains(_NO_XML) | (
        (text.str.strip_chars() == "") if needed else pl.lit(False)
    )
    bad = pl.select(wrong).to_series().arg_true()
    if bad.len():
        raise DataError(
            f"The table {table}, row {bad[0] + 1}: {column.name!r} must be text that XML can hold, "
            f"without control characters. Got {column[bad[0]]!r} instead."
        )


# The format


def _recognises(path: Path) -> bool:
    if path.is_dir():
        return (path / WRITTEN).is_file()
    name = path.name.lower().removesuffix(".gz")
    if not path.is_file() or not name.endswith((".graphml", ".xml")):
        return False
    return name.endswith(".graphml") or _holds_graphml(path)


def _holds_graphml(file: Path) -> bool:
    try:
        with open_bytes(file) as handle:
            return re.search(rb"<(\w+:)?graphml[\s>]", handle.read(65536)) is not None
    except UNREADABLE:
        return False


FORMAT = Format(
    "graphml",
    "a .graphml file or an .xml that holds GraphML (or zipped), or graph.graphml in a folder: "
    "nodes with type and name, edges with a relation",
    _recognises,
    read_graphml,
    write_graphml,
    not_facts,
    facts_only=True,
)
