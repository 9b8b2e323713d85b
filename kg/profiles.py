"""What is known of people before they do anything: attributes and named vectors, as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from kg.catalog import Catalog
from kg.errors import UsageError, suggest
from kg.ids import Vocab


@dataclass(frozen=True)
class Profiles:
    """U people: the attribute values of one are value[offsets[u]:offsets[u + 1]], int64.

    vectors: float32 [U, W] by name, a row of zeros where one is missing.
    """

    offsets: np.ndarray
    value: np.ndarray
    vectors: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def known(self) -> np.ndarray:
        """bool [U]: is anything known?"""
        out = np.diff(self.offsets) > 0
        for x in self.vectors.values():
            out = out | x.any(1)
        return np.asarray(out)

    def take(self, rows: np.ndarray) -> Profiles:
        """The profiles of these rows int64 [B]; -1 gives one of which nothing is known."""
        there = rows >= 0
        at = np.where(there, rows, 0)
        starts = self.offsets[at]
        lengths = np.where(there, self.offsets[at + 1] - starts, 0)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        index = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        vectors = {name: x[at] * there[:, None] for name, x in self.vectors.items()}
        return Profiles(offsets, self.value[index], vectors)


@dataclass(frozen=True)
class People:
    """A table of people: ids, the attributes (name, values) side by side, a profile of each."""

    ids: Vocab
    attributes: tuple[tuple[str, Vocab], ...]
    profiles: Profiles

    @classmethod
    def of(cls, users: Catalog) -> People:
        """The attributes and vectors of a catalogue of users."""
        attributes = tuple((a.name, a.values) for a in users.attributes)
        starts = np.cumsum([0, *(len(values) for _, values in attributes)])
        row = np.concatenate([np.zeros(0, np.int64), *(a.row for a in users.attributes)])
        shifted = [a.value + start for a, start in zip(users.attributes, starts, strict=False)]
        value = np.concatenate([np.zeros(0, np.int64), *shifted])
        order = np.lexsort((value, row))
        counts = np.bincount(row, minlength=len(users))
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        vectors = {v.name: v.dense(len(users)) for v in users.vectors}
        return cls(users.ids, attributes, Profiles(offsets, value[order], vectors))

    @property
    def num_values(self) -> int:
        """Values of all attributes together."""
        return sum(len(values) for _, values in self.attributes)

    def one(self, told: Mapping[str, object]) -> Profiles:
        """A profile [1] that is told live: {"age": "18-25", "likes": ["tea", "cake"], …}.

        Several values, and the numbers of a vector, may be one text joined by '|'. A value that
        nobody has says nothing. `UsageError` for a name that is no attribute and no
        vector, or for a vector of another width.
        """
        starts = np.cumsum([0, *(len(values) for _, values in self.attributes)])
        columns = {n: (v, int(s)) for (n, v), s in zip(self.attributes, starts, strict=False)}
        vectors = {
            n: np.zeros((1, x.shape[1]), np.float32) for n, x in self.profiles.vectors.items()
        }
        found: list[int] = []
        for name, given in told.items():
            if name in columns:
                values, start = columns[name]
                codes = values.encode(several(given), missing="negative")
                found += (codes[codes >= 0] + start).tolist()
            elif name in vectors:
                vectors[name][0] = self._vector(name, given)
            else:
                known = [*columns, *vectors]
                raise UsageError(
                    f"A profile may name {', '.join(known) or 'nothing, for this run knows none'}. "
                    f"Got {name!r} instead.{suggest(name, known)}"
                )
        value = np.unique(np.array(found, np.int64))
        return Profiles(np.array([0, len(value)], np.int64), value, vectors)

    def _vector(self, name: str, given: object) -> np.ndarray:
        width = self.profiles.vectors[name].shape[1]
        try:
            numbers = np.asarray(several(given) if isinstance(given, str) else given, np.float32)
        except (TypeError, ValueError):
            numbers = np.zeros(0, np.float32)
        if numbers.shape != (width,) or not np.isfinite(numbers).all():
            raise UsageError(
                f"The vector {name!r} of a profile must be {width} finite numbers. "
                f"Got {str(given)[:60]!r} instead."
            )
        return numbers


def several(given: object) -> list[str]:
    """A value, several joined by '|', or a sequence of them."""
    if isinstance(given, str):
        return [part.strip() for part in given.split("|")]
    if isinstance(given, Sequence):
        return [str(part) for part in given]
    return [str(given)]
