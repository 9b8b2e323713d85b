"""What helps? A run without one of its parts, and with one that is there but says nothing.

    text      the items' text vectors are zero, for the graph that reads them too (intents read
              titles, and are a part of their own)
    graph     no facts: nothing comes from the neighbours of an item
    intent    no embedding of the verbalised history in the query
    sequence  each history in a random order, at the times that were there: a bag of items, of which
              BERT reads in that order too (unless its encoder is not there)
    id        no id of its own: an item is its content
    neighbours  no linear partner beside the model (masked only: the training is the same)
    factors     no factorisation beside the model (masked only)
    trend       what is taken lately adds nothing (masked only)
    relation X  no fact of relation X, in either direction: which relation pays?
    vectors X   no named vectors X of items, for the graph that reads them too (masked only)
    profile     nothing of what the table of people says of them (masked only)
    user vectors X   no named vectors X of people (masked only)

Masked: the trained model without the part when it answers, which says how far it leans on it.
What was guessed from the part is guessed from what is left: the ids of items without an event, and
what the partners say of items that they were not fitted to.
Retrained: the same data, settings and seed without the part, which says what it is worth, for the
other parts can stand in (the neighbours are chosen anew on validation, as in any training). Two
controls are retrained with a part that says nothing: texts shuffled across items, and tails of
facts permuted within their relation. A part is worth its words only where the run beats its control
as well. The same run with another seed shows what luck in training does; the intervals and p values
are about the users alone.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch.func import functional_call

from kg.checking.controls import unordered
from kg.errors import UsageError, suggest
from kg.split import Part, Split
from models.text import TextCache
from recsys.judging.as_of import before, check_judged, retold, wanting
from recsys.judging.effects import Effect, effects, judged
from recsys.recommender import Recommender
from recsys.retrieval import index_of
from recsys.serving.items import ItemStore

BESIDE = ("neighbours", "factors", "trend", "habits")
PARTS = ("text", "graph", "intent", "sequence", "id", *BESIDE)
RELATION = "relation "
"""Before the name of a relation, as a part."""
VECTORS = "vectors "
"""Before the name of vectors of items, as a part."""
PROFILE, USER_VECTORS = "profile", "user vectors "
"""What is told of people; before the name of vectors of theirs."""


def masked(
    rec: Recommender, split: Split, name: str, part: Part, rng: np.random.Generator,
    cache: TextCache | None = None,
) -> tuple[Recommender, Split]:  # fmt: skip
    """The trained model without one of `parts_of`, and the split it is to be judged on."""
    if name == "sequence":
        return unordered_before(rec, split, part, rng, cache)
    if name == "intent":
        return replace(rec, intent=None), split
    if name in BESIDE:
        return rec.beside(rec.partners.without(name)), split
    if name == PROFILE or name.startswith(USER_VECTORS):
        return _without_told(rec, name), split
    store = rec.items
    none = np.zeros_like(store.text_part)
    if name == "id":
        store = replace(store, id_part=none)
        return replace(rec, items=store, index=index_of(store, rec.partners, rec.log)), split
    if name == "text":
        graph = _graph_without_content(rec, 0)
        store = replace(store, text_part=none, graph_part=graph)
    elif name.startswith(VECTORS) and (own := name.removeprefix(VECTORS)) in store.extras:
        graph = _graph_without_content(rec, 1 + rec.model.items.extra_names.index(own))
        store = replace(store, extras={**store.extras, own: none}, graph_part=graph)
    elif name == "graph":
        store = replace(store, graph_part=none)
    elif name.removeprefix(RELATION) in relations_of(rec):
        graph = store.graph_part.copy()
        graph[: store.trained] = _graph_without(rec, name.removeprefix(RELATION))
        store = replace(store, graph_part=graph)
    else:
        raise unknown_part(name, parts_of(rec))
    store = _with_expected_ids(rec, store)
    partners = rec.partners.refit(split.part(part)[0], store.content)
    index = index_of(store, partners, rec.log)
    return replace(rec, items=store, partners=partners, index=index), split


def masked_only(name: str) -> bool:
    """Whether a part is one that a training without it says nothing of."""
    return name in (*BESIDE, PROFILE) or name.startswith((VECTORS, USER_VECTORS))


def _without_told(rec: Recommender, name: str) -> Recommender:
    """Without the profiles of people, or vectors of theirs; the weights are the same."""
    people = rec.model.people
    if people is None or name not in parts_of(rec):
        raise unknown_part(name, parts_of(rec))
    told = people.profiles
    if name == PROFILE:
        none = np.full(len(told), -1)
        told = told.take(none)
    else:
        own = name.removeprefix(USER_VECTORS)
        told = replace(told, vectors={**told.vectors, own: np.zeros_like(told.vectors[own])})
    other, model = copy.copy(people), copy.copy(rec.model)
    other.profiles = told
    model._modules = {**rec.model._modules, "people": other}
    return replace(rec, model=model)


def _with_expected_ids(rec: Recommender, store: ItemStore) -> ItemStore:
    """The items, those without an event in training with the ids that go with these parts."""
    part, new = store.id_part.copy(), store.events_in_training(rec.model) == 0
    part[new] = store.expected(rec.model)[new]
    return replace(store, id_part=part)


def parts_of(rec: Recommender) -> list[str]:
    """All that can be masked in this run."""
    relations = [RELATION + name for name in relations_of(rec)]
    people = rec.model.people
    told = [] if people is None else [PROFILE, *(USER_VECTORS + own for own in people.tower.names)]
    return [*PARTS, *relations, *(VECTORS + name for name in rec.items.extras), *told]


def relations_of(rec: Recommender) -> list[str]:
    """The names of the relations of facts that the run's graph has."""
    graph = rec.model.graph
    return list(dict.fromkeys(r[1] for r in graph.fact_relations if graph.edges[r].size))


