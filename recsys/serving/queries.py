"""From a person, a history or a profile to the query of a recommender."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from kg.errors import suggest
from kg.profiles import Profiles, several
from kg.searches import Search, Searches
from kg.sequences import Sequences
from kg.wording.verbalise import verbalise_items
from recsys.serving.answers import NotHeard

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
    if profile is not None:
        known = rec.model.features.profile(profile)
    if listed:
        return queries_of_users(rec, rec.log.users.encode([user]), known)
    codes = rec.history(user, history)
    searches = Searches.single(history or (), rec.searching)
    one = Sequences.single(codes, len(rec.items), rec.usual, searches)
    told, asked = reading_of(rec, codes, history), searched_vectors(rec, one)
    vectors = torch.from_numpy(rec.items.met)
    return rec.model.encode_histories(one, vectors, told, known, asked), one


def queries_of_users(
    rec: Recommender, rows: np.ndarray, known: Profiles | None = None
) -> tuple[np.ndarray, Sequences]:
    """The queries float32 [U, D] of these users int64 [U] of the log and their histories; `known`
    [U] are profiles in the place of those of the table of users.
    """
    part, people, asked = rec.histories.take(rows), rec.model.people, None
    told = rec.intent.serve[rows] if rec.intent is not None else None
    if rec.base is not None:  # who and what came later stands in no row of the training
        asked = searched_vectors(rec, part)
        if people is not None and known is None:
            known = people.told_of(rec.log.users.decode(rows))
    vectors = torch.from_numpy(rec.items.met)
    return rec.model.encode_histories(part, vectors, told, known, asked), part


def tell_unheard(
    rec: Recommender, history: Sequence[object] | None, profile: Mapping[str, object] | None
) -> None:  # fmt: skip
    """Warns of searches that the model has not learned to read, and of values in a profile that
    nobody in the table of users has.
    """
    told = [_unread_search(rec, history or ()), *_strange_values(rec, profile or {})]
    for text in told:
        if text:
            warnings.warn(text, NotHeard, stacklevel=3)


def _unread_search(rec: Recommender, history: Sequence[object]) -> str:
    text = next((event.text for event in history if isinstance(event, Search)), None)
    if text is None or rec.model.searches is not None:
        return ""
    return (
        "This run has not learned to read searches (its log had none, or hardly any), so that "
        f"{text!r} says little or nothing here: `similar` with a text (--text) answers by text."
    )


def _strange_values(rec: Recommender, profile: Mapping[str, object]) -> list[str]:
    people = rec.model.features.people
    return [
        f"Nobody in the table of users has {name} {value!r}: it says nothing."
        f"{suggest(value, list(values.ids))}"
        for name, values in (people.attributes if people is not None else ())
        for value in several(profile.get(name, ())) if value and value not in values
    ]  # fmt: skip


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
    """The intent embedding [1, T] of a live history, its items by code: a BERT pass, if the run
    reads histories.
    """
    if rec.intent is None or history is None or len(history) == 0:
        return None
    if not rec.intent.dim:
        return np.zeros((1, 0), np.float32)
    if rec.encoder is None:
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
