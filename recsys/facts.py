"""A recommender that is told other facts than it was trained with, at once and without training.

Facts are matched by the ids of their nodes. What the graph adds to each item is computed anew by
the trained network (`models.facts`), also for items that were added since; explanations see the
facts too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch

from kg.graph import KnowledgeGraph, Relation
from kg.joined import merged, renumbered
from kg.paths import PathIndex
from models.facts import hearing
from models.recommender import IntentRecommender
from recsys.items import Fact, ItemStore, messages_to_new
from recsys.recommender import Recommender

Added = Mapping[int, tuple[Fact, ...]]
"""The facts of items that were added since the training, by code."""


def with_graph(rec: Recommender, facts: KnowledgeGraph) -> Recommender:
    """The run with the facts of another graph in the place of its own; `rec` stays as it was.

    Relations that it was not trained with (`unheard`) and items that it does not know are left
    out. An added item keeps its own facts where the graph says nothing of it.
    """
    strange = set(unheard(rec, facts))
    facts = facts.facts()
    facts = replace(facts, edges={r: e for r, e in facts.edges.items() if r not in strange})
    graph = merged(replace(rec.model.graph.facts(), edges={}), _of_trained(rec, facts))
    kept = recoded(rec.items.facts, rec.model.graph, graph)
    return told(rec, graph, kept | of_added(rec, facts, graph))


def unheard(rec: Recommender, facts: KnowledgeGraph) -> list[Relation]:
    """Relations of facts that the run was not trained with: there is no gate to hear them by."""
    known = rec.model.graph
    heard = {r for r in known.fact_relations if known.edges[r].size}
    return [r for r in facts.fact_relations if r not in heard and facts.edges[r].size]


def told(rec: Recommender, facts: KnowledgeGraph, added: Added) -> Recommender:
    """The run over exactly these facts, which number items and users as the run's graph does, and
    those of added items, by the numbers of `facts`.
    """
    events = {r: rec.model.graph.edges[r] for r in rec.model.graph.events}
    graph = replace(facts, edges={**facts.edges, **events}, events=rec.model.graph.events)
    store = rec.items
    model = hearing(rec.model, graph, store.text[: store.trained])
    part = np.concatenate([_of_training(model), _of_later(model, store, added)])
    store = replace(store, graph_part=part, facts=dict(added))
    paths = PathIndex.of(graph.with_events(rec.log))
    found = replace(rec, model=model, items=store, paths=paths)
    return found.beside(rec.partners.with_items(store.content))


def _of_training(model: IntentRecommender) -> np.ndarray:
    """float32 [trained, D]."""
    with torch.inference_mode():
        return model.items().graph.numpy().copy()


def _of_later(model: IntentRecommender, store: ItemStore, added: Added) -> np.ndarray:
    """float32 [N - trained, D]: what added items hear; they tell nobody anything."""
    rows = len(store) - store.trained
    pairs: dict[Relation, list[tuple[int, int]]] = {}
    for code, many in added.items():
        for relation, node in many:
            pairs.setdefault(relation, []).append((code - store.trained, node))
    relations = [
        messages_to_new(r, np.array(some).T, rows, len(model.graph.vocabs[r[2]]))
        for r, some in sorted(pairs.items())
    ]
    text = torch.zeros((rows, model.whitening.dim))  # the graph of a new item reads its edges only
    return model.items.new_items(text, relations).graph.numpy()


def _of_trained(rec: Recommender, facts: KnowledgeGraph) -> KnowledgeGraph:
    """Facts numbered as the run numbers its trained items and its users."""
    vocabs = rec.model.graph.vocabs
    return renumbered(facts, {k: vocabs[k] for k in ("item", "user") if k in vocabs})[0]


def of_added(
    rec: Recommender, facts: KnowledgeGraph, graph: KnowledgeGraph
) -> dict[int, tuple[Fact, ...]]:
    """The facts that begin at an item which was added since, as nodes of `graph`."""
    store = rec.items
    out: dict[int, tuple[Fact, ...]] = {}
    newest = dict(zip(store.ids, range(len(store)), strict=True))  # the newest row of an id wins
    later = {key: code for key, code in newest.items() if code >= store.trained}
    for relation in facts.fact_relations if later else ():
        if relation[0] != "item":
            continue
        heads, tails = facts.edges[relation]
        ids = facts.vocabs["item"].ids
        node = graph.vocabs[relation[2]].encode(facts.vocabs[relation[2]].ids, "negative")
        for head, tail in zip(heads.tolist(), node[tails].tolist(), strict=True):
            code = later.get(ids[head])
            if code is not None and tail >= 0:
                out[code] = (*out.get(code, ()), (relation, tail))
    return out


def recoded(added: Added, old: KnowledgeGraph, new: KnowledgeGraph) -> dict[int, tuple[Fact, ...]]:
    """The same facts by the numbers of another graph, which has all their nodes."""
    number: dict[str, np.ndarray] = {}
    for kind in {relation[2] for many in added.values() for relation, _ in many}:
        number[kind] = new.vocabs[kind].encode(old.vocabs[kind].ids)
    return {
        code: tuple((relation, int(number[relation[2]][node])) for relation, node in many)
        for code, many in added.items()
    }
