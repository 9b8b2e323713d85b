"""Negatives and neighbours, drawn with the caller's generator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from kg.errors import UsageError
from kg.sequences import Sequences


@dataclass(frozen=True)
class Csr:
    """Edges grouped by target: those into node t are `edge[offsets[t]:offsets[t + 1]]`.

    offsets int64 [N + 1]; edge int64 [E], positions in the edge list it was made from.
    """

    offsets: np.ndarray
    edge: np.ndarray

    @classmethod
    def incoming(cls, edge_index: np.ndarray, num_targets: int | None = None) -> Csr:
        """From int64 [2, E] (source, target); within a target the edges keep their order."""
        target = edge_index[1]
        least = int(target.max()) + 1 if target.size else 0
        counts = np.bincount(target, minlength=max(least, num_targets or 0))
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return cls(offsets, np.argsort(target, kind="stable"))

    def of(self, nodes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Positions of all edges into `nodes` int64 [n], and the row of `nodes` each belongs to."""
        inside = nodes < len(self.offsets) - 1
        safe = np.where(inside, nodes, 0)
        starts = np.where(inside, self.offsets[safe], 0)
        counts = np.where(inside, self.offsets[np.minimum(safe + 1, len(self.offsets) - 1)], 0)
        counts = counts - starts
        row = np.repeat(np.arange(len(nodes)), counts)
        first = np.cumsum(counts) - counts
        return self.edge[np.arange(len(row)) - np.repeat(first - starts, counts)], row


def sample_neighbours(
    edge_index: np.ndarray,
    nodes: np.ndarray,
    fanout: int,
    rng: np.random.Generator,
    csr: Csr | None = None,
) -> np.ndarray:
    """int64 [2, K]: at most `fanout` incoming edges of each node, drawn without replacement.

    edge_index int64 [2, E] (source, target); nodes int64 [n] (a repeated node counts once). A
    node with fewer edges keeps them all. Give `csr` when the same edges are sampled again.
    """
    if fanout < 1:
        raise UsageError(f"'fanout' must be an int >= 1: edges per node. Got {fanout} instead.")
    csr = csr or Csr.incoming(edge_index)
    edge, row = csr.of(np.unique(np.asarray(nodes, np.int64)))
    order = np.lexsort((rng.random(len(edge)), row))  # a random order within each node
    row = row[order]
    starts = np.searchsorted(row, row)
    keep = np.arange(len(row)) - starts < fanout
    return np.asarray(edge_index[:, edge[order[keep]]])


def uniform_negatives(count: int, candidates: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """int64 [count] of `candidates` int64 [M], uniform and with replacement."""
    if count > 0 and len(candidates) == 0:
        raise UsageError(f"At least one candidate is needed to draw {count} negatives. Got none.")
    drawn = rng.integers(0, max(len(candidates), 1), size=count)
    return np.asarray(candidates, np.int64)[drawn]


def negatives_for(sequences: Sequences, per_user: int, rng: np.random.Generator) -> np.ndarray:
    """int64 [U, per_user]: distinct items that the user never touched, uniform over those.

    Raises `UsageError` naming the first row that has touched too many items for that.
    """
    touched = sequences.matrix()
    touched.sort_indices()
    free = sequences.num_items - np.diff(touched.indptr)
    if (free < per_user).any():
        row = int(np.flatnonzero(free < per_user)[0])
        raise UsageError(
            f"'per_user' must not exceed the items a user never touched: {int(free[row])} of "
            f"{sequences.num_items} for row {row}. Got {per_user} instead."
        )
    tight = free < 4 * per_user  # guessing would take many rounds: choose from the list instead
    out = np.empty((len(sequences), per_user), np.int64)
    for row in np.flatnonzero(tight).tolist():
        mine = touched.indices[touched.indptr[row] : touched.indptr[row + 1]]
        rest = np.setdiff1d(np.arange(sequences.num_items), mine, assume_unique=True)
        out[row] = rng.choice(rest, per_user, replace=False)
    rows = np.repeat(np.arange(len(sequences), dtype=np.int64), np.diff(touched.indptr))
    taken = rows * sequences.num_items + touched.indices
    loose = np.flatnonzero(~tight)
    out[loose] = _by_rejection(loose, per_user, sequences.num_items, taken, rng)
    return out


def _by_rejection(
    rows: np.ndarray, width: int, num_items: int, taken: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """int64 [n, width]: draw, and draw again whatever is taken (sorted keys) or repeats."""
    key = np.repeat(rows.astype(np.int64) * num_items, width)
    open_ = np.arange(len(key))
    drawn = np.zeros(len(key), np.int64)
    while open_.size:
        drawn[open_] = rng.integers(0, num_items, size=open_.size)
        _, first = np.unique(key + drawn, return_index=True)
        repeated = np.ones(len(key), bool)
        repeated[first] = False
        bad = repeated | _contains(taken, key + drawn)
        open_ = np.flatnonzero(bad)
    return drawn.reshape(len(rows), width)


def _contains(sorted_keys: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """bool [n]: whether each wanted key is among the sorted keys."""
    if sorted_keys.size == 0:
        return np.zeros(len(wanted), bool)
    at = np.minimum(np.searchsorted(sorted_keys, wanted), len(sorted_keys) - 1)
    return np.asarray(sorted_keys[at] == wanted)
