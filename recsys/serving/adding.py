"""Items that come, and items that are told again, by a table that need not name all of them.

What a row does not name stays as it was (`recsys.serving.known`), and so does what was learned of
the item; one of which it says nothing new is not stored again (`recsys.serving.renewal`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from kg.catalog import Catalog
from kg.errors import UsageError
from recsys.recommender import Recommender
from recsys.serving.items import unmatched
from recsys.serving.known import Completed, completed
from recsys.serving.renewal import renewed
from recsys.serving.warmup import warmed


@dataclass(frozen=True)
class Added:
    """What became of a table of items.

    How many were new, how many say something else than before, how many the same; what `kept` what
    it was, since no column names it; by name of an attribute how many values the graph does not
    know; ids of which nothing is known.
    """

    new: int
    replaced: int
    unchanged: int
    kept: tuple[str, ...]
    unmatched: dict[str, int]
    silent: tuple[str, ...]


def with_items(rec: Recommender, new: Catalog) -> tuple[Recommender, Added]:
    """As `Recommender.with_items`, with what became of the items; no warnings."""
    graph = rec.model.graph
    known = completed(rec.items, rec.catalog, graph, new)
    text = _text(rec, known)
    store, same, anew = renewed(rec.items, rec.model, rec.catalog, known, text)
    ids = new.ids.ids
    silent = store.unknown[[store.code(key) for key in ids]]
    fresh = int((known.old < 0).sum())
    found = Added(
        fresh, len(ids) - fresh - int(same.sum()), int(same.sum()), known.kept,
        unmatched(graph, known.table), tuple(ids[row] for row in np.flatnonzero(silent).tolist()),
    )  # fmt: skip
    again = np.unique(store.first[known.old[anew]])
    cold = store.events_in_training(rec.model)[again] == 0
    if np.isin(again[cold], rec.log.item).any():
        store = warmed(store, rec.model, rec.log)  # for the content that they have now
    partners = rec.partners.with_items(store.content_of_events, again)
    return replace(rec, items=store).beside(partners), found


def _text(rec: Recommender, known: Completed) -> np.ndarray:
    """float32 [M, T], what the encoder reads of each item, or read of it if it is the same."""
    store, old = rec.items, known.old
    vectors = np.zeros((len(old), store.text.shape[1]), np.float32)
    vectors[known.same] = store.text[old[known.same]]
    texts, rows = known.items.full_texts(), np.flatnonzero(~known.same)
    vectors[rows] = _encoded(rec, [texts[row] for row in rows.tolist()])
    return vectors


def _encoded(rec: Recommender, texts: list[str]) -> np.ndarray:
    """float32 [n, T]; `UsageError` for texts that there is no encoder for."""
    if rec.encoder is not None and texts:
        return rec.encoder.encode(texts).astype(np.float32)
    if any(texts):
        raise UsageError("To add items with a text, the encoder of this run is needed.")
    return np.zeros((len(texts), rec.items.text.shape[1]), np.float32)
