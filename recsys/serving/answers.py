"""What a recommender answers with, and what it accepts."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from kg.errors import UsageError, suggest

MAX_K = 1000


@dataclass(frozen=True)
class Recommendation:
    """One answer: external id, what to call it, its score (higher is better) and the names of the
    intents that it carries.
    """

    item: str
    title: str
    score: float
    intents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Intent:
    """A named intent, its calibrated probability, and how often it is anybody's: what many people
    want says little of one.
    """

    name: str
    probability: float
    usual: float = 0.0


INTENTS_BY = ("probability", "difference")


def first_intents(
    names: Sequence[str], p: np.ndarray, usual: np.ndarray, k: int, by: str
) -> list[Intent]:
    """The k of the highest p [L], or of the largest p - `usual` [L] as far as that is above 0."""
    value = p if by == "probability" else p - usual
    order = np.lexsort((np.arange(len(p)), -value))[:k]
    if by == "difference":
        order = order[value[order] > 0]
    return [Intent(names[i], float(p[i]), float(usual[i])) for i in order]


def intent_mix(found: Sequence[Recommendation]) -> dict[str, float]:
    """The share of a list that carries each intent, the largest first.

    An item may carry several intents, or none, so the shares need not sum to 1.
    """
    counts = Counter(name for one in found for name in one.intents)
    return {name: count / len(found) for name, count in counts.most_common()}


class FewerItems(UserWarning):
    """A filter left fewer items than were asked for."""


class LeftOut(UserWarning):
    """Events that could not be used."""


class NothingKnown(UserWarning):
    """Items were added, or asked for, of which the model knows nothing."""


class NotHeard(UserWarning):
    """Something was told, of a person or an item, that the run cannot count."""


def tell_unknown(ids: Sequence[str], unknown: Sequence[str]) -> None:
    """Warns of items that were added, of which `unknown` are."""
    if unknown:
        warnings.warn(
            f"{len(unknown)} of the {len(ids)} items ({unknown[0]!r} first) have no text, no "
            "fact that the graph knows and no vector: until they have events they are in no list "
            "but, at its end, that of what is popular.",
            NothingKnown, stacklevel=3,
        )  # fmt: skip


def tell_nothing(what: str, why: str) -> None:
    """Warns that nothing is near to an item or a text, by default since nothing is known of it."""
    why = why or "nothing is known of it"
    warnings.warn(f"Nothing is near to {what}: {why}.", NothingKnown, stacklevel=3)


def tell_fewer(
    found: int, k: int, allowed: np.ndarray | None, at_most: Mapping[str, int] | None = None, *,
    wished: bool = False, avoiding: bool = False, met: bool = False,
) -> None:  # fmt: skip
    """Warns where caps, a filter, bool [N], intents to avoid or items `met` before are why a list
    is shorter than k, and where there is none. A small catalogue is no reason.
    """
    if found >= k:
        return
    if at_most:
        caps = ", ".join(f"{count} of one {name}" for name, count in at_most.items())
        why = f"no more fit with at most {caps}"
    elif allowed is not None and allowed.sum() > found:
        why = (f"the filter leaves {int(allowed.sum())} of {len(allowed)}, some of them met "
               "before, turned down, out of stock or such of which nothing is known")  # fmt: skip
    elif allowed is not None:
        why = "the filter leaves no more"
    elif avoiding:
        why = "no more are without the intents to avoid"
    elif met:
        why = "items met before are left out, and there are no others"
    elif not found and wished:
        why = "nothing fits what was asked for"
    elif not found:
        why = "there is none that may be shown"
    else:
        return
    warnings.warn(f"{found} of the {k} items asked for: {why}.", FewerItems, stacklevel=3)


def tell_short(short: int, lists: int, k: int) -> None:
    """Warns of `short` of so many lists which filters leave shorter than k."""
    if short:
        warnings.warn(
            f"{short:,} of the {lists:,} lists hold fewer than the {k} items asked for: the "
            "filters leave no more.", FewerItems, stacklevel=3,
        )  # fmt: skip


def check_k(k: object, where: str) -> int:
    """k as an int; `UsageError` unless it is a number of answers that may be asked for."""
    if isinstance(k, bool) or not isinstance(k, Integral) or not 1 <= int(k) <= MAX_K:
        raise UsageError(
            f"The 'k' parameter of Recommender.{where} must be an int in [1, {MAX_K}]. "
            f"Got {k!r} instead."
        )
    return int(k)


def check_flag(told: object, name: str) -> bool | None:
    """A bool or None; `UsageError` for a word, which would count as True whatever it says."""
    if told is not None and not isinstance(told, bool | np.bool_):
        raise UsageError(f"The {name!r} must be True, False or None. Got {told!r} instead.")
    return None if told is None else bool(told)


def check_by(by: str) -> None:
    """`UsageError` unless intents can be ordered so."""
    if by not in INTENTS_BY:
        raise UsageError(
            f"The 'by' of Recommender.intents must be {' or '.join(INTENTS_BY)}. "
            f"Got {by!r} instead.{suggest(by, list(INTENTS_BY))}"
        )


def check_many(keys: object, name: str) -> list[Any]:
    """These ids one by one: a list, an array or a column of a table. `UsageError` for one string
    where several are asked for, and for a whole table.
    """
    if isinstance(keys, str | bytes):
        raise UsageError(
            f"The ids of {name} must be a sequence, not one string. Got {keys!r} instead."
        )
    wide = getattr(keys, "ndim", 1) != 1 or hasattr(keys, "columns")
    if wide or isinstance(keys, Mapping) or not isinstance(keys, Iterable):
        raise UsageError(
            f"The ids of {name} must be a sequence (of a table one column). "
            f"Got a {type(keys).__name__} instead."
        )
    return list(keys)


def check_one(user: object) -> None:
    """`UsageError` for several users where one is asked for."""
    if isinstance(user, Iterable) and not isinstance(user, str | bytes):
        raise UsageError(
            f"recommend answers one user, recommend_all(users=…) several. "
            f"Got a {type(user).__name__} instead."
        )


def one_by_one(history: object | None) -> list[Any] | None:
    """A history as a list, of whatever sequence it came; None stays None."""
    return None if history is None else check_many(history, "history")
