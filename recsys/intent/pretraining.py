"""What a log, a catalogue and a graph have to say to an encoder before anybody labels a text."""

from __future__ import annotations

import numpy as np

from kg.catalog import Catalog
from kg.events import EventLog
from kg.graph import KnowledgeGraph
from kg.wording.templates import Templates
from kg.wording.verbalise import phrases_of_users, verbalise_prefixes
from models.intent.pretrain import Examples
from recsys.intent.signals import with_categories

FACTS = 12
"""So many facts are told of an item at most."""


def examples_of(
    train: EventLog,
    catalog: Catalog,
    graph: KnowledgeGraph,
    rng: np.random.Generator,
    *,
    last: int = 8,
    templates: Templates | None = None,
    most: int = 50_000,
) -> Examples:
    """Texts of items and histories; pairs of a history and the title of what came next, and of a
    title and what the graph says of the item; the events of each user as sequences.

    Nothing later than `train` is in them. Up to `most` events, drawn, have their history told.
    """
    templates = templates or Templates.for_titles(catalog.titles)
    told = with_categories(catalog)
    ends = _later_events(train, most, rng)
    histories = verbalise_prefixes(train, told, ends, last=last, templates=templates)
    following = [catalog.title(code) for code in train.item[ends].tolist()]
    pairs = list(zip(histories, following, strict=True)) + _described(catalog, graph.facts())
    phrases = phrases_of_users(train, told, last=last, templates=templates)
    return Examples(
        texts=[text for text in [*catalog.full_texts(), *histories] if text.strip()],
        pairs=[(a, b) for a, b in pairs if a.strip() and b.strip()],
        sequences=[told for told in phrases if len(set(told)) > 1] if train.ordered else [],
        joined=templates.join,
    )


def _later_events(train: EventLog, most: int, rng: np.random.Generator) -> np.ndarray:
    """Positions of events with an item that are not the first of their user, ascending."""
    first = np.concatenate([[True], train.user[1:] != train.user[:-1]])
    open_ = np.flatnonzero(~first & train.has_item)
    if len(open_) <= most:
        return open_
    return np.sort(rng.choice(open_, most, replace=False))


def _described(catalog: Catalog, facts: KnowledgeGraph) -> list[tuple[str, str]]:
    """(title, "relation: name; …") of each item with facts, in the order of the relations."""
    said: dict[int, list[str]] = {}
    for relation in facts.fact_relations:
        kind, name, other = relation
        if kind != "item":
            continue
        for item, tail in facts.edges[relation].T.tolist():
            told = said.setdefault(item, [])
            if len(told) < FACTS:
                told.append(f"{name.replace('_', ' ')}: {facts.name(other, tail)}")
    return [(catalog.title(item), "; ".join(told)) for item, told in sorted(said.items())]
