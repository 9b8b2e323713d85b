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

from kg.building.joined import merged, renumbered
from kg.building.matched import matched
from kg.building.triples import Triples
from kg.graph import KnowledgeGraph, Relation
from kg.wording.paths import PathIndex
from models.facts import hearing
from models.recommender import IntentRecommender
from recsys.intent.carried import also_carrying
from recsys.recommender import Recommender
from recsys.serving.items import Fact, ItemStore, messages_to_new

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


def with_triples(rec: Recommender, triples: Triples) -> tuple[Recommender, dict[str, int]]:
    """The run with these facts beside its own (see `kg.building.matched`), how many of them are new
    and how many are left out: those that end at an item which was added since the training. Such
    items hear what they are told, but nobody hears of them.
    """
    own = rec.model.graph.facts()
    facts = matched(triples, own)
    known = _of_trained(rec, facts)
    graph = merged(own, known)
    new, more = of_added(rec, facts, graph), recoded(rec.items.facts, own, graph)
    for code, some in new.items():
        more[code] = tuple(dict.fromkeys((*more.get(code, ()), *some)))
    found = told(rec, graph, more)
    if found.intent is not None:
        found = replace(found, intent=also_carrying(found.intent, graph, known))
    came = graph.num_edges - own.num_edges + _count(more) - _count(rec.items.facts)
    return found, {"new": came, "left out": _ending_later(rec, facts)}


def _count(added: Added) -> int:
    return sum(len(some) for some in added.values())


def _ending_later(rec: Recommender, facts: KnowledgeGraph) -> int:
    """Facts that end at an item which was not there in the training."""
    ids = facts.vocabs["item"].ids
    trained = rec.catalog.ids.encode(ids, missing="negative") >= 0
    return sum(int((~trained[e[1]]).sum()) for r, e in facts.edges.items() if r[2] == "item")


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
    store = replace(store, unknown=store.unknown & ~store.vectors.any(1))
    paths = PathIndex.of(graph.with_events(rec.learned))
    found = replace(rec, model=model, items=store, paths=paths)
    return found.beside(rec.partners.with_items(store.content_of_events))


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
