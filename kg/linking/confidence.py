"""How sure it is that two titles name one thing."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from kg.errors import UsageError
from kg.linking.titles import Keys, Titled, numbers

LEAST, MARGIN, WORTH = 0.9, 0.05, 0.6
OTHER_YEAR = OTHER_NUMBER = 0.7
ONE_YEAR = 0.96
"""Only one of the two says a year: less than `MARGIN` behind one that agrees, so both are told."""
OTHER_WORD = 0.85
ALIKE = 0.7
"""Words at least so similar may be one word with an error."""
RARER = 10
"""So many times rarer than the word itself may an error be that stands in several titles."""
CLOSE = 1e-9


def rapidfuzz_library() -> Any:
    try:
        import rapidfuzz.distance
        import rapidfuzz.process
    except ImportError:
        raise UsageError(
            "Titles that are spelled differently are compared by the package rapidfuzz, which is "
            "not installed: pip install 'kgintent[link]'."
        ) from None
    return rapidfuzz


def confidence_of(a: Keys, b: Keys, pairs: np.ndarray, worth: float) -> np.ndarray:
    """float64 [P] of pairs [2, P]: the similarity of the stems, cut by what contradicts."""
    fuzz = rapidfuzz_library()
    mine, theirs = [a.stems[i] for i in pairs[0]], [b.stems[e] for e in pairs[1]]
    osa = fuzz.distance.OSA.normalized_similarity
    similar = np.zeros(0)
    if mine:
        similar = fuzz.process.cpdist(mine, theirs, scorer=osa, dtype=np.float64).reshape(-1)
    kept = np.flatnonzero(similar >= worth - CLOSE)
    out = np.zeros(len(similar))
    out[kept] = similar[kept] * agreement_of(a, b, pairs[:, kept])
    used = Counter(word for text in (*a.stems, *b.stems) for word in set(text.split()))
    for at in np.flatnonzero((out >= worth - CLOSE) & (similar < 1)).tolist():
        if _other_word(mine[at], theirs[at], osa, used):
            out[at] = min(out[at], similar[at] * OTHER_WORD)  # a number is a word: not cut twice
    return out


def agreement_of(a: Keys, b: Keys, pairs: np.ndarray) -> np.ndarray:
    """float64 [P]: 1, or less where the years or the numbers of a pair [2, P] differ."""
    mine, theirs = a.years[pairs[0]], b.years[pairs[1]]
    year = np.where((mine > 0) & (theirs > 0), OTHER_YEAR, ONE_YEAR)
    counted = [numbers(a.stems[i]) == numbers(b.stems[e]) for i, e in pairs.T.tolist()]
    return np.where(mine == theirs, 1.0, year) * np.where(counted, 1.0, OTHER_NUMBER)


def _other_word(one: str, other: str, similarity: Any, used: Counter[str]) -> bool:
    """Whether a word of either has none like it in the other: a long title hides its edits.

    Words that both stand in several titles about as often (wire, fire) are no errors of each
    other.
    """
    left, right = one.split(), other.split()
    mine = [word for word in left if word not in right]
    theirs = [word for word in right if word not in left]
    if "".join(left) == "".join(right):
        return False
    like = [
        [similarity(word, near) >= ALIKE and _error(used[word], used[near]) for near in theirs]
        for word in mine
    ]
    return not (all(map(any, like)) and all(map(any, zip(*like, strict=True))) and mine and theirs)


def _error(one: int, other: int) -> bool:
    """Whether of words in so many titles one may be an error of the other."""
    return min(one, other) < 2 or RARER * min(one, other) <= max(one, other)


def agreement(items: Titled, entities: Titled, pairs: np.ndarray) -> np.ndarray:
    """float64 [P]: 1, or less where years or numbers of the pairs int64 [2, P] contradict."""
    return agreement_of(Keys.of(items), Keys.of(entities), pairs)
