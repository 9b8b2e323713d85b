"""What a model may know beyond texts and the graph: named vectors of items, profiles of people.

All of it is optional, costs nothing when it is absent, and adds exactly nothing where one item or
person lacks it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from kg.catalog import Catalog
from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.ids import Vocab
from kg.profiles import People, Profiles
from kg.searches import query_texts
from models.whitening import Whitening


@dataclass(frozen=True)
class Queries:
    """Q distinct texts that people searched for, and the encoder's vectors of them [Q, T]."""

    texts: Vocab
    vectors: np.ndarray

    @classmethod
    def of(cls, log: EventLog, encode: Callable[[Sequence[str]], np.ndarray]) -> Queries:
        """Every text searched for in a log, each encoded once."""
        texts = query_texts(log)
        return cls(texts, encode(texts.ids))


@dataclass(frozen=True)
class Features:
    """items: float32 [N, W] of every item by name, a row of zeros where one is missing; users: a
    table of people with attributes and vectors; queries: the texts that people searched for.

    `whitening` of each vector (those of people under "user NAME") is fitted on the items and
    people seen in training and kept with the run.
    """

    items: Mapping[str, np.ndarray] = field(default_factory=dict)
    users: Catalog | None = None
    queries: Queries | None = None
    whitening: Mapping[str, Whitening] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        catalog: Catalog,
        users: Catalog | None = None,
        queries: Queries | None = None,
        whitening: Mapping[str, Whitening] | None = None,
    ) -> Features:
        """The vectors of a catalogue, and people; without `whitening` the model fits its own."""
        items = {v.name: v.dense(len(catalog)) for v in catalog.vectors}
        return cls(items, users, queries, whitening or {})

    def fitted(self, train_items: np.ndarray, train_users: Vocab | None, dim: int) -> Features:
        """With a whitening of at most `dim` directions for each vector that has none yet.

        train_items int64 [M]: the items that occur in training; train_users: people who do.
        """
        fit = {name: (x, train_items) for name, x in self.items.items()}
        people = self.people
        if people is not None and train_users is not None:
            rows = people.ids.encode(train_users.ids, missing="negative")
            vectors = people.profiles.vectors.items()
            fit |= {f"user {name}": (x, rows[rows >= 0]) for name, x in vectors}
        fitted = {
            name: self.whitening.get(name) or Whitening.fit(x, rows, dim)
            for name, (x, rows) in fit.items()
        }
        return replace(self, whitening=fitted)

    @cached_property
    def people(self) -> People | None:
        """The table of people as arrays, vectors as they came; None where it says nothing."""
        users = self.users
        return (
            None if users is None or not (users.attributes or users.vectors) else People.of(users)
        )

    def whitened_profiles(self, profiles: Profiles) -> Profiles:
        """These profiles as a model reads them."""
        vectors = {n: self.whitening[f"user {n}"].apply(x) for n, x in profiles.vectors.items()}
        return replace(profiles, vectors=vectors)

    def profile(self, told: Mapping[str, object]) -> Profiles:
        """A profile [1] told live, as a model reads it; `UsageError` for a name nobody knows."""
        if self.people is None:
            raise UsageError("A profile needs a run that was built with --users or --user-vectors.")
        return self.whitened_profiles(self.people.one(told))

    def whitened(self) -> dict[str, Tensor]:
        """float32 [N, W'] by name."""
        return {name: torch.from_numpy(self.whitening[name].apply(x))
                for name, x in self.items.items()}  # fmt: skip

    def of_new(self, new: Catalog) -> dict[str, Tensor]:
        """The whitened vectors of new items, float32 [M, W'] by name; any name may be lacking.

        `UsageError` for a name that training did not know, `DataError` for another width.
        """
        out: dict[str, Tensor] = {}
        for vectors in new.vectors:
            if vectors.name not in self.items:
                known = ", ".join(self.items) or "none"
                raise UsageError(
                    f"New items may have the vectors that training had ({known}). "
                    f"Got {vectors.name!r} instead."
                )
            width = self.items[vectors.name].shape[1]
            if vectors.width != width:
                raise DataError(
                    f"The vectors {vectors.name!r} must have {width} numbers, as in training. "
                    f"Got {vectors.width} instead."
                )
            whitened = self.whitening[vectors.name].apply(vectors.dense(len(new)))
            out[vectors.name] = torch.from_numpy(whitened)
        return out
