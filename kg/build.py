"""From events and catalogue to the knowledge graph."""

from __future__ import annotations

import numpy as np

from kg.catalog import Catalog
from kg.errors import DataError
from kg.events import EventLog
from kg.graph import KnowledgeGraph, Relation
from kg.ids import Vocab
from kg.triples import Triples


def build_graph(
    log: EventLog,
    catalog: Catalog,
    users: Catalog | None = None,
    triples: Triples | None = None,
) -> KnowledgeGraph:
    """Item and user attributes and extra triples as typed relations, and the log's events.

    Every attribute is a relation ("item", name, name); every behaviour is ("user", behaviour,
    "item"). Give the training part of a split: whatever is in `log` is in the graph.
    """
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
    return KnowledgeGraph(vocabs, edges, names).with_events(log)


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
        edges[(kind, attribute.name, type_)] = np.stack([source[known], attribute.value[known]])


def assert_train_only(graph: KnowledgeGraph, train: EventLog) -> None:
    """Raises `DataError` if the graph holds a user–item edge that is not in `train`."""
    allowed = set()
    for code, behaviour in enumerate(train.behaviours):
        of_kind = (train.behaviour == code) & train.has_item
        pairs = np.unique(np.stack([train.user[of_kind], train.item[of_kind]]), axis=1)
        allowed |= {(behaviour.name, int(u), int(i)) for u, i in pairs.T}
    for relation in sorted(graph.events):
        held = {(relation[1], int(u), int(i)) for u, i in graph.edges[relation].T}
        leaked = held - allowed
        if leaked:
            name, user, item = min(leaked)
            raise DataError(
                f"The graph holds {len(leaked)} {name} edges that are not in the training events "
                f"(for instance user {graph.vocabs['user'].ids[user]!r}, item "
                f"{graph.vocabs['item'].ids[item]!r}): build it from split.train."
            )
