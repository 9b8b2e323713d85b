"""Named intents: nodes of the graph that say what a person is after, and labels for free.

The labels are weak: what somebody did next tells what they wanted. They cost no annotation, and
they come strictly from the events after the prefix that is read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from kg.building.hierarchy import at_level
from kg.catalog import CATEGORY_NAMES
from kg.errors import UsageError, suggest
from kg.events import EventLog
from kg.graph import KnowledgeGraph, Relation
from kg.wording.verbalise import checked_positions

NO_LABEL = frozenset({"", "(no genres listed)"})


@dataclass(frozen=True)
class IntentLabels:
    """L named intents: the relation they come from (the first, of several; None where the graph
    has none that fits), their names (keys, of a taxonomy), and `item`, csr float32 [N_item, L],
    1 where the item has the label.
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
    level: int | None = None,
    min_items: int = 5,
    max_labels: int = 200,
) -> IntentLabels:
    """The intents of a graph: tails of one ("item", relation, type) fact, each on enough items.

    Without `relation`, the first of `CATEGORY_NAMES` that gives a label, else the relation with 3
    to `max_labels` tails that covers most items (of equals one whose labels are words rather than
    numbers, then one of few labels), else none (L = 0). Beyond `max_labels` the
    labels of most items are kept. `UsageError` lists the relations if there is none of that name.
    With `level`, tails that are paths ("Beauty > Hair > Shampoo") are cut to their first `level`
    parts; a shorter one gives no label.
    """
    if level is not None and level < 1:
        raise UsageError(f"The 'level' of intent_labels must be an int >= 1. Got {level} instead.")
    known = item_facts(graph)
    if relation is not None:
        return _labels(graph, relation_named(known, relation), level, min_items, max_labels)
    for candidate in category_facts(known):
        found = _labels(graph, candidate, level, min_items, max_labels)
        if len(found):
            return found
    few = [r for r in known if 3 <= len(np.unique(_tails(graph, r, level)[1])) <= max_labels]
    made = [_labels(graph, r, level, min_items, max_labels) for r in few]
    best = max(made, key=_telling, default=None)
    if best is None or len(best) == 0:
        return IntentLabels(None, (), sparse.csr_matrix((graph.num_nodes["item"], 0), dtype="f4"))
    return best


def item_facts(graph: KnowledgeGraph) -> list[Relation]:
    """What is known of items beside other items, in a fixed order."""
    return [r for r in graph.fact_relations if r[0] == "item" and r[2] != "item"]


def category_facts(known: list[Relation]) -> list[Relation]:
    """Those that say what kind of thing an item is, the likeliest first."""
    return [r for name in CATEGORY_NAMES for r in known if r[1].lower() == name]


def relation_named(known: list[Relation], name: str) -> Relation:
    """The one of this name; `UsageError` lists them if there is none."""
    for candidate in known:
        if candidate[1] == name:
            return candidate
    names = sorted({r[1] for r in known})
    raise UsageError(
        f"The 'relation' of intents must be a fact about items: "
        f"{', '.join(names) or 'this graph has none'}. Got {name!r} instead.{suggest(name, names)}"
    )


def _labels(
    graph: KnowledgeGraph, relation: Relation, level: int | None, min_items: int, max_labels: int
) -> IntentLabels:
    (rows, tails), named = _tails(graph, relation, level), _names(graph, relation, level)
    counts = np.bincount(tails, minlength=len(named))
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


def _names(graph: KnowledgeGraph, relation: Relation, level: int | None) -> list[str]:
    """What the tails of `_tails` are called."""
    named = [graph.name(relation[2], tail) for tail in range(len(graph.vocabs[relation[2]]))]
    return named if level is None else sorted({at_level(name, level) for name in named} - {""})


def _tails(graph: KnowledgeGraph, relation: Relation, level: int | None) -> np.ndarray:
    """int64 [2, E], items and tails, each pair once; with a level, tails are its `_names`."""
    edges = graph.edges[relation]
    if level is not None:
        number = {name: code for code, name in enumerate(_names(graph, relation, level))}
        cut = [at_level(name, level) for name in _names(graph, relation, None)]
        group = np.array([number.get(name, -1) for name in cut], np.int64)
        edges = np.stack([edges[0], group[edges[1]]])[:, group[edges[1]] >= 0]
    return np.unique(edges, axis=1)


def _coverage(labels: IntentLabels) -> int:
    """Items with at least one label."""
    return int((np.diff(labels.item.indptr) > 0).sum())


def _telling(labels: IntentLabels) -> tuple[int, bool, int]:
    """What the labels of a relation are chosen by, where none is called a category."""
    words = sum(any(sign.isalpha() for sign in name) for name in labels.names)
    return _coverage(labels), 2 * words > len(labels), -len(labels)


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


def with_whole_horizon(log: EventLog, ends: np.ndarray, horizon: int) -> np.ndarray:
    """bool [n]: whether all of e … e + horizon - 1 are events of the user of e, so that what
    `next_intents` does not find there did not come, rather than not yet.
    """
    ends = checked_positions(log, ends)
    last = ends + horizon - 1
    inside = last < len(log)
    return inside & (log.user[np.where(inside, last, 0)] == log.user[ends])
