"""How much each of several scores counts: fitted to what people went on to choose.

The score of item j is the sum over k of w_k s_kj, w_0 = 1. First all weights at once are those
under which the choices of the validation part are likeliest, softmax over the catalogue (McFadden,
Conditional logit analysis of qualitative choice behavior, 1974): a smooth, convex question, where
weights that are tried one after another depend on their order; and it says which scores are not
missed where they are left out. From there NDCG@10 is climbed, one weight at a time: likelihood
hears of all places of a list, and the first ones matter.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, product

import numpy as np
from scipy.optimize import minimize

from kg.events import EventLog
from kg.sequences import Sequences
from recsys.hits import best_of_rows
from recsys.metrics.significance import surely

HEAD = 100
"""So many of the best items by each mix are alternatives for certain,"""
SAMPLE = 300
"""and so many of all others stand for the rest."""
DENSE = 20_000_000
"""The scores that are held at a time, at most (but those of at least one person)."""
LEAST = 0.05
"""The least weight of the first score before all are divided by it."""
STEPS = (0.5, 0.7, 0.85, 1.2, 1.4, 2.0)
LEVELS = (0.0, 0.1, 0.5, 1.0)
"""A weight is tried at these multiples of itself, and at these."""
BOTH = (0.0, 0.5, 0.7, 1.4, 2.0, 3.0)
"""Two weights are tried at these multiples at once: scores that say much the same take each other's
place, and by single steps neither leaves it."""
ROUNDS = 3
"""How often each weight is."""

Parts = Callable[[np.ndarray], np.ndarray]
"""Rows int64 [B] of the histories to the K scores of all items, float32 [K, B, N]."""


@dataclass(frozen=True, eq=False)
class Choices:
    """What people chose, and what from.

    who int64 [P]: rows of the histories; item int64 [E]: the alternatives of one person after
    another, those of person p from start[p] on (int64 [P + 1]); chosen bool [E]; stands float32
    [E]: the logarithm of how many items an alternative stands for; values float32 [E, K]: scores.
    """

    who: np.ndarray
    item: np.ndarray
    start: np.ndarray
    chosen: np.ndarray
    stands: np.ndarray
    values: np.ndarray

    def __len__(self) -> int:
        """P."""
        return len(self.who)

    @cached_property
    def row(self) -> np.ndarray:
        """int64 [E], whose alternative it is."""
        return np.repeat(np.arange(len(self)), np.diff(self.start))

    def ndcg(self, weights: np.ndarray, k: int = 10) -> np.ndarray:
        """float64 [P], NDCG@k by the scores under weights float [K]: that among all items where the
        first places are of alternatives that are there for certain.
        """
        entry, wanted = self._certain
        if len(self) == 0:
            return np.zeros(0)
        score = np.append(self.values @ weights.astype(np.float32), -np.inf)[entry]  # [P, A]
        k = min(k, score.shape[1])
        top = np.argpartition(-score, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(score, top, 1), axis=1, kind="stable")
        hits = np.append(self.chosen, False)[
            np.take_along_axis(entry, np.take_along_axis(top, order, 1), 1)
        ]
        gain = 1 / np.log2(np.arange(k) + 2)
        return np.asarray((hits * gain).sum(1) / np.cumsum(gain)[np.minimum(wanted, k) - 1])

    @cached_property
    def _certain(self) -> tuple[np.ndarray, np.ndarray]:
        """int64 [P, A], each person's alternatives that are there for certain (E where there are no
        more), and int64 [P], how many of them were chosen.
        """
        at = np.flatnonzero(self.stands == 0)
        row = self.row[at]
        count = np.bincount(row, minlength=len(self))
        place = np.arange(len(at)) - np.repeat(np.cumsum(count) - count, count)
        entry = np.full((len(self), count.max(initial=0)), len(self.item))
        entry[row, place] = at
        return entry, np.bincount(self.row[self.chosen], minlength=len(self))


def draw(
    histories: Sequences, target: EventLog, parts: Parts, mixes: np.ndarray,
    rng: np.random.Generator, *, masked: bool,
) -> Choices:  # fmt: skip
    """The choices of everyone with a target and a history.

    Alternatives are the targets, the `HEAD` best by each of the mixes float [M, K] of the scores,
    and `SAMPLE` of the other items, which stand for all of these; with `masked` none that the
    history holds.
    """
    target = target.take(target.has_item & (histories.lengths[target.user] > 0))
    n = histories.num_items
    pairs = np.unique(target.user * n + target.item)
    who, begin = np.unique(pairs // n, return_index=True)
    wanted = np.split(pairs % n, begin[1:])
    step = max(1, DENSE // (mixes.shape[1] * max(n, 1)))
    found = []
    for first in range(0, len(who), step):
        own = histories.take(who[first : first + step])
        scores = parts(who[first : first + step])
        heads = _heads(scores, mixes, own if masked else None)
        for place in range(len(own)):
            banned = own.items_of(place) if masked else own.item[:0]
            item, chosen, stands = _alternatives(
                wanted[first + place], np.unique(heads[:, place]), banned, n, rng
            )
            found.append((item, chosen, stands, scores[:, place, item].T))
    none = (np.zeros(0, np.int64), np.zeros(0, bool), np.zeros(0, np.float32),
            np.zeros((0, mixes.shape[1]), np.float32))  # fmt: skip
    columns = [np.concatenate(column) for column in zip(none, *found, strict=True)]
    start = np.cumsum([0, *(len(one[0]) for one in found)])
    return Choices(who, columns[0], start, columns[1], columns[2], columns[3])


def _heads(scores: np.ndarray, mixes: np.ndarray, banned: Sequences | None) -> np.ndarray:
    """int64 [M, B, <= HEAD], the best items by each mix, those `banned` last."""
    k, out = min(HEAD, scores.shape[2]), []
    for mix in mixes:
        mixed = np.tensordot(mix.astype(np.float32), scores, axes=1)  # [B, N]
        if banned is not None:
            mixed[banned.row, banned.item] = -np.inf
        out.append(best_of_rows(mixed, k))
    return np.stack(out)


def _alternatives(
    wanted: np.ndarray, head: np.ndarray, banned: np.ndarray, n: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(item, chosen, stands) of one person."""
    certain = np.concatenate([wanted, np.setdiff1d(np.setdiff1d(head, banned), wanted)])
    others = np.setdiff1d(np.setdiff1d(rng.integers(0, n, SAMPLE), certain), banned)
    left = n - len(np.union1d(certain, banned))
    item = np.concatenate([certain, others])
    stands = np.zeros(len(item), np.float32)
    stands[len(certain) :] = np.log(max(left, 1) / max(len(others), 1))
    return item, np.arange(len(item)) < len(wanted), stands


