"""User-item pairs to learn from: negatives, and histories with one item held out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from kg.sequences import Sequences


@dataclass(frozen=True, eq=False)
class Pairs:
    """Who touched what, each pair once: the items of user u are `item[offsets[u]:offsets[u + 1]]`.

    offsets int64 [U + 1]; item int64 [E], ascending within a user, in [0, num_items).
    """

    offsets: np.ndarray
    item: np.ndarray
    num_items: int

    @classmethod
    def of(cls, sequences: Sequences) -> Pairs:
        """The distinct items of each history."""
        matrix = sequences.matrix()
        matrix.sort_indices()
        offsets, item = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64)
        return cls(offsets, item, sequences.num_items)

    @property
    def counts(self) -> np.ndarray:
        """int64 [U]: items per user."""
        return np.diff(self.offsets)

    @property
    def user(self) -> np.ndarray:
        """int64 [E]."""
        return np.repeat(np.arange(len(self.offsets) - 1), self.counts)

    def negatives(self, user: np.ndarray, rng: np.random.Generator, tries: int = 20) -> np.ndarray:
        """int64 [P]: one item for each of these users, evenly among those that it did not touch.

        By rejection: after `tries` rounds (a user who touched nearly all) a touched one may stay.
        """
        touched = self.user * self.num_items + self.item  # sorted
        drawn = rng.integers(0, self.num_items, len(user))
        for _ in range(tries):
            wrong = np.flatnonzero(_contains(touched, user * self.num_items + drawn))
            if len(wrong) == 0:
                break
            drawn[wrong] = rng.integers(0, self.num_items, len(wrong))
        return drawn

    def held_out(self, batch: int, rng: np.random.Generator) -> Iterator[HeldOut]:
        """One epoch: users with two or more items in random order, about `batch` pairs a step."""
        users = rng.permutation(np.flatnonzero(self.counts >= 2))
        filled = (np.cumsum(self.counts[users]) - 1) // batch
        for chunk in np.split(users, np.flatnonzero(np.diff(filled)) + 1):
            if len(chunk):
                yield self._held_out(chunk, rng)

    def _held_out(self, users: np.ndarray, rng: np.random.Generator) -> HeldOut:
        counts = self.counts[users]
        owner = np.repeat(np.arange(len(users)), counts)
        within = np.arange(len(owner)) - (np.cumsum(counts) - counts)[owner]
        item = self.item[self.offsets[users][owner] + within]
        negative = self.negatives(users[owner], rng)
        columns = (item, negative, owner, counts)
        return HeldOut(*(torch.from_numpy(column) for column in columns))


@dataclass(frozen=True, eq=False)
class HeldOut:
    """All P pairs of B users, each pair held out once from the history of its user.

    item, negative, owner int64 [P]: the item, one that the user did not touch, and the place of
    the user in the batch. counts int64 [B]: items per user, at least 2.
    """

    item: Tensor
    negative: Tensor
    owner: Tensor
    counts: Tensor

    def others(self, vectors: Tensor, power: float = 1.0) -> Tensor:
        """(Σ_{j in H} v_j - v_i) / (|H| - 1)^power of each pair (u, i): [M, D] -> [P, D]."""
        own = vectors[self.item]  # [P, D]
        total = own.new_zeros(len(self.counts), own.shape[1]).index_add(0, self.owner, own)
        size = (self.counts - 1).to(own.dtype) ** power
        return (total[self.owner] - own) / size[self.owner, None]


def history_sum(sequences: Sequences, vectors: Tensor, power: float) -> Tensor:
    """Σ_{j in H} v_j / |H|^power over the distinct items of each history: [M, D] -> [U, D]."""
    matrix = sequences.matrix()
    size = np.maximum(matrix.getnnz(axis=1), 1).astype(np.float32) ** power
    return torch.from_numpy(np.asarray(matrix @ vectors.numpy(), np.float32) / size[:, None])


def bpr(good: Tensor, bad: Tensor) -> Tensor:
    """Mean over P of -log sigmoid(s+ - s-), both [P] (Rendle et al. 2009)."""
    return -F.logsigmoid(good - bad).mean()


def _contains(sorted_keys: np.ndarray, keys: np.ndarray) -> np.ndarray:
    at = np.minimum(np.searchsorted(sorted_keys, keys), len(sorted_keys) - 1)
    return np.asarray(sorted_keys[at] == keys)
