"""From a person, a history or a profile to the query of a recommender."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from kg.profiles import Profiles
from kg.searches import Search, Searches
from kg.sequences import Sequences
from kg.verbalise import verbalise_items

if TYPE_CHECKING:
    from recsys.recommender import Recommender


def query_of(
    rec: Recommender, user: object | None, history: Sequence[object] | None,
    profile: Mapping[str, object] | None = None,
) -> tuple[np.ndarray, Sequences]:  # fmt: skip
    """The query float32 [1, D] and the one history that it came from."""
    if profile is not None and user is None and history is None:
        history = []
    known = profile_of(rec, user) if user is not None else None
    listed = user is not None and history is None and known is None
    if listed and rec.model.people is not None and str(user) not in rec.learned.users:
        known = rec.model.people.told(user)  # came later: stands in no row of the training
    if profile is not None:
        known = rec.model.features.profile(profile)
    if listed:
        row = rec.log.users.encode([user])
        one, intent = rec.histories.take(row), rec.intent
        told = intent.serve[row] if intent is not None else None
    else:
        codes = rec.history(user, history)
        searches = Searches.single(history or (), rec.searching)
        one = Sequences.single(codes, len(rec.items), rec.usual, searches)
        told = reading_of(rec, codes, history)
    asked = searched_vectors(rec, one) if not listed or rec.base is not None else None
    vectors = torch.from_numpy(rec.items.vectors)
    return rec.model.encode_histories(one, vectors, told, known, asked), one


def profile_of(rec: Recommender, user: object) -> Profiles | None:
    """What the table of users says of someone who is not in the log; None for all others."""
    if rec.model.people is None or str(user) in rec.log.users:
        return None
    return rec.model.people.told(user)


def searched_vectors(rec: Recommender, histories: Sequences) -> np.ndarray | None:
    """The encoder's vectors of the searches [Q, T] of histories, where they are read."""
    if histories.searches is None or rec.model.searches is None or rec.encoder is None:
        return None
    return rec.encoder.encode(histories.searches.texts)


def reading_of(
    rec: Recommender, codes: np.ndarray, history: Sequence[object] | None
) -> np.ndarray | None:
    """The intent embedding [1, T] of a live history, its items by code: a BERT pass."""
    if rec.encoder is None or rec.intent is None or history is None or len(history) == 0:
        return None
    asked = [event.text if isinstance(event, Search) else "" for event in history]
    item = np.full(len(asked), -1, np.int64)
    item[[not isinstance(event, Search) for event in history]] = codes
    kind = rec.log.behaviours[rec.usual].name
    kinds = ["search" if code < 0 else kind for code in item.tolist()]
    text = verbalise_items(
        item, rec.told, behaviour=kinds, query=asked, last=rec.intent.last,
        templates=rec.intent.templates,
    )  # fmt: skip
    return rec.encoder.encode([text])
