"""Which named intents items have: nodes of the graph, a taxonomy's by categories, or by texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import sparse

from kg.building.build import build_graph
from kg.building.hierarchy import with_paths
from kg.catalog import CATEGORY_NAMES, Catalog
from kg.events import EventLog
from kg.graph import KnowledgeGraph
from kg.intents.categories import categories_absent, categories_left, labels_of, taxonomy_labels
from kg.intents.labels import IntentLabels, intent_labels
from kg.intents.taxonomy import Taxonomy, describe
from models.intent import IntentConfig, zero_shot
from models.text import TextCache, TextEncoder, encode_texts
from recsys.notices import Say, noticed, silent

LEAST = 0.3
"""From this probability an item has an intent that only its text speaks for."""
MOST = 2
"""So many intents an item has at most by its text (and their ancestors)."""
RIVALS = 50
"""Categories that no intent lists, those of most items: an item that is nearer to them has none of
the intents that lie by text beside others that lie by category."""


def graph_labels(
    graph: KnowledgeGraph, catalog: Catalog, train: EventLog, config: IntentConfig
) -> IntentLabels:
    """Nodes of the graph, each on enough items (`intent_labels`).

    Where a level is asked for, the several categories of an item in the catalogue are one path, in
    their order: the graph has them as a set.
    """

    def named(facts: KnowledgeGraph) -> IntentLabels:
        least = max(1, min(5, len(catalog) // 20))
        return intent_labels(facts, relation=config.relation, level=config.level, min_items=least)

    if config.level is not None:
        names = CATEGORY_NAMES if config.relation is None else (config.relation,)
        paths = with_paths(catalog, names)
        if paths.attributes and len(found := named(build_graph(train, paths).facts())):
            return found
    return named(graph.facts())


def named_labels(
    taxonomy: Taxonomy,
    graph: KnowledgeGraph,
    catalog: Catalog,
    encoder: TextEncoder,
    language: str,
    *,
    relation: str | None = None,
    cache: TextCache | None = None,
    say: Say | None = None,
) -> IntentLabels:
    """The taxonomy's intents by the categories of items; by texts those that list none, neither
    they nor the intents below them, and all of them where items have no category that is listed.

    `language` is that of the titles, in which descriptions are read. What was found is said, and
    which intents no item has.
    """
    guess, say = noticed(say), say or silent
    facts = graph.facts()
    labels = taxonomy_labels(taxonomy, facts, relation)
    if len(labels):
        left = categories_left(taxonomy, facts, relation)
        _say_categories(labels, taxonomy, left, categories_absent(taxonomy, facts, relation), say)
        if (bare := listing_none(taxonomy)).any():
            say(f"  Some list no category: the texts of {len(catalog):,} items are read for them.")
            # With its facts each text names its category, and would be nearest to that.
            own = replace(catalog, attributes=())
            near = _near(taxonomy, own, encoder, language, cache, left[:RIVALS]) * bare
            labels = _with_texts(labels, taxonomy, near)
            found = [f"{taxonomy.name(taxonomy.keys[n], language)} ({near[:, n].sum():,} items)"
                     for n in np.flatnonzero(near.any(0))]  # fmt: skip
            say(f"  By the nearness of texts: {_few(found) or 'none'}.")
    else:
        labels = text_labels(taxonomy, catalog, encoder, language, cache)
        tell = say if listing_none(taxonomy).all() else guess  # not what its categories ask for
        tell(f"The taxonomy lists no category of these items, so the nearness of texts to its "
             f"descriptions gives intents: {_reach(labels, taxonomy)}.")  # fmt: skip
    if none := [taxonomy.name(key, language) for key in taxonomy.keys if key not in labels.names]:
        say(f"  Intents that no item has: {_few(none)}.")
    return labels


def _say_categories(
    labels: IntentLabels, taxonomy: Taxonomy, left: list[str], absent: list[str],
    say: Say,
) -> None:  # fmt: skip
    say(f"Intents by category: {_reach(labels, taxonomy)}.")
    if left:
        say(f"  Categories that no intent lists: {_few(left)}.")
    if absent:
        listed = sum(len(intent.categories) for intent in taxonomy.intents)
        few = 2 * len(absent) <= listed  # else a list for many shops: names would tell nothing
        told = _few(absent) if few else f"{len(absent):,} of {listed:,}"
        say(f"  Listed categories that no item has: {told}.")


def listing_none(taxonomy: Taxonomy) -> np.ndarray:
    """bool [L]: neither the intent nor one below it lists a category."""
    listing = [intent.key for intent in taxonomy.intents if intent.categories]
    told = {*listing, *(above for key in listing for above in taxonomy.ancestors(key))}
    return np.array([key not in told for key in taxonomy.keys])


def _with_texts(labels: IntentLabels, taxonomy: Taxonomy, near: np.ndarray) -> IntentLabels:
    """Those by category, and beside them what bool [N_item, L] says by texts."""
    has = near.astype(np.float32)
    has[:, [taxonomy.keys.index(name) for name in labels.names]] += labels.item.toarray()
    return labels_of(taxonomy, sparse.csr_matrix(has), labels.relation)


def text_labels(
    taxonomy: Taxonomy,
    catalog: Catalog,
    encoder: TextEncoder,
    language: str,
    cache: TextCache | None = None,
) -> IntentLabels:
    """At most `MOST` intents an item, those nearest to its text (`zero_shot`, centred on all
    texts), each of at least `LEAST`. A taxonomy of one intent gives none: nothing else is farther.

    In a catalogue all of one kind the common kind is centred away, and only differences are told.
    """
    near = _near(taxonomy, catalog, encoder, language, cache)
    return labels_of(taxonomy, sparse.csr_matrix(near.astype(np.float32)))


def _near(
    taxonomy: Taxonomy, catalog: Catalog, encoder: TextEncoder, language: str,
    cache: TextCache | None, rivals: Sequence[str] = (),
) -> np.ndarray:  # fmt: skip
    """bool [N_item, L], see `text_labels`; `rivals` are words that items may be nearer to."""
    texts, known = catalog.full_texts(), [*describe(taxonomy, language), *rivals]
    p = np.zeros((len(texts), len(known)), np.float32)
    if len(known) > 1:
        vectors = encode_texts(encoder, texts, cache)
        told = vectors.any(1)
        intents = encode_texts(encoder, known, cache)
        mean = vectors[told].mean(0) if told.sum() > 1 else None
        p[told] = zero_shot(vectors[told], intents, mean=mean)
    return likeliest(p)[:, : len(taxonomy)]


def likeliest(p: np.ndarray) -> np.ndarray:
    """bool [N, L]: the intents that items have by probabilities float32 [N, L] of their texts."""
    rank = np.argsort(np.argsort(-p, axis=1, kind="stable"), axis=1)
    return np.asarray((p >= LEAST) & (rank < MOST))


def _reach(labels: IntentLabels, taxonomy: Taxonomy) -> str:
    having = int((np.diff(labels.item.indptr) > 0).sum())
    return (f"{len(labels)} of {len(taxonomy)} intents on {having:,} of "
            f"{labels.item.shape[0]:,} items")  # fmt: skip


def _few(names: Sequence[str], most: int = 8) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
