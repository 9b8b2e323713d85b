"""Items that come, and items that are told again, by a table that need not name all of them.

What a row does not name stays as it was (`recsys.serving.known`), and so does what was learned of
the item; one of which it says nothing new is not stored again (`recsys.serving.renewal`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kg.catalog import TEXT_ATTRIBUTES, Attribute, Catalog
from kg.errors import UsageError
from recsys.recommender import Recommender
from recsys.serving.items import unmatched
from recsys.serving.known import Completed, completed
from recsys.serving.renewal import close, renewed
from recsys.serving.warmup import warmed


@dataclass(frozen=True)
class Added:
    """What became of a table of items.

    How many were new, how many say something else than before, how many the same; what `kept` what
    it was, since no column names it; by name of an attribute how many values the graph does not
    know; ids of which nothing is known; ids whose text is read as it was, though what is told
    beside it is another.
    """

    new: int
    replaced: int
    unchanged: int
    kept: tuple[str, ...]
    unmatched: dict[str, int]
    silent: tuple[str, ...]
    stale: tuple[str, ...]


def with_items(rec: Recommender, new: Catalog) -> tuple[Recommender, Added]:
    """As `Recommender.with_items`, with what became of the items; no warnings."""
    graph = rec.model.graph
    known = completed(rec.items, rec.catalog, graph, new)
    text, stale = _text(rec, known)
    store, same = renewed(rec.items, rec.model, rec.catalog, known, text)
    ids = new.ids.ids
    silent = store.unknown[[store.code(key) for key in ids]]
    fresh = int((known.old < 0).sum())
    found = Added(
        fresh, len(ids) - fresh - int(same.sum()), int(same.sum()), known.kept,
        unmatched(graph, known.table), _at(ids, silent), _at(ids, stale),
    )  # fmt: skip
    old = known.old[known.old >= 0]
    again = np.unique(store.first[old[store.newest[old] != old]])
    cold = store.events_in_training(rec.model)[again] == 0
    if np.isin(again[cold], rec.log.item).any():
        store = warmed(store, rec.model, rec.log)  # for the content that they have now
    partners = rec.partners.with_items(store.content_of_events, again)
    return replace(rec, items=store).beside(partners), found


def _at(ids: Sequence[str], mask: np.ndarray) -> tuple[str, ...]:
    return tuple(ids[row] for row in np.flatnonzero(mask).tolist())


def _text(rec: Recommender, known: Completed) -> tuple[np.ndarray, np.ndarray]:
    """float32 [M, T], what the encoder reads of each item, or read of it if it is the same; bool
    [M]: items that had a text beside what is known of them now, and are read as they were.
    """
    store, old = rec.items, known.old
    vectors = np.zeros((len(old), store.text.shape[1]), np.float32)
    vectors[known.same] = store.text[old[known.same]]
    stale = np.zeros(len(old), bool)
    texts = known.items.full_texts()
    rows = np.flatnonzero(~known.same)
    vectors[rows] = _encoded(rec, [texts[row] for row in rows.tolist()])
    late = rows[(old[rows] >= store.trained) & (not known.has_text)]
    if len(late):
        before = _as_told(store.titles, known)
        read = _encoded(rec, [before[row] for row in late.tolist()])
        had = late[~close(store.text[old[late]], read)]
        vectors[had], stale[had] = store.text[old[had]], True
    return vectors, stale


def _encoded(rec: Recommender, texts: list[str]) -> np.ndarray:
    """float32 [n, T]; `UsageError` for texts that there is no encoder for."""
    if rec.encoder is not None and texts:
        return rec.encoder.encode(texts).astype(np.float32)
    if any(texts):
        raise UsageError("To add items with a text, the encoder of this run is needed.")
    return np.zeros((len(texts), rec.items.text.shape[1]), np.float32)


def _as_told(titles: Sequence[str], known: Completed) -> list[str]:
    """What the encoder read of each item before, but for its text."""
    items = known.items
    names = dict.fromkeys(a.name for a in items.attributes if a.name in TEXT_ATTRIBUTES)
    attributes = tuple(
        Attribute.of(name, [list(one.get(name, ())) for one in known.was]) for name in names
    )
    called = tuple(titles[code] if code >= 0 else "" for code in known.old.tolist())
    none = ("",) * len(called)
    return replace(items, titles=called, texts=none, attributes=attributes).full_texts()
