"""Our own folders as tables: a graph of `kg from-table`, and the data that `build` makes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from kg.catalog import Catalog
from kg.events import EventLog
from kg.folders import kind_of
from kg.formats.facts import facts, text_frame
from kg.formats.tables import Format, Named, Tables
from kg.graph import KnowledgeGraph, Relation
from kg.graph_store import KIND, load_graph
from kg.storage import load_dataset


def read_graph(path: Path) -> Tables:
    """Facts as triples between entities, which are called TYPE:ID, and the items by their names."""
    graph = load_graph(path)
    triples, entities = facts(graph)
    items = None
    if "item" in graph.vocabs:
        titles = graph.names.get("item", ("",) * len(graph.vocabs["item"]))
        items = text_frame({"item_id": graph.vocabs["item"].ids, "title": titles})
    return Tables(items=items, triples=triples, entities=entities)


def read_data(path: Path) -> Tables:
    """Cleaned events, items, users, and the facts that are not attributes of either."""
    data = load_dataset(path)
    tables = [("item", data.catalog, "")]
    tables += [("user", data.users, "user:")] if data.users is not None else []
    kept, notes = data.graph.facts(), list[str]()
    for kind, table, _ in tables:
        kept, others = _without_columns(kept, kind, table)
        if others:
            notes.append(
                f"The facts {', '.join(others)} of {kind}s were made by `kg from-table`: here are "
                "the columns, as the table has them. Give build the graph again (--graph)."
            )
    triples, entities = facts(kept)
    vectors = {
        f"{prefix}{one.name}": Named(tuple(table.ids.decode(one.row)), one.values)
        for _, table, prefix in tables
        for one in table.vectors
    }
    return Tables(
        events=_events(data.log), items=_rows(data.catalog, "item_id"),
        users=None if data.users is None else _rows(data.users, "user_id"),
        triples=triples, entities=entities, vectors=vectors, notes=tuple(notes),
    )  # fmt: skip


def _without_columns(
    graph: KnowledgeGraph, kind: str, table: Catalog
) -> tuple[KnowledgeGraph, list[str]]:
    """The graph without the facts that columns of a table of this kind state, and which of these
    columns state it otherwise: as bands, years or paths that `kg from-table` made.
    """
    columns = {attribute.name: attribute for attribute in table.attributes}
    own: dict[str, list[Relation]] = {}
    for relation in graph.edges:
        name, type_ = relation[1:]
        while type_.startswith(f"{kind}_") and type_ != name:  # as `build_graph` calls it then
            type_ = type_.removeprefix(f"{kind}_")
        if relation[0] == kind and name in columns and type_ == name:
            own.setdefault(name, []).append(relation)
    gone, others = set[Relation](), list[str]()
    for name, relations in own.items():
        stated = [r for r in relations if graph.vocabs[r[2]].ids == columns[name].values.ids]
        if stated:  # another one of this name came with the triples
            gone.update(stated)
            continue
        made = {r[2] for r in relations}
        gone.update(relations, (r for r in graph.edges if r[0] == r[2] and r[0] in made))
        others.append(name)
    kept = {r: edges for r, edges in graph.edges.items() if r not in gone}
    dates = {r: time for r, time in graph.edge_time.items() if r in kept}
    return replace(graph, edges=kept, edge_time=dates), sorted(others)


def _events(log: EventLog) -> pl.DataFrame:
    items = np.array([*log.items.ids, ""], dtype=object)  # -1: a search alone
    kinds = [behaviour.name for behaviour in log.behaviours]
    columns: dict[str, list[str]] = {
        "user_id": log.users.decode(log.user), "item_id": items[log.item].tolist(),
        "behaviour": [kinds[code] for code in log.behaviour.tolist()],
    }  # fmt: skip
    if log.time is not None:
        columns["timestamp"] = [str(time) for time in log.time.tolist()]
    if log.value is not None and np.isfinite(log.value).any():
        columns["value"] = [f"{v:g}" if np.isfinite(v) else "" for v in log.value.tolist()]
    if log.query is not None:
        columns["query"] = list(log.query)
    return text_frame(columns)


def _rows(table: Catalog, key: str) -> pl.DataFrame:
    columns: dict[str, list[str] | tuple[str, ...]] = {key: table.ids.ids}
    columns |= {n: c for n, c in (("title", table.titles), ("text", table.texts)) if any(c)}
    for attribute in table.attributes:
        columns[attribute.name] = ["|".join(cell) for cell in attribute.cells(len(table))]
    columns |= {name: [_number(x) for x in column] for name, column in table.numbers.items()}
    return text_frame(columns)


def _number(value: float) -> str:
    """As it is read again, whole ones without a point; '' for NaN. Bands are made anew of them."""
    if np.isnan(value):
        return ""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


FORMATS = (
    Format("graph", "a graph folder of `kgintent kg from-table`",
           lambda path: kind_of(path) == KIND, read_graph),
    Format("data", "a data folder of `kgintent build`", lambda path: kind_of(path) == "data",
           read_data),
)  # fmt: skip
