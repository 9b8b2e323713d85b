"""From content to what people do: the id part of items that the training met too little of.

The training gives an item with n events the part s(n)·δ of its own, s(n) = n / (n + k). An item
that came later, or had no event, has the δ that is expected of its content. Once it has events, its
δ is guessed from who took it: a ridge regression on the trained items tells which δ goes with the
mean history of an item's people. With its count it moves from the former to the latter, by s(n).

Fold-in of a new item by its people, as in matrix factorisation (Rendle and Schmidt-Thieme, 2008),
with a map that was learned in the place of a solved one: the δ here come from a softmax over
sequences, for which there is no closed form.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from kg.events import EventLog
from models.recommender import IntentRecommender
from models.ridge import Ridge
from recsys.partners import Partners
from recsys.serving.items import ItemStore

TAUGHT = 5
"""Items with so many training events at least teach the map."""
LENT = 50
"""K: a ridge of hundreds leaves an item of so many events little that is its own."""


def warmed(store: ItemStore, model: IntentRecommender, log: EventLog) -> ItemStore:
    """The same items, those that the training met no event of with a part for the events of `log`.

    It stays what is expected of their content where too few items are trained to learn from, or the
    map explains nothing.
    """
    known = store.events_in_training(model)
    cold = (known == 0) & (store.newest == np.arange(len(store)))
    x, counts = people_of(store, log)
    rows = np.flatnonzero(cold & (counts > 0))
    found = learned(store, model, x, known) if len(rows) else None
    part = store.id_part.copy()
    part[cold] = store.expected(model)[cold]
    if found is not None:
        share = model.items.id_share(counts[rows])[:, None]
        part[rows] = (1 - share) * part[rows] + share * found(x[rows])
    return store.with_ids(part, counts > 0)


def refitted(
    partners: Partners, store: ItemStore, model: IntentRecommender, log: EventLog
) -> Partners:
    """The partners fitted to `log`. Items that the training met no event of keep what is said of
    items like them times K / (n + K), beside what their own n events say: no step where the first
    of them comes.
    """
    counts = log.item_counts()
    known = store.events_in_training(model)[: len(counts)]
    lent = np.where((known == 0) & (counts > 0), LENT / (counts + LENT), 0).astype(np.float32)
    return partners.refit(log, store.content_of_events, lent)


def learned(
    store: ItemStore, model: IntentRecommender, x: np.ndarray, known: np.ndarray
) -> Ridge | None:
    """From who took an item, the features x [2 D] of `people_of`, to its δ: the map of the trained
    items, by `known` [N] training events each; None if it is worth nothing.
    """
    now = store.newest == np.arange(len(store))
    rows = np.flatnonzero((known >= TAUGHT) & x.any(1) & now)
    share = model.items.id_share(known[rows])
    return Ridge.fit(x[rows], store.id_part[rows] / share[:, None], share)


def people_of(store: ItemStore, log: EventLog) -> tuple[np.ndarray, np.ndarray]:
    """float [N, 2 D] and the events of each item [N]: the mean over its people of the mean content
    of what else they met, beside its own content. A replaced item's events are its newest row's.
    """
    item = store.newest[log.item[log.has_item]]
    user = log.user[log.has_item]
    counts = np.bincount(item, minlength=len(store))
    shape = (len(log.users), len(store))
    met = sparse.csr_matrix((np.ones(len(item)), (user, item)), shape=shape)
    met.data[:] = 1
    content = store.content.astype(np.float64)
    size = np.asarray(met.sum(1)).ravel()
    others = 1 / np.maximum(size - 1, 1) * (size > 1)
    given = met.T @ (others[:, None] * (met @ content))  # Σ_u (S_u) / (n_u - 1)
    own = np.asarray(met.T @ others)
    people = np.asarray(met.T @ (size > 1).astype(float))
    mean = (given - own[:, None] * content) / np.maximum(people, 1)[:, None]
    return np.hstack([mean, content]), counts
