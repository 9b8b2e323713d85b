"""Which index, and how hard it looks: by size, by change, and by the queries that people cause.

    index, choice = planned_index(vectors, queries, IndexConfig(recall=0.99))

Nobody needs a word of FAISS: up to some size everything is compared; beyond it lists of near
vectors are made, and the number of lists that a query visits is raised until the answers to real
queries (never to items taken for queries, which lie elsewhere) hold as much of the exact ones as
was asked for. If no effort is enough, everything is compared after all.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from recsys.hits import Hits
from recsys.index import Kind, Probe, VectorIndex, faiss_is_there

EXACT = 25_600_000
"""Up to so many numbers (200,000 vectors of 128) everything is compared: some 20 ms of one core."""
CODED = 1_280_000_000
"""From so many numbers on (ten million vectors of 128) codes of half a byte take less room."""
EFFORTS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048)
SPARE = {"ivf": (3,), "hnsw": (3,), "pq": (10, 30, 100)}
"""Candidates for each answer: coarse codes take more."""
TIMED = 200
"""Queries that are timed one by one."""


class IndexConfig(BaseModel):
    """What an index is asked for: the share `recall` of the exact first `k` answers.

    `kind` "auto" decides by the number of vectors times their width and by `changing`, the share of
    the items that come or change until it is built again: those are compared one by one anyway.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["auto", "exact", "ivf", "pq", "hnsw"] = "auto"
    recall: float = Field(default=0.99, gt=0, le=1)
    k: int = Field(default=10, ge=1, le=1000)
    changing: float = Field(default=0.05, ge=0, le=1)


@dataclass(frozen=True)
class Tried:
    """One setting: recall@k with its standard error over queries, milliseconds of one query."""

    effort: int
    spare: int
    recall: float
    error: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Choice:
    """The kind that was taken, why, and what was tried on how many queries on the way."""

    kind: Kind
    reason: str
    queries: int = 0
    tried: tuple[Tried, ...] = ()

    def told(self, config: IndexConfig) -> str:
        """In words, with what was measured."""
        if self.kind == "exact":
            return f"exact search: {self.reason}."
        last, visits = self.tried[-1], "nodes" if self.kind == "hnsw" else "lists"
        return (
            f"{self.kind}: {self.reason}. A query visits {last.effort} {visits} and finds "
            f"{last.recall:.4f} of the first {config.k} in {last.p50:.1f} ms (99 of 100 within "
            f"{last.p99:.1f} ms), measured on {self.queries:,} people's queries."
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def chosen_kind(count: int, width: int, config: IndexConfig) -> tuple[Kind, str]:
    """The kind for `count` vectors of this width, with its reason in words."""
    if config.kind != "auto":
        return config.kind, "it was asked for"
    size, told = count * width, f"{count:,} vectors of {width} numbers"
    kept = size * (1 - config.changing)  # what lists could spare
    if kept <= EXACT:
        many = f", {config.changing:.0%} of which change" if size > EXACT else ""
        return "exact", f"{told}{many} are soon compared one by one"
    if size >= CODED:
        return "pq", f"{told} are many, so that their codes must be short"
    return "ivf", f"{told} are too many to compare each with every query"


def planned_index(
    vectors: np.ndarray, queries: np.ndarray, config: IndexConfig | None = None, seed: int = 0
) -> tuple[VectorIndex, Choice]:
    """An index of vectors float32 [N, D] that answers real queries float32 [Q, D] as asked."""
    config = config or IndexConfig()
    kind, reason = chosen_kind(len(vectors), vectors.shape[1], config)
    if kind == "exact":
        return VectorIndex(vectors), Choice(kind, reason)
    if config.kind == "auto" and not faiss_is_there():
        return VectorIndex(vectors), Choice("exact", f"{reason}, but FAISS is not installed")
    if not len(queries):
        return VectorIndex(vectors), Choice("exact", f"{reason}, but nobody has asked anything yet")
    index = VectorIndex(vectors, kind=kind, seed=seed)
    index, tried = tuned(index, queries, config)
    if not enough(tried[-1], config):
        most = f"{tried[-1].recall:.4f} of the first {config.k} were the most that {kind} found"
        return VectorIndex(vectors), Choice("exact", f"{reason}, but {most}", len(queries), tried)
    return index, Choice(kind, reason, len(queries), tried)


def tuned(
    index: VectorIndex, queries: np.ndarray, config: IndexConfig
) -> tuple[VectorIndex, tuple[Tried, ...]]:
    """The least effort whose recall is surely enough, or the greatest; and all on the way."""
    truth = index.exact(queries, config.k)
    tried: list[Tried] = []
    for effort in EFFORTS:
        for spare in SPARE[index.kind]:
            index = index.probing(Probe(effort, spare))
            tried.append(measured(index, queries, truth))
            if enough(tried[-1], config):
                return index, tuple(tried)
    return index, tuple(tried)


def enough(found: Tried, config: IndexConfig) -> bool:
    """Whether the recall is reached by its one-sided 95 % bound."""
    return found.recall - 1.64 * found.error >= config.recall or found.recall == 1.0


def measured(index: VectorIndex, queries: np.ndarray, truth: Hits) -> Tried:
    """What the index finds of the exact answers `truth` [Q, k], and how long one query takes."""
    k = truth.index.shape[1]
    shares = recalls(index.search(queries, k), truth)
    p50, p99 = query_times(lambda query: index.search(query, k), queries[:TIMED])
    error = float(shares.std() / np.sqrt(len(shares)))
    return Tried(index.probe.effort, index.probe.spare, float(shares.mean()), error, p50, p99)


def recalls(found: Hits, truth: Hits) -> np.ndarray:
    """float [Q]: the share of the true answers that was found; 1 where there is none.

    An item of the same score as the last true one is as good as it. The same product, summed in
    another order, differs by as much as its terms are large, even where their sum is near 0.
    """
    last = np.where(truth.mask, truth.score, np.finfo(np.float32).max).min(axis=1)
    wanted = truth.mask.sum(axis=1)
    size = np.abs(np.where(truth.mask, truth.score, 0)).max(axis=1, initial=0)
    good = (found.mask & (found.score >= (last - 1e-5 * size)[:, None])).sum(axis=1)
    return np.where(wanted > 0, np.minimum(good, wanted) / np.maximum(wanted, 1), 1.0)


def query_times(search: Callable[[np.ndarray], object], queries: np.ndarray) -> tuple[float, float]:
    """The median and the 99th of a hundred of the milliseconds of one query [1, D]."""
    seconds = []
    for query in queries:
        start = time.perf_counter()
        search(query[None])
        seconds.append(time.perf_counter() - start)
    p50, p99 = np.percentile(1000 * np.array(seconds), [50, 99])
    return float(p50), float(p99)
