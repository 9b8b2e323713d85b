"""Lists that a wish steers: only some intents, none of others, or several in given shares.

A wish changes which items may stand in a list and in which order, never what an item's score is:
that remains the person's own, and within what was wished for it decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from kg.errors import UsageError
from recsys.hits import best
from recsys.intent.carried import Carried
from recsys.serving.items import ItemStore
from recsys.serving.nearness import cosines, near_members
from recsys.serving.quota import shared_out, shares_of

NEAREST = 100
"""A text is answered from the tenth of the items that are nearest to it, but from no more than so
many, or ten times as many as are asked for."""
Encode = Callable[[Sequence[str]], np.ndarray]
"""Texts to vectors float32 [n, T] of the space that items' texts are in."""


@dataclass(frozen=True)
class Wish:
    """What a list is asked for, intents by number: those of which each item must carry one, or
    `texts` in their place; those that no item may carry; and shares of the list, which `auto`
    leaves to whoever knows the person (`sharing`).
    """

    intents: tuple[int, ...] = ()
    texts: tuple[str, ...] = ()
    avoid: tuple[int, ...] = ()
    shares: Mapping[int, float] | None = None
    auto: bool = False

    @classmethod
    def of(
        cls, carried: Carried, intent: object, avoid: object, quota: object, k: int
    ) -> Wish | None:
        """From words; None if nothing is wished for."""
        if isinstance(avoid, list | tuple) and not avoid:
            avoid = None
        if intent is avoid is quota is None:
            return None
        if intent is not None and quota is not None:
            raise UsageError("Say either an intent or an intent_quota, not both.")
        numbers, texts = _named(carried, _words(intent, "intent"))
        without = tuple(carried.number(word, "avoid") for word in _words(avoid, "avoid"))
        auto = isinstance(quota, str) and quota == "auto"
        if auto and not len(carried):
            carried.number("auto", "intent_quota")
        shares = None if quota is None or auto else shares_of(quota, carried, k)
        _check_avoided(carried, (*numbers, *(shares or ())), without)
        return cls(numbers, texts, without, shares, auto)

    def sharing(self, shares: Mapping[int, float]) -> Wish:
        """With these shares but what is avoided, made to sum to 1."""
        kept = {number: share for number, share in shares.items() if number not in self.avoid}
        total = sum(kept.values()) or 1.0
        return replace(self, shares={number: s / total for number, s in kept.items()})


def steered(
    wish: Wish, scores: np.ndarray, carried: Carried, items: ItemStore, k: int,
    encode: Encode | None,
) -> list[int]:  # fmt: skip
    """The codes of at most k items, no item twice; scores float32 [N] are the person's, -inf for
    what may not be answered.
    """
    if wish.avoid:
        scores = np.where(carried.members(wish.avoid), -np.inf, scores)
    if wish.texts:
        return near_texts(scores, _near(wish.texts, items, encode), k)
    if wish.intents:
        member = carried.members(wish.intents)
        found = best(np.where(member, scores, -np.inf), k)
        if len(found) == k:
            return found
        near = near_members(items.text, member & ~items.hidden)
        if not np.isfinite(near).any() and encode is not None:
            near = _near([carried.texts[number] for number in wish.intents], items, encode)
        rest = np.where(member | np.isneginf(scores), -np.inf, near)
        return found + best(rest, k - len(found))
    return shared_out(scores, carried, wish.shares or {}, k)


def near_texts(scores: np.ndarray, near: np.ndarray, k: int) -> list[int]:
    """The codes of at most k items that fit a text and the person: of the nearest (`NEAREST`) those
    of the largest z(near) + z(score), z(x) = (x - mean) / standard deviation over the nearest.

    scores and near (cosines, -inf: nothing is known) float32 [N].
    """
    near = np.where(np.isneginf(scores), -np.inf, near)
    tenth = int(np.isfinite(near).sum()) // 10
    some = np.array(best(near, min(max(tenth, k), max(NEAREST, 10 * k))), np.int64)
    if len(some) == 0:
        return []
    both = _standard(near[some]) + _standard(scores[some])
    return [int(code) for code in some[np.lexsort((some, -both))[:k]]]


def _standard(x: np.ndarray) -> np.ndarray:
    return np.asarray((x - x.mean()) / (x.std() or 1.0))


def _near(texts: Sequence[str], items: ItemStore, encode: Encode | None) -> np.ndarray:
    """float32 [N]: the largest cosine of an item's text to one of these."""
    if encode is None:
        raise UsageError("An intent in free words needs the encoder that this run was made with.")
    return np.max([cosines(items.text, vector) for vector in encode(texts)], axis=0)


def _words(words: object, where: str) -> tuple[str, ...]:
    if words is None:
        return ()
    told = (words,) if isinstance(words, str) else words
    if not isinstance(told, Sequence) or not told or not all(
        isinstance(word, str) and word.strip() for word in told
    ):  # fmt: skip
        raise UsageError(
            f"The '{where}' of Recommender.recommend must be one name or several, none empty. "
            f"Got {words!r} instead."
        )
    return tuple(told)


def _named(carried: Carried, words: Sequence[str]) -> tuple[tuple[int, ...], tuple[str, ...]]:
    """The numbers of words that are names, or the words themselves if none of them is one."""
    found = [carried.find(word) for word in words]
    numbers = tuple(number for number in found if number is not None)
    strangers = [word for word, number in zip(words, found, strict=True) if number is None]
    if numbers and strangers:
        raise UsageError(
            "The 'intent' of Recommender.recommend must be names of intents or free words, not "
            f"both. Got {strangers[0]!r}, which is no name.{carried.near(strangers[0])}"
        )
    return numbers, tuple(strangers)


def _check_avoided(carried: Carried, wanted: Sequence[int], avoid: Sequence[int]) -> None:
    if both := [carried.names[number] for number in wanted if number in avoid]:
        raise UsageError(f"What is avoided must not be wanted as well. Got {both[0]!r} in both.")
