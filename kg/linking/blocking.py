"""Which entities an item may be."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from kg.linking.confidence import CLOSE, WORTH, agreement_of, confidence_of, rapidfuzz_library
from kg.linking.titles import SIGN, Keys, Titled

HOW = ("exact", "fuzzy", "text")
RARE, COMMON, NEAREST = 12, 2000, 30
_ROWS = 500  # items whose shared runs are counted at once


@dataclass(frozen=True, eq=False)
class Candidates:
    """P pairs: item and entity int64 [P], places in the two `Titled`; confidence float64 [P] in
    [0, 1]; how int64 [P], places in `HOW`. No pair stands twice.
    """

    item: np.ndarray
    entity: np.ndarray
    confidence: np.ndarray
    how: np.ndarray

    @classmethod
    def of(cls, pairs: np.ndarray, confidence: np.ndarray, how: str) -> Candidates:
        """Of pairs [2, P] found in one way."""
        kind = np.full(pairs.shape[1], HOW.index(how))
        return cls(pairs[0], pairs[1], confidence.astype(np.float64), kind)

    def __len__(self) -> int:
        return len(self.item)

    def joined(self, other: Candidates) -> Candidates:
        """Both; of a pair that stands in both, what is said here."""
        parts = zip(self._arrays(), other._arrays(), strict=True)
        item, entity, confidence, how = (np.concatenate(part) for part in parts)
        _, first = np.unique(np.stack([item, entity]), axis=1, return_index=True)
        return Candidates(item[first], entity[first], confidence[first], how[first])

    def ranked(self) -> tuple[Candidates, np.ndarray]:
        """By item, the surest first (ties by entity); and the place int64 [P] within the item."""
        order = np.lexsort((self.entity, -self.confidence, self.item))
        sorted_ = Candidates(*(array[order] for array in self._arrays()))
        begins = np.searchsorted(sorted_.item, sorted_.item)
        return sorted_, np.arange(len(self)) - begins

    def where(self, kept: np.ndarray) -> Candidates:
        """Those of a mask bool [P]."""
        return Candidates(*(array[kept] for array in self._arrays()))

    def _arrays(self) -> tuple[np.ndarray, ...]:
        return self.item, self.entity, self.confidence, self.how


def candidates(
    items: Titled, entities: Titled, *, worth: float = WORTH, fuzzy: bool = True
) -> Candidates:
    """Pairs whose confidence is at least `worth`; an item with an exact one has only that.

    Without `fuzzy`, only pairs of equal stems; with it, `UsageError` if rapidfuzz is missing.
    """
    if fuzzy:
        rapidfuzz_library()
    a, b = Keys.of(items), Keys.of(entities)
    exact = _exact(a, b)
    rest = np.setdiff1d(np.arange(len(items)), exact[0])
    pairs = _equal_stems(a, b, rest)
    if fuzzy:
        pairs = np.unique(np.concatenate([pairs, _near(a, b, rest)], axis=1), axis=1)
    confidence = confidence_of(a, b, pairs, worth) if fuzzy else agreement_of(a, b, pairs)
    kept = confidence >= worth - CLOSE
    found = Candidates.of(pairs[:, kept], confidence[kept], "fuzzy")
    return Candidates.of(exact, np.ones(exact.shape[1]), "exact").joined(found)


def _pairs(found: Sequence[tuple[int, int]]) -> np.ndarray:
    return np.array(found, np.int64).reshape(-1, 2).T


def _exact(a: Keys, b: Keys) -> np.ndarray:
    """Pairs int64 [2, P] of equal stem and year that are the only ones of both sides."""
    mine, theirs = a.own(), b.own()
    return _pairs([(place, theirs[key]) for key, place in mine.items() if key in theirs])


def _equal_stems(a: Keys, b: Keys, rest: np.ndarray) -> np.ndarray:
    """Pairs int64 [2, P] of equal stems, whatever their years; at most `NEAREST` an item."""
    called: dict[str, list[int]] = {}
    for place, text in enumerate(b.stems):
        if text:
            called.setdefault(text, []).append(place)
    return _pairs([(i, e) for i in rest.tolist() for e in called.get(a.stems[i], [])[:NEAREST]])


def _runs(text: str) -> set[str]:
    """The runs of three signs of a stem, of two where it holds scripts without spaces."""
    length, padded = (2 if SIGN.search(text) else 3), f" {text} "
    return {padded[at : at + length] for at in range(len(padded) - length + 1)} if text else set()


def _near(a: Keys, b: Keys, rest: np.ndarray) -> np.ndarray:
    """Pairs int64 [2, P] that share rare runs, at most `NEAREST` an item; see the module."""
    known: dict[str, int] = {}
    lists = [[known.setdefault(run, len(known)) for run in _runs(text)] for text in b.stems]
    names = _sparse(lists, len(known))
    spread = np.bincount(names.indices, minlength=len(known))
    rare = [_rarest(a.stems[i], known, spread) for i in rest.tolist()]
    wanted, columns = _sparse(rare, len(known)), names.T.tocsr()
    # A run that few names have says more, as in tf-idf.
    wanted.data = np.log1p(len(b.stems) / np.maximum(spread, 1))[wanted.indices].astype(np.float32)
    found = [np.empty((2, 0), np.int64)]
    for start in range(0, len(rest), _ROWS):
        row, entity = _best(wanted[start : start + _ROWS] @ columns)
        found.append(np.stack([rest[start + row], entity]))
    return np.concatenate(found, axis=1)


def _rarest(text: str, known: dict[str, int], spread: np.ndarray) -> list[int]:
    runs = sorted(known[run] for run in _runs(text) if run in known)
    runs = [run for run in runs if spread[run] <= COMMON]
    return sorted(runs, key=spread.__getitem__)[:RARE]


def _sparse(lists: Sequence[Sequence[int]], width: int) -> sparse.csr_matrix:
    """float32 [rows, width] with a 1 at each number of each row's list."""
    ends = np.cumsum([0, *(len(row) for row in lists)])
    places = np.fromiter((place for row in lists for place in row), np.int64, int(ends[-1]))
    ones = np.ones(len(places), np.float32)
    return sparse.csr_matrix((ones, places, ends), shape=(len(lists), width))


def _best(shared: sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Row and column int64 [P] of the `NEAREST` largest entries of each row."""
    kept = []
    for start, end in itertools.pairwise(shared.indptr.tolist()):
        best = np.arange(start, end)
        if end - start > NEAREST:  # sorting them all would cost ten times the rest
            best = start + np.argpartition(-shared.data[start:end], NEAREST)[:NEAREST]
        kept.append(best)
    row = np.repeat(np.arange(shared.shape[0]), [len(best) for best in kept])
    return row, shared.indices[np.concatenate(kept)].astype(np.int64)
