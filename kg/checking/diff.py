"""What changed from one release of a graph to the next, by the ids of its nodes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kg.graph import KnowledgeGraph, Relation
from kg.ids import Vocab

EXAMPLES = 3


@dataclass(frozen=True)
class Change:
    """Of a node type (`what` "nodes") or a relation ("edges"): how many came, went and stayed,
    with examples of the first two.
    """

    what: str
    name: str
    added: int
    removed: int
    kept: int
    examples_added: tuple[str, ...] = ()
    examples_removed: tuple[str, ...] = ()


def difference(old: KnowledgeGraph, new: KnowledgeGraph) -> list[Change]:
    """A change for each node type and each relation of facts of either graph, in a fixed order."""
    none = Vocab((), "")
    out = []
    for kind in sorted({*old.vocabs, *new.vocabs}):
        before, after = (set(graph.vocabs.get(kind, none).ids) for graph in (old, new))
        out.append(_change("nodes", kind, before, after))
    for relation in sorted({*old.fact_relations, *new.fact_relations}):
        name = " – ".join(relation)
        out.append(_change("edges", name, _pairs(old, relation), _pairs(new, relation)))
    return out


def _pairs(graph: KnowledgeGraph, relation: Relation) -> set[str]:
    edges = graph.edges.get(relation, np.zeros((2, 0), np.int64))
    ends = [graph.vocabs[kind].decode(index) if index.size else []
            for kind, index in zip((relation[0], relation[2]), edges, strict=True)]  # fmt: skip
    return {f"{head} → {tail}" for head, tail in zip(*ends, strict=True)}


def _change(what: str, name: str, before: set[str], after: set[str]) -> Change:
    came, went = sorted(after - before), sorted(before - after)
    return Change(
        what, name, len(came), len(went), len(before & after), tuple(came[:EXAMPLES]),
        tuple(went[:EXAMPLES]),
    )  # fmt: skip
