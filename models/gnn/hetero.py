"""Graphs to and from `HeteroData` of PyTorch Geometric, for networks that come from there."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch_geometric.data import HeteroData

from kg.errors import DataError
from kg.graph import KnowledgeGraph, Relation
from kg.ids import Vocab


def to_hetero(graph: KnowledgeGraph) -> HeteroData:
    """Per node type num_nodes, `ids` and, where the graph has some, `names`; per relation
    edge_index int64 [2, E] and, where its facts are dated, `time` int64 [E] (`kg.dates`);
    `event_relations` of the whole: the relations that are events.

    `ids` and `names` are arrays [N] of Python str, which `subgraph` cuts with the nodes as it
    cannot cut lists. Raises `DataError` if the graph has no relation.
    """
    if not graph.edges:
        raise DataError("A graph needs at least one relation to become HeteroData. It has none.")
    data = HeteroData()
    for kind, vocab in graph.vocabs.items():
        data[kind].num_nodes = len(vocab)
        data[kind].ids = np.array(vocab.ids, object)
        if kind in graph.names:
            data[kind].names = np.array(graph.names[kind], object)
    for relation, index in graph.edges.items():
        data[relation].edge_index = torch.from_numpy(index.astype(np.int64))
        if relation in graph.edge_time:
            data[relation].time = torch.from_numpy(graph.edge_time[relation])
    data.event_relations = sorted(graph.events)
    return data


def from_hetero(data: HeteroData) -> KnowledgeGraph:
    """The inverse of `to_hetero`; features and labels are left out, edges stay as they stand.

    Nodes without `ids` are called by their numbers as text. Nodes are numbered by their sorted
    ids, whatever order they had. Raises `DataError` if there is no edge type, if an edge_index is
    missing, not of integers [2, E] or outside its nodes, if a node type does not say how many
    nodes it has, or if its ids or names are not one for each, the ids all different.
    """
    if not data.edge_types:
        raise DataError("HeteroData needs at least one edge type to become a graph. It has none.")
    ids = {kind: _ids(kind, data[kind]) for kind in data.node_types}
    vocabs = {kind: Vocab.of(keys, kind) for kind, keys in ids.items()}
    codes = {kind: vocabs[kind].encode(keys) for kind, keys in ids.items()}
    edges = {relation: _edges(relation, data[relation], codes) for relation in data.edge_types}
    names = {
        kind: _names(kind, data[kind].names, codes[kind])
        for kind in data.node_types
        if "names" in data[kind]
    }
    events = frozenset(map(tuple, getattr(data, "event_relations", ())))
    times = {
        relation: data[relation].time.cpu().numpy().astype(np.int64)
        for relation in data.edge_types if "time" in data[relation]
    }  # fmt: skip
    return KnowledgeGraph(vocabs, edges, names, events, times)


def _ids(kind: str, store: Any) -> list[str]:
    size = len(store["ids"]) if "ids" in store else None
    if size is None or "num_nodes" in store or "x" in store:
        if not store.can_infer_num_nodes:
            raise DataError(f"Node type {kind!r} must say its num_nodes, or have ids or x.")
        size = int(store.num_nodes)
    if "ids" not in store:
        return [str(number) for number in range(size)]
    ids = [str(key) for key in store["ids"]]
    if len(ids) != size or len(set(ids)) != size:
        raise DataError(
            f"Node type {kind!r} must have one id for each of its {size} nodes, all different. "
            f"Got {len(ids)} ids, {len(set(ids))} of them different."
        )
    return ids


def _edges(relation: Relation, store: Any, codes: dict[str, np.ndarray]) -> np.ndarray:
    """int64 [2, E] in the numbers of the vocabularies."""
    index = store.get("edge_index")
    if index is None or index.ndim != 2 or len(index) != 2 or index.dtype.is_floating_point:
        got = "none" if index is None else f"{index.dtype} {list(index.shape)}"
        raise DataError(f"The edge_index of {relation} must be integers [2, E]. Got {got}.")
    ends = index.cpu().numpy().astype(np.int64)
    return np.stack(
        [_moved(relation, row, kind, codes) for row, kind in zip(ends, relation[::2], strict=True)]
    )


def _moved(
    relation: Relation, row: np.ndarray, kind: str, codes: dict[str, np.ndarray]
) -> np.ndarray:
    if kind not in codes:
        raise DataError(f"Relation {relation} names the node type {kind!r}, which has no nodes.")
    outside = row[(row < 0) | (row >= len(codes[kind]))]
    if outside.size:
        raise DataError(
            f"Edges of {relation} must point to nodes in [0, {len(codes[kind])}) of type {kind!r}. "
            f"Got {int(outside[0])} instead."
        )
    return codes[kind][row]


def _names(kind: str, names: Any, codes: np.ndarray) -> tuple[str, ...]:
    """In the order of the vocabulary."""
    if len(names) != len(codes):
        raise DataError(
            f"Node type {kind!r} must have one name for each of its {len(codes)} nodes. "
            f"Got {len(names)} instead."
        )
    return tuple(str(names[at]) for at in np.argsort(codes))
