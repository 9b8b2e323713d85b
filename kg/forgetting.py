"""Logs, tables of users and graphs without people who are to be forgotten.

Everybody else keeps their order and gets the next free number. What only those people had (values
of attributes, nodes of the graph that only facts about users lead to) goes with them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from kg.catalog import Attribute, Catalog
from kg.events import EventLog
from kg.graph import KnowledgeGraph
from kg.ids import Vocab
from kg.vectors import Vectors


def staying(vocab: Vocab, gone: Collection[str]) -> np.ndarray:
    """bool [N]: the ids that are not `gone`."""
    some = set(gone)
    return np.array([key not in some for key in vocab.ids], bool)


def vocab_without(vocab: Vocab, kept: np.ndarray) -> Vocab:
    """The ids of bool [N]; those that came late stay the last."""
    ids = tuple(key for key, stays in zip(vocab.ids, kept.tolist(), strict=True) if stays)
    return Vocab(ids, vocab.name, int(kept[len(vocab) - vocab.late :].sum()))


def log_without(log: EventLog, gone: Collection[str]) -> EventLog:
    """The events of everybody else; unlike `EventLog.take`, no id of theirs stays either."""
    kept = staying(log.users, gone)
    part = log.take(kept[log.user])
    return replace(part, users=vocab_without(log.users, kept), user=_codes(kept)[part.user])


def table_without(users: Catalog, gone: Collection[str]) -> Catalog:
    """The rows of everybody else."""
    kept = staying(users.ids, gone)
    code, rows = _codes(kept), np.flatnonzero(kept).tolist()
    return replace(
        users, ids=vocab_without(users.ids, kept), titles=tuple(users.titles[n] for n in rows),
        texts=tuple(users.texts[n] for n in rows),
        attributes=tuple(_attribute(one, kept, code) for one in users.attributes),
        vectors=tuple(
            Vectors(v.name, code[v.row[kept[v.row]]], v.values[kept[v.row]]) for v in users.vectors
        ),
        numbers={name: numbers[kept] for name, numbers in users.numbers.items()},
    )  # fmt: skip


def _attribute(one: Attribute, kept: np.ndarray, code: np.ndarray) -> Attribute:
    stays = kept[one.row]
    used, value = np.unique(one.value[stays], return_inverse=True)
    values = Vocab(tuple(one.values.decode(used)), one.values.name)
    return Attribute(one.name, values, code[one.row[stays]], value.astype(np.int64))


def graph_without(graph: KnowledgeGraph, gone: Collection[str]) -> KnowledgeGraph:
    """The graph without these users, their events and the facts about them; a node that facts about
    users alone would lead to stays if one does.
    """
    if "user" not in graph.vocabs:
        return graph
    kept = staying(graph.vocabs["user"], gone)
    found = _among(graph, {"user": kept})
    own = {kind for relation in graph.edges if "user" in relation[::2] for kind in relation[::2]}
    others = {kind for relation in graph.edges if "user" not in relation[::2]
              for kind in relation[::2]}  # fmt: skip
    kinds = own - others - {"user", "item"}
    return _among(found, {kind: _touched(found, kind) for kind in kinds})


def _among(graph: KnowledgeGraph, kept: dict[str, np.ndarray]) -> KnowledgeGraph:
    """The nodes of some types that stay, bool [N] by type, and the edges between nodes that do."""
    edges, times = {}, {}
    for relation, index in graph.edges.items():
        stays = np.ones(index.shape[1], bool)
        ends = []
        for end, kind in zip(index, relation[::2], strict=True):
            if kind in kept:
                stays &= kept[kind][end]
                end = _codes(kept[kind])[end]
            ends.append(end)
        edges[relation] = np.stack(ends)[:, stays]
        if relation in graph.edge_time:
            times[relation] = graph.edge_time[relation][stays]
    vocabs = {k: vocab_without(v, kept[k]) if k in kept else v for k, v in graph.vocabs.items()}
    names = {
        kind: tuple(n for n, stays in zip(told, kept[kind].tolist(), strict=True) if stays)
        if kind in kept else told for kind, told in graph.names.items()
    }  # fmt: skip
    return replace(graph, vocabs=vocabs, edges=edges, names=names, edge_time=times)


def _touched(graph: KnowledgeGraph, kind: str) -> np.ndarray:
    """bool [N]: the nodes of a type that have an edge."""
    out = np.zeros(len(graph.vocabs[kind]), bool)
    for relation, index in graph.edges.items():
        for end, of in zip(index, relation[::2], strict=True):
            if of == kind:
                out[end] = True
    return out


def _codes(kept: np.ndarray) -> np.ndarray:
    """int64 [N]: the new numbers of what stays, bool [N]; those of the others mean nothing."""
    return np.cumsum(kept) - 1
