"""Lists that hold several intents in given shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from kg.errors import UsageError
from recsys.hits import best
from recsys.intent.carried import Carried

AUTO = 5
"""So many of a person's likeliest intents share a list where the quota is "auto"."""
WHERE = "intent_quota"


def shares_of(quota: object, carried: Carried, k: int) -> dict[int, float]:
    """Number of the intent to its share of a list of k, from {name: share or count}.

    Floats are shares in [0, 1] that sum to at most 1, ints are counts that sum to at most k.
    """
    if not isinstance(quota, Mapping) or not quota:
        raise UsageError(
            f"The '{WHERE}' of Recommender.recommend must be a mapping of names to shares or "
            f"counts, or 'auto'. Got {quota!r} instead."
        )
    out: dict[int, float] = {}
    for word, value in quota.items():
        number = carried.number(str(word), WHERE)
        if number in out:
            raise UsageError(
                f"Each intent of '{WHERE}' must stand once. Got {carried.names[number]!r} twice."
            )
        out[number] = value
    most = _most(list(out.values()), k)
    return {number: value / most for number, value in out.items()}


def _most(values: Sequence[object], k: int) -> int:
    """What shares (1) or counts (k) sum to at most; `UsageError` for what is neither, or more."""
    counts = all(isinstance(v, int | np.integer) and not isinstance(v, bool) for v in values)
    shares = all(isinstance(v, float | np.floating) for v in values)
    most = k if counts else 1
    told: Sequence[float] = values if counts or shares else (-1.0,)  # type: ignore[assignment]
    if not (min(told) >= 0 and sum(told) <= most + 1e-9):  # also false for NaN
        shown = ", ".join(map(repr, values))
        raise UsageError(
            f"The '{WHERE}' of Recommender.recommend must be shares in [0, 1] that sum to at most "
            f"1 (0.5), or counts that sum to at most the {k} of the list (5). Got {shown} instead."
        )
    return most


def likely_shares(p: np.ndarray, most: int = AUTO) -> dict[int, float]:
    """p_l / max(1, sum of the `most` largest p), for those, from calibrated probabilities float32
    [L]: where hardly any intent is likely, hardly any of the list is theirs.

    A list in which each interest has the share that the person gives it: Steck, Calibrated
    recommendations, RecSys 2018. There shares come from the genres of the history and a greedy
    search trades them against scores; here they are what the person is predicted to want next, and
    they are met by turns.
    """
    best = np.lexsort((np.arange(len(p)), -p))[:most]
    total = max(1.0, float(p[best].sum()))
    return {int(n): float(p[n]) / total for n in best if p[n] > 0}


def turns(shares: Sequence[float], n: int) -> list[int]:
    """For each of n places which of the m shares, summing to 1, it belongs to.

    After any t places each share has had t · share of them, to less than 1: of those that are not
    ahead the one whose next place is due first. Tijdeman, The chairman assignment problem, 1980.
    """
    share = np.asarray(shares, np.float64)
    slack = 1 / (2 * len(share) - 2) if len(share) > 1 else 0.0
    had, out = np.zeros(len(share)), []
    for place in range(1, n + 1):
        due = place * share - had
        may = (due >= slack - 1e-9) & (share > 0)
        left = np.divide(1 - slack - due, share, out=np.full(len(share), np.inf), where=may)
        out.append(int(left.argmin()))
        had[out[-1]] += 1
    return out


def shared_out(
    scores: np.ndarray, carried: Carried, shares: Mapping[int, float], k: int
) -> list[int]:
    """The codes of at most k items by `turns`: at the turn of an intent the best item left that
    carries it, at a free one (what the shares leave of 1) the best of all that are left.

    scores float32 [N], -inf: never. Where no carrier is left the turn is free. So a list holds of
    each intent as many carriers as its share of k, cut to a whole number, or all that there are.
    """
    free = max(0.0, 1 - sum(shares.values()))
    each = [np.where(carried.members([number]), scores, -np.inf) for number in shares]
    queues = [iter(best(some, k)) for some in (*each, scores)]
    out: dict[int, None] = {}
    for turn in turns([*shares.values(), free], k):
        for queue in (queues[turn], queues[-1]):
            code = next((code for code in queue if code not in out), None)
            if code is not None:
                out[code] = None
                break
    return list(out)
