"""What changed from one release of a graph to the next, by the ids of its nodes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np

from kg.dates import UNDATED
from kg.graph import KnowledgeGraph, Relation
from kg.ids import Vocab
from kg.times import spelled

EXAMPLES = 3


@dataclass(frozen=True)
class Change:
    """Of a node type (`what` "nodes") or a relation ("edges"): how many came, went and stayed,
    with examples of the first two.

    "dates" are of the facts of a relation that stayed: how many have a date now, have none any
    more, and have the same; `changed` have another one.
    """

    what: str
    name: str
    added: int
    removed: int
    kept: int
    examples_added: tuple[str, ...] = ()
    examples_removed: tuple[str, ...] = ()
    changed: int = 0
    examples_changed: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether anything is not as it was."""
        return bool(self.added or self.removed or self.changed)


def difference(old: KnowledgeGraph, new: KnowledgeGraph) -> list[Change]:
    """A change for each node type and each relation of facts of either graph, in a fixed order; one
    of "dates" follows that of a relation that has any.
    """
    none = Vocab((), "")
    out = []
    for kind in sorted({*old.vocabs, *new.vocabs}):
        before, after = (set(graph.vocabs.get(kind, none).ids) for graph in (old, new))
        out.append(_change("nodes", kind, before, after))
    for relation in sorted({*old.fact_relations, *new.fact_relations}):
        name = " – ".join(relation)
        one, other = _facts(old, relation), _facts(new, relation)
        out.append(_change("edges", name, set(one), set(other)))
        if relation in old.edge_time or relation in new.edge_time:
            out.append(_dates(name, one, other))
    return out


def _facts(graph: KnowledgeGraph, relation: Relation) -> dict[str, int]:
    """The facts of a relation, and when each came to be known."""
    edges = graph.edges.get(relation, np.zeros((2, 0), np.int64))
    ends = [graph.vocabs[kind].decode(index) if index.size else []
            for kind, index in zip((relation[0], relation[2]), edges, strict=True)]  # fmt: skip
    times = graph.edge_time.get(relation, np.full(edges.shape[1], UNDATED)).tolist()
    return {f"{head} → {tail}": t for head, tail, t in zip(*ends, times, strict=True)}


def _dates(name: str, before: dict[str, int], after: dict[str, int]) -> Change:
    both = sorted(before.keys() & after.keys())
    came = [fact for fact in both if before[fact] == UNDATED != after[fact]]
    went = [fact for fact in both if before[fact] != UNDATED == after[fact]]
    dated = [fact for fact in both if before[fact] != UNDATED != after[fact]]
    moved = [fact for fact in dated if before[fact] != after[fact]]
    told = (f"{fact}: {spelled(before[fact])}, now {spelled(after[fact])}" for fact in moved)
    return Change(
        "dates", name, len(came), len(went), len(dated) - len(moved), tuple(came[:EXAMPLES]),
        tuple(went[:EXAMPLES]), len(moved), tuple(islice(told, EXAMPLES)),
    )  # fmt: skip


def _change(what: str, name: str, before: set[str], after: set[str]) -> Change:
    came, went = sorted(after - before), sorted(before - after)
    return Change(
        what, name, len(came), len(went), len(before & after), tuple(came[:EXAMPLES]),
        tuple(went[:EXAMPLES]),
    )  # fmt: skip
