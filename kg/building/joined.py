"""Graphs put together: one numbered by other vocabularies, and two that become one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from kg.dates import UNDATED, distinct
from kg.graph import KnowledgeGraph, Relation
from kg.ids import Vocab


def renumbered(
    graph: KnowledgeGraph, vocabs: Mapping[str, Vocab]
) -> tuple[KnowledgeGraph, dict[str, int]]:
    """The facts of a graph with these node types numbered by others' ids.

    Nodes that the ids lack are left out with their edges, and counted by type; ids that the graph
    lacks are nodes without an edge.
    """
    facts = graph.facts()
    moved = {kind: ids for kind, ids in vocabs.items() if kind in facts.vocabs}
    number = {kind: ids.encode(facts.vocabs[kind].ids, "negative") for kind, ids in moved.items()}
    edges: dict[Relation, np.ndarray] = {}
    times: dict[Relation, np.ndarray] = {}
    for relation, index in facts.edges.items():
        ends = [
            index[side] if kind not in number else number[kind][index[side]]
            for side, kind in enumerate((relation[0], relation[2]))
        ]
        known = (ends[0] >= 0) & (ends[1] >= 0)
        dated = facts.edge_time.get(relation)
        pairs = np.stack(ends)[:, known]
        edges[relation], time = distinct(pairs, None if dated is None else dated[known])
        if time is not None:
            times[relation] = time
    names = dict(facts.names)
    for kind, ids in moved.items():
        if (called := names.pop(kind, None)) is not None:
            told = dict(zip(facts.vocabs[kind].ids, called, strict=True))
            names[kind] = tuple(told.get(key, "") for key in ids.ids)
    lost = {kind: int((codes < 0).sum()) for kind, codes in number.items()}
    every = {**facts.vocabs, **vocabs}
    made = replace(facts, vocabs=every, edges=edges, names=names, edge_time=times)
    return made, {kind: count for kind, count in lost.items() if count}


def merged(one: KnowledgeGraph, other: KnowledgeGraph) -> KnowledgeGraph:
    """The facts of both: nodes of one type and id are one node, equal edges one edge, known since
    the earlier date.

    What both have a name for is called as in `one`.
    """
    kinds = dict.fromkeys([*one.vocabs, *other.vocabs])
    none = Vocab((), "")
    vocabs = {
        kind: Vocab.of({*one.vocabs.get(kind, none).ids, *other.vocabs.get(kind, none).ids}, kind)
        for kind in kinds
    }
    first, second = (renumbered(graph, _there(vocabs, graph))[0] for graph in (one, other))
    edges: dict[Relation, np.ndarray] = {}
    times: dict[Relation, np.ndarray] = {}
    for relation in dict.fromkeys([*first.edges, *second.edges]):
        having = [graph for graph in (first, second) if relation in graph.edges]
        index = np.concatenate([graph.edges[relation] for graph in having], axis=1)
        dated = any(relation in graph.edge_time for graph in having)
        since = np.concatenate([_times(graph, relation) for graph in having]) if dated else None
        edges[relation], time = distinct(index, since)
        if time is not None:
            times[relation] = time
    names = dict(second.names)
    for kind, called in first.names.items():
        others = names.get(kind, called)
        names[kind] = tuple(a or b for a, b in zip(called, others, strict=True))
    return KnowledgeGraph(vocabs, edges, names, edge_time=times)


def _times(graph: KnowledgeGraph, relation: Relation) -> np.ndarray:
    """int64 [E]."""
    undated = np.full(graph.edges[relation].shape[1], UNDATED)
    return graph.edge_time.get(relation, undated)


def _there(vocabs: Mapping[str, Vocab], graph: KnowledgeGraph) -> dict[str, Vocab]:
    return {kind: ids for kind, ids in vocabs.items() if kind in graph.vocabs}
