"""From events and catalogue to the knowledge graph."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from kg.building.joined import merged, renumbered
from kg.building.triples import Triples
from kg.catalog import Catalog
from kg.errors import DataError
from kg.events import EventLog
from kg.graph import KnowledgeGraph, Relation
from kg.ids import Vocab


def build_graph(
    log: EventLog,
    catalog: Catalog,
    users: Catalog | None = None,
    triples: Triples | None = None,
    facts: KnowledgeGraph | None = None,
) -> KnowledgeGraph:
    """Item and user attributes and extra triples as typed relations, and the log's events.

    Every attribute is a relation ("item", name, name); every behaviour is ("user", behaviour,
    "item"). An attribute called like a node type that is there becomes the type item_NAME (or
    user_NAME). `facts`, a graph made before, take the place of the attributes of both tables.
    Edges are sorted, each once. Give the training part of a split: whatever is in `log` is in the
    graph.
    """
    if facts is not None:
        graph, _ = renumbered(facts, {"item": catalog.ids, "user": log.users})
        if triples is not None:
            graph = merged(graph, _facts_of(triples))
        called = {**graph.names, "item": catalog.titles}
        return replace(graph, names=called).with_events(log)
    vocabs: dict[str, Vocab] = {"item": catalog.ids, "user": log.users}
    edges: dict[Relation, np.ndarray] = {}
    names: dict[str, tuple[str, ...]] = {"item": catalog.titles}
    if triples is not None:
        vocabs |= triples.vocabs
        edges |= triples.edges
        names |= triples.names
    _add_attributes("item", catalog, catalog.ids, vocabs, edges)
    if users is not None:
        _add_attributes("user", users, log.users, vocabs, edges)
    dated = triples.edge_time if triples is not None else {}
    return KnowledgeGraph(vocabs, edges, names, edge_time=dated).with_events(log)


def _facts_of(triples: Triples) -> KnowledgeGraph:
    return KnowledgeGraph(triples.vocabs, triples.edges, triples.names, edge_time=triples.edge_time)


def _add_attributes(
    kind: str, table: Catalog, numbering: Vocab, vocabs: dict[str, Vocab],
    edges: dict[Relation, np.ndarray],
) -> None:  # fmt: skip
    rows = numbering.encode(table.ids.ids, missing="negative")
    for attribute in table.attributes:
        type_ = attribute.name
        while type_ in vocabs:  # an attribute called like a node type that is already there
            type_ = f"{kind}_{type_}"
        source = rows[attribute.row]
        known = source >= 0
        vocabs[type_] = attribute.values
        pairs = np.stack([source[known], attribute.value[known]])
        edges[(kind, attribute.name, type_)] = np.unique(pairs, axis=1)


def assert_train_only(graph: KnowledgeGraph, train: EventLog) -> None:
    """Raises `DataError` if the graph holds a user–item edge that is not in `train`.

    A relation named like a behaviour of the log must hold that behaviour's pairs only; any other
    one between users and items, pairs of whatever behaviour.
    """
    if graph.vocabs.get("user") != train.users or graph.vocabs.get("item") != train.items:
        raise DataError(
            "The graph and the training events must number the same users and items: "
            "build it from split.train."
        )
    for relation in sorted(graph.edges):
        if {relation[0], relation[2]} != {"user", "item"}:
            continue
        edges = graph.edges[relation]
        pairs = edges if relation[0] == "user" else edges[::-1]
        leaked = pairs[:, ~np.isin(_pair_code(pairs, train), _allowed(relation, graph, train))]
        if leaked.size:
            user, item = leaked[:, 0].tolist()
            raise DataError(
                f"The graph holds {leaked.shape[1]} {relation[1]} edges that are not in the "
                f"training events (for instance user {train.users.ids[user]!r}, item "
                f"{train.items.ids[item]!r}): build it from split.train."
            )


def _pair_code(pairs: np.ndarray, log: EventLog) -> np.ndarray:
    """int64 [E], one number per (user, item) of `pairs` [2, E]."""
    return np.asarray(pairs[0] * max(len(log.items), 1) + pairs[1], np.int64)


def _allowed(relation: Relation, graph: KnowledgeGraph, train: EventLog) -> np.ndarray:
    kinds = np.array([kind.name == relation[1] for kind in train.behaviours], bool)
    shown = train.has_item
    if relation in graph.events or kinds.any():
        shown = shown & kinds[train.behaviour]
    return _pair_code(np.stack([train.user[shown], train.item[shown]]), train)
