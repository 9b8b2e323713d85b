"""Named intents: nodes of the graph that say what a person is after, and labels for free.

The labels are weak: what somebody did next tells what they wanted. They cost no annotation, and
they come strictly from the events after the prefix that is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from kg.catalog import CATEGORY_NAMES
from kg.errors import UsageError, suggest
from kg.events import EventLog
from kg.graph import KnowledgeGraph, Relation
from kg.verbalise import checked_positions

NO_LABEL = frozenset({"", "(no genres listed)"})


@dataclass(frozen=True)
class IntentLabels:
    """L named intents: the relation they come from (None where the graph has none that fits),
    their names, and `item`, csr float32 [N_item, L], 1 where the item has the label.
    """

    relation: Relation | None
    names: tuple[str, ...]
    item: sparse.csr_matrix

    def __len__(self) -> int:
        return len(self.names)

    def of_item(self, code: int) -> list[str]:
        """The names of one item's labels."""
        return [self.names[label] for label in self.item[[code]].indices.tolist()]


def intent_labels(
    graph: KnowledgeGraph,
    *,
    relation: str | None = None,
    min_items: int = 5,
    max_labels: int = 200,
) -> IntentLabels:
    """The intents of a graph: tails of one ("item", relation, type) fact, each on enough items.

    Without `relation`, the first of `CATEGORY_NAMES` that gives a label, else the relation with 3
    to `max_labels` tails that covers most items, else none (L = 0). Beyond `max_labels` the
    labels of most items are kept. `UsageError` lists the relations if there is none of that name.
    """
    known = [r for r in graph.fact_relations if r[0] == "item" and r[2] != "item"]
    if relation is not None:
        return _labels(graph, _named(known, relation), min_items, max_labels)
    for name in CATEGORY_NAMES:
        for candidate in (r for r in known if r[1].lower() == name):
            found = _labels(graph, candidate, min_items, max_labels)
            if len(found):
                return found
    few = [r for r in known if 3 <= len(np.unique(graph.edges[r][1])) <= max_labels]
    made = [_labels(graph, r, min_items, max_labels) for r in few]
    best = max(made, key=_coverage, default=None)
    if best is None or len(best) == 0:
        return IntentLabels(None, (), sparse.csr_matrix((graph.num_nodes["item"], 0), dtype="f4"))
    return best


def _named(known: list[Relation], name: str) -> Relation:
    for candidate in known:
        if candidate[1] == name:
            return candidate
    names = sorted({r[1] for r in known})
    raise UsageError(
        f"The 'relation' of intent_labels must be a fact about items: "
        f"{', '.join(names) or 'this graph has none'}. Got {name!r} instead.{suggest(name, names)}"
    )


def _labels(
    graph: KnowledgeGraph, relation: Relation, min_items: int, max_labels: int
) -> IntentLabels:
    rows, tails = np.unique(graph.edges[relation], axis=1)
    counts = np.bincount(tails, minlength=len(graph.vocabs[relation[2]]))
    named = [graph.name(relation[2], tail) for tail in range(len(counts))]
    spoken = np.array([name.strip() not in NO_LABEL for name in named], bool)
    kept = np.flatnonzero(spoken & (counts >= max(min_items, 1)))
    kept = np.sort(kept[np.argsort(-counts[kept], kind="stable")[:max_labels]])
    label = np.full(len(counts), -1)
    label[kept] = np.arange(len(kept))
    has = label[tails] >= 0
    ones = np.ones(int(has.sum()), np.float32)
    shape = (graph.num_nodes["item"], len(kept))
    item = sparse.csr_matrix((ones, (rows[has], label[tails[has]])), shape=shape)
    return IntentLabels(relation, tuple(named[tail] for tail in kept.tolist()), item)


def _coverage(labels: IntentLabels) -> int:
    """Items with at least one label."""
    return int((np.diff(labels.item.indptr) > 0).sum())


def next_intents(
    log: EventLog, labels: IntentLabels, ends: np.ndarray, horizon: int = 3
) -> np.ndarray:
    """float32 [n, L]: 1 where the label is on an item of events e … e + horizon - 1, same user.

    ends int64 [n] are positions e of the log; the prefix that is read ends before e, so nothing
    of it is in its label. A search without an item takes a place and gives no label.
    """
    if horizon < 1:
        raise UsageError(f"'horizon' must be an int >= 1: events ahead. Got {horizon} instead.")
    ends = checked_positions(log, ends)
    out = np.zeros((len(ends), len(labels)), np.float32)
    for step in range(horizon):
        at = np.minimum(ends + step, len(log) - 1)
        valid = (ends + step < len(log)) & (log.user[at] == log.user[ends]) & (log.item[at] >= 0)
        rows = np.flatnonzero(valid)
        found = labels.item[log.item[at[rows]]].tocoo()
        out[rows[found.row], found.col] = 1.0
    return out
