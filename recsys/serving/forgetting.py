"""People who are to be forgotten: a run without their events, their profiles and their ids.

What is kept of single people goes: events, histories, what they searched for, who met an item,
what BERT read of them, their rows in the table of users. What is counted (popularity, trend) is
counted anew, and what stands in closed form beside the network (neighbours, factors, habits) is
fitted anew. What the network, its id vectors and its counts of training events have learned of
everybody together stays: only a training without these people takes that back.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from kg.errors import UsageError
from kg.events import EventLog
from kg.forgetting import graph_without, log_without, staying, table_without
from kg.searches import query_texts
from kg.wording.paths import PathIndex
from models.facts import hearing
from models.features import Features, Queries
from recsys.intent.signals import IntentSignals
from recsys.partners import Partners
from recsys.recommender import Recommender
from recsys.serving.answers import check_many
from recsys.serving.items import ItemStore
from recsys.serving.live import heard
from recsys.serving.warmup import refitted, warmed


def without_users(
    rec: Recommender, ids: Sequence[object], *, refit: bool = True
) -> Recommender:  # fmt: skip
    """The recommender without these people, of the log or of the table of users.

    `UsageError` for an id that neither knows, or if nobody with an event were left.
    """
    gone = _known(rec, ids)
    log, learned = log_without(rec.log, gone), log_without(rec.learned, gone)
    if not learned.has_item.any():
        raise UsageError("A run needs somebody with an event: delete the folder to forget all.")
    graph = graph_without(rec.model.graph, gone)
    store = rec.items
    text, features = store.text[: store.trained], _features(rec.model.features, learned, gone)
    model = hearing(rec.model, graph, text, features)
    if rec.base is not None:
        store = warmed(store, model, log)
    found = replace(
        rec, model=model, log=log, base=None if rec.base is None else learned, items=store,
        histories=heard(log, model, learned), intent=_signals(rec, gone),
        paths=None if rec.paths is None else PathIndex.of(graph.with_events(learned)),
        forgotten=rec.forgotten + len(gone), declined=rec.declined.without(gone),
    )  # fmt: skip
    return found.beside(_partners(found, store) if refit else rec.partners)


def _known(rec: Recommender, ids: Sequence[object]) -> set[str]:
    gone = {str(key) for key in check_many(ids, "without_users")}
    table = rec.model.features.users
    elsewhere = {*rec.declined.user} | (set() if table is None else {*table.ids.ids})
    rec.log.users.encode(sorted(gone - elsewhere))
    return gone


def _features(features: Features, learned: EventLog, gone: Collection[str]) -> Features:
    users, queries = features.users, features.queries
    if users is not None:
        users = table_without(users, gone)
    if queries is not None:
        texts = query_texts(learned)
        queries = Queries(texts, queries.vectors[queries.texts.encode(texts.ids)])
    return replace(features, users=users, queries=queries)


def _signals(rec: Recommender, gone: Collection[str]) -> IntentSignals | None:
    old = rec.intent
    if old is None:
        return None
    learned, now = (staying(log.users, gone) for log in (rec.learned, rec.log))
    stays = learned[old.user]
    return replace(
        old, prefix=old.prefix[stays], user=(np.cumsum(learned) - 1)[old.user[stays]],
        at=old.at[stays], valid=old.valid[learned], serve=old.serve[now],
    )  # fmt: skip


def _partners(rec: Recommender, store: ItemStore) -> Partners:
    """Fitted to the events that are left, as a training or `with_events` would."""
    if rec.base is not None:
        fitted = refitted(rec.partners, store, rec.model, rec.log)
    else:
        fitted = rec.partners.refit(rec.log, store.content_of_events)
    return fitted.with_items(store.content_of_events)
