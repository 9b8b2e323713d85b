"""What the rivals read of an item: its text, its facts, or both, as float32 [N, T].

    text    the vectors of the text encoder, as ours reads them (a row of zeros: no text)
    white   the same whitened on warm items (at most 256 numbers)
    facts   facts as a bag of nodes, weighted by how rare they are, in 256 directions of warm items
    both    white and facts side by side, rows of the same size

Which of them, validation decides for each rival.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import siblings  # noqa: F401
from fits import texts_of
from scipy import sparse
from sklearn.utils.extmath import randomized_svd
from worlds import World

from kg.graph import KnowledgeGraph
from models.whitening import Whitening

KINDS = ("white", "text", "facts", "both")
"""The first is the default."""
DIRECTIONS = 256


@dataclass(frozen=True, eq=False)
class Contents:
    """Of all items of a world. text float32 [N, T], facts sparse float32 [N, V] of 0 and 1."""

    text: np.ndarray
    facts: sparse.csr_matrix
    seconds: float = 0.0
    made: dict[tuple[str, bytes], np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, world: World, cache: Path | None) -> Contents:
        told: dict[str, Any] = {}
        text = texts_of(replace(world.warm, catalog=world.catalog, cache=cache), told)
        return cls(text.astype(np.float32), bag_of(world.facts), told["text_seconds"])

    def of_kind(self, kind: str, warm: np.ndarray) -> np.ndarray:
        """float32 [N, T]; `warm` int64 [M] are the items that anything may be learned from."""
        key = (kind, warm.tobytes())
        if key not in self.made:
            self.made[key] = self._made(kind, warm)
        return self.made[key]

    def _made(self, kind: str, warm: np.ndarray) -> np.ndarray:
        if kind == "text":
            return self.text
        if kind == "white":
            return Whitening.fit(self.text, warm, DIRECTIONS).apply(self.text)
        if kind == "facts":
            return directions(self.facts, warm)
        parts = [self.of_kind(name, warm) for name in ("white", "facts")]
        return np.hstack([_unit_on_average(part) for part in parts])


def bag_of(facts: KnowledgeGraph, name: str | None = None) -> sparse.csr_matrix:
    """float32 [N, V], 1 where an item has a fact: of all relations to what is no item, or of the
    one of this name.
    """
    items = len(facts.vocabs["item"])
    blocks = [sparse.csr_matrix((items, 1), dtype=np.float32)]
    for relation in facts.fact_relations:
        if relation[0] != "item" or relation[2] == "item" or name not in (None, relation[1]):
            continue
        item, node = facts.edges[relation]
        shape = (items, len(facts.vocabs[relation[2]]))
        blocks.append(sparse.csr_matrix((np.ones(len(item), np.float32), (item, node)), shape))
    return sparse.hstack(blocks, format="csr")


def directions(bag: sparse.csr_matrix, warm: np.ndarray) -> np.ndarray:
    """float32 [N, D]: rows of length 1 after weighting by log(M / n), n the warm items with a fact,
    in the first right singular vectors of the M warm rows; a fact of no warm item says nothing.
    """
    often = np.asarray((bag[warm] > 0).sum(axis=0)).ravel()
    idf = np.log((1 + len(warm)) / (1 + often)) * (often > 0)
    told = sparse.csr_matrix(bag @ sparse.diags(idf.astype(np.float32)))
    length = np.sqrt(np.asarray(told.multiply(told).sum(axis=1)).ravel())
    told = sparse.csr_matrix(sparse.diags(1 / np.maximum(length, 1e-12)) @ told)
    most = min(DIRECTIONS, min(len(warm), told.shape[1]) - 1)
    _, _, basis = randomized_svd(told[warm], most, n_iter=2, random_state=0)
    return np.asarray(told @ basis.T, np.float32)


def _unit_on_average(rows: np.ndarray) -> np.ndarray:
    size = np.linalg.norm(rows, axis=1)
    return np.asarray(rows / max(size[size > 0].mean() if (size > 0).any() else 1.0, 1e-12))
