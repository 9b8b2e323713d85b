"""A knowledge graph as a folder of its own, before any event: JSON and npz, no pickle."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from kg.errors import DataError
from kg.folders import publish, read_folder
from kg.graph import KnowledgeGraph, Relation
from kg.ids import Vocab

KIND = "graph"


def save_graph(
    path: str | Path, graph: KnowledgeGraph, facts: Mapping[str, Any] | None = None
) -> None:
    """Publish the facts of a graph as a folder; `facts` say how it was made.

    Edges that come from events are left out: a log is kept by `save_dataset`, and
    `load_graph(path).with_events(log)` has them again.
    """

    def write(folder: Path) -> None:
        arrays: dict[str, np.ndarray] = {}
        text = json.dumps(pack_graph(graph, arrays), ensure_ascii=False)
        (folder / "graph.json").write_text(text, encoding="utf-8")
        np.savez_compressed(folder / "graph.npz", allow_pickle=False, **arrays)

    publish(path, write, {"kind": KIND, **(facts or {})})


def load_graph(path: str | Path) -> KnowledgeGraph:
    """The graph of such a folder, verified; `DataError` names a part that is damaged."""
    return read_folder(path, KIND, lambda _: _read(Path(path)))


def _read(folder: Path) -> KnowledgeGraph:
    try:
        meta = json.loads((folder / "graph.json").read_text(encoding="utf-8"))
        with np.load(folder / "graph.npz", allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        vocabs, edges, names, times = unpack_graph(meta, arrays)
        return KnowledgeGraph(vocabs, edges, names, edge_time=times)
    except (OSError, KeyError, ValueError, TypeError, BadZipFile) as error:
        raise DataError(f"{folder} holds no readable graph: {error}.") from None


def pack_graph(
    graph: KnowledgeGraph, arrays: dict[str, np.ndarray], elsewhere: Collection[str] = ()
) -> dict[str, Any]:
    """What JSON can hold of its facts; the edges go into `arrays`. The ids of node types
    `elsewhere` are kept by others.
    """
    facts = graph.facts()
    relations = sorted(facts.edges)
    for number, relation in enumerate(relations):
        arrays[f"edges.{number}"] = facts.edges[relation]
        if relation in facts.edge_time:
            arrays[f"edge_time.{number}"] = facts.edge_time[relation]
    kinds = sorted(set(facts.vocabs) - set(elsewhere))
    return {
        "relations": relations,
        "nodes": {kind: facts.vocabs[kind].ids for kind in kinds},
        "names": {kind: names for kind, names in facts.names.items() if kind in facts.vocabs},
    }


def unpack_graph(
    meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> tuple[
    dict[str, Vocab], dict[Relation, np.ndarray], dict[str, tuple[str, ...]],
    dict[Relation, np.ndarray],
]:  # fmt: skip
    """Ids, edges, names and dates (none in folders made before there were any), the inverse of
    `pack_graph`.
    """
    vocabs = {kind: Vocab(tuple(ids), kind) for kind, ids in meta["nodes"].items()}
    relations = [(r[0], r[1], r[2]) for r in meta["relations"]]
    edges, times = (
        {r: arrays[f"{kind}.{n}"] for n, r in enumerate(relations) if f"{kind}.{n}" in arrays}
        for kind in ("edges", "edge_time")
    )
    if len(edges) < len(relations):
        raise KeyError("the edges of some relations are not there")
    names = {kind: tuple(called) for kind, called in meta["names"].items()}
    return vocabs, edges, names, times