def _graph_without_content(rec: Recommender, block: int) -> np.ndarray:
    """float32 [N, D]: what the graph adds to each item, the same weights on items of which a block
    of the content is not known: 0 is their texts, the others their named vectors in order.
    """
    tower, graph = rec.model.items.eval(), rec.items.graph_part.copy()
    with torch.inference_mode():
        content = tower.content.clone()
        content.split(tower.widths, 1)[block].zero_()
        bare = functional_call(tower, {"content": content}, ())
    graph[: rec.items.trained] = bare.graph.numpy()
    return graph


def _graph_without(rec: Recommender, relation: str) -> np.ndarray:
    """float32 [N, D]: what the graph adds to each item of the training, one relation left out."""
    tower = rec.model.items.eval()
    every = tower.relations
    try:
        tower.relations = [a for a in every if a.relation.removeprefix("~") != relation]
        with torch.inference_mode():
            return tower().graph.numpy()
    finally:
        tower.relations = every


def mask_parts(
    rec: Recommender, split: Split, part: Part, names: Sequence[str] = PARTS, *,
    buckets: bool = False, seed: int = 0, cache: TextCache | None = None,
) -> list[Effect]:  # fmt: skip
    """The gain of the run over itself without each of these parts, on the same users; `cache` keeps
    what BERT has read.
    """
    check_judged(rec, split, part)
    counts = split.train.item_counts()
    rec = before(rec, split, part, cache)
    whole = judged(rec, split, part, counts, buckets)
    out: list[Effect] = []
    for name in names:
        other, on = masked(rec, split, name, part, np.random.default_rng([seed, 2]), cache)
        without = judged(other, on, part, counts, buckets)
        out += effects(name, "masked", whole, without)
    return out


def unordered_before(
    rec: Recommender, split: Split, part: Part, rng: np.random.Generator,
    cache: TextCache | None = None,
) -> tuple[Recommender, Split]:  # fmt: skip
    """A split of which all that is known before `part` is in a random order, and the run with
    intents that have read it in that order.
    """
    known, target = split.part(part)
    known = unordered(known, rng)
    none = split.valid.take(np.zeros(0, np.int64))
    valid = none if part == "test" else split.valid
    rec = retold(rec, known, wanting(target), cache)
    return rec, replace(split, train=known, valid=valid)


def lacking(rec: Recommender) -> dict[str, str]:
    """The parts that a run does not have, and why."""
    out = {}
    if not rec.items.text.any():
        out["text"] = "no item has a text"
    if not rec.items.graph_part.any():
        out["graph"] = "the graph holds no facts"
    if rec.intent is None or not rec.model.intent_dim:
        out["intent"] = "histories were not read"
    if not rec.model.config.ordered:
        out["sequence"] = "histories have no order"
    partners = rec.partners
    if partners.neighbours is None:
        out["neighbours"] = "they were switched off, or did not help on validation"
    if partners.factors is None:
        out["factors"] = "they were switched off, or did not surely help on validation"
    if partners.habits is None:
        out["habits"] = (
            "people do not meet items again here, the split is not by time, they were "
            "switched off, or did not help on validation"
        )
    if partners.trend is None:
        out["trend"] = "times are not known, it was switched off, or did not help on validation"
    return out


def unknown_part(name: str, known: Sequence[str]) -> UsageError:
    """The error that names the parts there are."""
    return UsageError(
        f"The part must be one of: {', '.join(known)}. Got {name!r} instead."
        f"{suggest(name, list(known))}"
    )
