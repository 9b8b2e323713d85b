"""GraphML, through networkx: nodes with a type and a name, edges with a relation."""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter
from pathlib import Path
from typing import Any
from xml.parsers import expat

import polars as pl

from kg.errors import DataError, UsageError
from kg.formats.tables import TRIPLES, Format, Tables
from kg.tables import UNREADABLE, existing_file, open_bytes

WRITTEN = "graph.graphml"
_TYPES = ("type", "kind", "class")
_NAMES = ("name", "label", "title")
_RELATIONS = ("relation", "label", "type", "key")
_NUMBERED = re.compile(r"e?\d*")
"""The id of an edge that says nothing of its relation."""
_NO_XML = r"[\x00-\x08\x0b\x0c\x0d\x0e-\x1f\ufffe\uffff]"


# Reading


def read_graphml(path: str | Path) -> Tables:
    """The triples and entities of a GraphML file, or of the graph.graphml in a folder; sorted.

    A node has its `type` ("entity" without one), `name` and `item_id`; an edge its `relation`, or
    else its label, type, key or id ("related" where the id is but a number). What
    `KnowledgeGraph.to_networkx` gave networkx to write is read as well.
    Raises `DataError` for a file that is broken, has no edge or declares XML entities.
    """
    file = _graph_file(Path(path))
    graph = _parsed(file)
    notes: list[str] = []
    nodes = [_entity(node, data) for node, data in graph.nodes(data=True)]
    ids = {node: entity[0] for node, entity in zip(graph.nodes, nodes, strict=True)}
    rows = [
        (ids[head], _relation(key, data), ids[tail])
        for head, tail, key, data in graph.edges(keys=True, data=True)
    ]
    if not rows:
        raise DataError(f"{file} holds no edge: at least one is needed.")
    if not graph.is_directed():
        notes.append("The graph is undirected: each edge is read from its source to its target.")
    _note_left_out(graph, notes)
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


def _parsed(file: Path) -> Any:
    import networkx as nx

    try:
        _check_xml(file)
        with open_bytes(file) as handle, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # networkx warns of ports and of keys without a type
            return nx.read_graphml(handle, edge_key_type=str, force_multigraph=True)
    except DataError:
        raise
    except UNREADABLE as error:
        raise DataError(f"{file} cannot be read: {str(error).rstrip('.')}.") from None
    except (nx.NetworkXError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise DataError(f"{file} is no GraphML that networkx can read: {error}.") from None


def _check_xml(file: Path) -> None:
    """`DataError` names the line that is no XML, or that declares an entity (which may expand).

    So it does for a node or an edge without its ids, which networkx would read as 'None'.
    """
    parser = expat.ParserCreate()
    needed = {"node": ("id",), "edge": ("source", "target")}

    def started(name: str, attributes: dict[str, str]) -> None:
        for attribute in needed.get(name.rpartition(":")[2], ()):
            if not attributes.get(attribute):
                raise DataError(
                    f"{file}, line {parser.CurrentLineNumber:,}: each {name} must have "
                    f"{attribute}=… Got {attributes} instead."
                )

    def declared(name: str, *_: object) -> None:
        raise DataError(
            f"{file}, line {parser.CurrentLineNumber:,}: GraphML must not declare entities. "
            f"Got <!ENTITY {name}."
        )

    parser.EntityDeclHandler = declared
    parser.StartElementHandler = started
    try:
        with open_bytes(file) as handle:
            parser.ParseFile(handle)
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code)
        raise DataError(f"{file}, line {error.lineno:,}, is no XML: {what}.") from None


def _entity(node: str, data: dict[str, Any]) -> tuple[str, str, str | None, str | None]:
    """(entity_id, type, name, item_id)."""
    kind, key = _pair(node)
    type_ = _first(data, _TYPES) or kind or "entity"
    item = _first(data, ("item_id",)) or (key if kind == "item" else None)
    return (f"{kind}:{key}" if kind else node), type_, _first(data, _NAMES), item


def _pair(node: str) -> tuple[str, str]:
    """('item', '7') of the text "('item', '7')", the name of a node of a `KnowledgeGraph`."""
    try:
        pair = ast.literal_eval(node) if node.startswith(("('", '("')) else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        pair = None
    whole = isinstance(pair, tuple) and len(pair) == 2 and all(isinstance(x, str) for x in pair)
    return pair if whole and pair else ("", "")


def _relation(key: object, data: dict[str, Any]) -> str:
    said = _first(data, _RELATIONS)
    if said is not None:
        return said
    name = "" if key is None else str(key)
    return "related" if _NUMBERED.fullmatch(name) else name


def _first(data: dict[str, Any], names: tuple[str, ...]) -> str | None:
    """The first of these attributes that is there and not empty."""
    return next((str(data[name]) for name in names if str(data.get(name, "")).strip()), None)


def _note_left_out(graph: Any, notes: list[str]) -> None:
    read = {"nodes": {*_TYPES, *_NAMES, "item_id"}, "edges": {*_RELATIONS, "event"}}
    found = {"nodes": (data for _, data in graph.nodes(data=True)),
             "edges": (data for _, _, data in graph.edges(data=True))}  # fmt: skip
    for what, rows in found.items():
        left = Counter(name for data in rows for name in data if name not in read[what])
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
        frame = pl.DataFrame({"entity_id": ids, "type": ["item"] * ids.len(), "item_id": ids})
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
    return path.is_file() and path.name.lower().endswith((".graphml", ".graphml.gz"))


FORMAT = Format(
    "graphml",
    "a .graphml file (or zipped), or graph.graphml in a folder: nodes with type and name, edges "
    "with a relation",
    _recognises,
    read_graphml,
    write_graphml,
)
