"""What a person wants now: the probabilities of named intents, and how far they are with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kg.errors import UsageError
from kg.intents.recent import recent_intents
from kg.intents.stage import LOOKED, Stage, stage
from kg.searches import Search
from kg.wording.templates import Templates
from recsys.serving.queries import profile_of, reading_of

if TYPE_CHECKING:
    from recsys.recommender import Recommender


def probabilities_of(
    rec: Recommender, user: object | None, history: Sequence[object] | None
) -> np.ndarray | None:
    """float32 [L], those of the named intents; None without any or without an event."""
    codes = rec.history(user, history)
    nothing = len(codes) == 0 and (history is None or len(history) == 0)
    if rec.intent is None or rec.intent.head is None or nothing:
        return None
    if history is None:
        embedding = rec.intent.serve[rec.log.users.encode([user])]
    else:
        found = reading_of(rec, codes, history)
        if found is None:
            raise UsageError("Intents of a given history need the encoder of this run.")
        embedding = found
    own = rec.carried.item[:, : len(rec.intent.labels)]
    return rec.intent.probabilities(embedding, rec.items.newest[codes], own)


def probabilities_of_users(rec: Recommender, rows: np.ndarray) -> np.ndarray:
    """float32 [U, L] of these users int64 [U] of the log, as `probabilities_of` has them; NaN of
    who has no event with an item. L is 0 without named intents.
    """
    intent = rec.intent
    if intent is None or intent.head is None:
        return np.zeros((len(rows), 0), np.float32)
    part, own = rec.histories.take(rows), rec.carried.item[:, : len(intent.labels)]
    begin, stop = part.offsets[:-1], part.offsets[1:]
    recent = recent_intents(rec.items.newest[part.item], begin, stop, own)
    found = intent.head.probabilities(intent.serve[rows], recent)
    return np.where((part.lengths > 0)[:, None], found, np.nan)


def language_of(rec: Recommender, language: str | None) -> str:
    """The language of names, checked against those that the taxonomy has."""
    taxonomy = rec.intent.taxonomy if rec.intent is not None else None
    if language is None:
        return Templates.for_titles(rec.catalog.titles).language if taxonomy else ""
    known = taxonomy.languages if taxonomy is not None else []
    if language not in known:
        raise UsageError(
            f"The 'language' of intents must be one of the run's taxonomy: "
            f"{', '.join(known) or 'this run has none'}. Got {language!r} instead."
        )
    return language


def stage_of(rec: Recommender, user: object | None, history: Sequence[object] | None) -> Stage:
    """browsing, comparing or buying, by the newest events (the rule: `kg.intents.stage`)."""
    codes = rec.history(user, history)
    labels = rec.intent.labels if rec.intent is not None else None
    if history is not None:
        kind = rec.log.behaviours[rec.usual].name
        items = iter(codes.tolist())
        told = [-1 if isinstance(key, Search) else next(items) for key in history]
        return stage(["search" if code < 0 else kind for code in told], told, labels)
    if profile_of(rec, user) is not None:
        return "browsing"
    begin, end = np.searchsorted(rec.log.user, rec.log.users.encode([user])[0] + [0, 1])
    at = slice(max(int(begin), int(end) - LOOKED), int(end))
    kinds = [rec.log.behaviours[code].name for code in rec.log.behaviour[at].tolist()]
    return stage(kinds, rec.log.item[at].tolist(), labels)
