"""External ids to dense numbers and back.

Ids are text everywhere outside; the numbers exist only inside. A `Vocab` sorts before it numbers,
so a shuffled input gives the same numbers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from kg.errors import DataError, UsageError, suggest


@dataclass(frozen=True)
class Vocab:
    """N unique ids in sorted order; the position of an id is its number.

    The last `late` of them came since (`extended`): in the order in which they came, and one that
    stands again goes by its first number, as what was said with that stays true. Raises `DataError`
    for an empty, repeated or unsorted id among the others.
    """

    ids: tuple[str, ...]
    name: str = "id"
    late: int = 0
    _index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index: dict[str, int] = {}
        for number, key in enumerate(self.ids):
            index.setdefault(key, number)
        first = self.ids[: len(self.ids) - self.late]
        if len(set(first)) != len(first):
            raise DataError(f"The ids of a {self.name} vocabulary must be unique.")
        if "" in index:
            raise DataError(f"A {self.name} id must not be empty.")
        if any(a > b for a, b in itertools.pairwise(first)):
            raise DataError(f"The ids of a {self.name} vocabulary must be sorted.")
        object.__setattr__(self, "_index", index)

    @classmethod
    def of(cls, ids: Iterable[object], name: str = "id") -> Vocab:
        """The vocabulary of these ids, in whatever order and number they come."""
        return cls(tuple(sorted({str(key) for key in ids})), name)

    def extended(self, ids: Sequence[str]) -> Vocab:
        """These ids too, after the others, whose numbers stay as they are."""
        return Vocab(self.ids + tuple(ids), self.name, self.late + len(ids))

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, key: object) -> bool:
        return key in self._index

    def encode(
        self, ids: Iterable[object], missing: Literal["error", "negative"] = "error"
    ) -> np.ndarray:
        """Numbers int64 [n] of `ids`; a stranger raises `UsageError`, or becomes -1 on request."""
        keys = [str(key) for key in ids]
        codes = np.fromiter((self._index.get(k, -1) for k in keys), np.int64, len(keys))
        if missing == "error" and (codes < 0).any():
            stranger = keys[int(np.flatnonzero(codes < 0)[0])]
            raise UsageError(
                f"The {self.name} {stranger!r} is not known: there are {len(self)} {self.name}s"
                f" in this data.{suggest(stranger, list(self.ids[:20000]))}"
            )
        return codes

    def decode(self, codes: Sequence[int] | np.ndarray) -> list[str]:
        """Ids of the numbers; a number outside [0, N) raises `IndexError`."""
        numbers = np.asarray(codes, np.int64).reshape(-1)
        if numbers.size and (numbers.min() < 0 or numbers.max() >= len(self)):
            raise IndexError(f"Numbers must be in [0, {len(self)}).")
        return [self.ids[number] for number in numbers.tolist()]


def but_for_zeros(strangers: Iterable[str], known: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs (stranger, known id) of whole numbers that differ in the zeros in front alone, which
    spreadsheets take away, or in a '.0' behind, which frames with empty cells add.
    """
    bare = {number: key for key in strangers if (number := _whole(key)) is not None}
    if not bare:
        return []
    found = {
        stranger: key for key in known
        if (number := _whole(key)) is not None and (stranger := bare.get(number)) not in (None, key)
    }  # fmt: skip
    return sorted(found.items())


def _whole(key: str) -> str | None:
    """The digits of a whole number without what may be added to it; None for other ids."""
    digits = key.removesuffix(".0")
    return digits.lstrip("0") if digits.isdigit() else None


def zeros_told(pairs: Sequence[tuple[str, str]]) -> str:
    """Of `but_for_zeros`, at least one: how many, the first, and why that may be."""
    one, other = pairs[0]
    ids = "1 id is" if len(pairs) == 1 else f"{len(pairs):,} ids are"
    if one.endswith(".0") or other.endswith(".0"):
        return (f"{ids} known but for a '.0', such as {one!r} beside {other!r}: whole numbers were "
                "written as decimals, read and write ids as text")  # fmt: skip
    return (f"{ids} known but for zeros in front, such as {one!r} beside {other!r}: spreadsheets "
            "take these zeros away, read and write ids as text")  # fmt: skip