def likeliest(choices: Choices, columns: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Weights float64 [K] >= 0, w_0 = 1, those outside of `columns` 0, and under them the mean
    log-likelihood of each person's choices, float64 [P].
    """
    used = [0, *columns]
    row, start, values = choices.row, choices.start[:-1], choices.values[:, used]
    share = choices.chosen / np.bincount(row, choices.chosen)[row]

    def likelihood(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """float64 [P], and its mean's gradient."""
        score = values @ weights.astype(np.float32) + choices.stands
        score -= np.maximum.reduceat(score, start)[row]
        chance = np.exp(score)
        total = np.add.reduceat(chance, start)
        found = np.bincount(row, share * score, minlength=len(choices)) - np.log(total)
        return found, (share - chance / total[row]) @ values / len(choices)

    def cost(weights: np.ndarray) -> tuple[float, np.ndarray]:
        found, slope = likelihood(weights)
        return -float(found.mean()), -slope.astype(np.float64)

    bounds = [(LEAST, None)] + [(0.0, None)] * len(columns)
    first = np.eye(1, len(used))[0]
    best = minimize(cost, first, jac=True, bounds=bounds, method="L-BFGS-B").x
    out = np.zeros(choices.values.shape[1])
    out[used] = best / best[0]
    return out, likelihood(best)[0]


def not_missed(choices: Choices, groups: Mapping[str, Sequence[int]]) -> list[str]:
    """The groups of columns without which people's choices are not surely less likely: one after
    the other, the least missed first.
    """

    def likelihood(names: Sequence[str]) -> np.ndarray:
        return likeliest(choices, [column for name in names for column in groups[name]])[1]

    kept, gone = list(groups), list[str]()
    whole = likelihood(kept)
    while kept:
        without = {name: likelihood([other for other in kept if other != name]) for name in kept}
        idle = [name for name in kept if not surely(whole - without[name])]
        if not idle:
            break
        least = max(idle, key=lambda name: without[name].mean())
        kept.remove(least)
        gone.append(least)
        whole = without[least]
    return gone


def climb(
    again: Callable[[np.ndarray], Choices], weights: np.ndarray, groups: Sequence[Sequence[int]]
) -> np.ndarray:
    """Weights float64 [K] from which no step of one or two of the columns in `groups` has a higher
    mean NDCG@10, or those after `ROUNDS`; of equal ones the smaller weight.

    `again` draws choices whose alternatives are the best by each of the mixes [M, K] it is given.
    """
    columns = [column for group in groups for column in group]
    for _ in range(ROUNDS):
        choices, before = again(_around(weights, groups)), weights
        while not np.array_equal(found := _stepped(choices, weights, columns), weights):
            weights = found
        if np.array_equal(weights, before):
            break
    return weights


def _stepped(choices: Choices, weights: np.ndarray, columns: Sequence[int]) -> np.ndarray:
    """The best after one step of each column, then of each pair of them."""
    best = choices.ndcg(weights).mean()
    for column in columns:
        own = weights[column]
        for level in sorted({*LEVELS, *(own * step for step in STEPS)}):
            tried = weights.copy()
            tried[column] = level
            score = choices.ndcg(tried).mean()
            if score > best or (score == best and level < weights[column]):
                best, weights = score, tried
    for pair in combinations(columns, 2):
        own = weights[list(pair)]
        for steps in product(BOTH, BOTH):
            tried = weights.copy()
            tried[list(pair)] = own * steps
            if (score := choices.ndcg(tried).mean()) > best:
                best, weights = score, tried
    return weights


def _around(weights: np.ndarray, groups: Sequence[Sequence[int]]) -> np.ndarray:
    """float64 [M, K]: the weights, and with each group of columns thrice as strong, and without."""
    out = [weights]
    for group in groups:
        for factor in (0.0, 3.0):
            one = weights.copy()
            one[list(group)] *= factor
            out.append(one)
    return np.stack(out)
