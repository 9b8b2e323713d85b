"""A new index for a recommender: planned on what its own users ask, now or beside the work.

rec, choice = reindexed(rec, IndexConfig(recall=0.99))

later = reindexing(rec)            # in a thread; meanwhile `rec` answers and changes
rec = rec.with_items(new)
rec = adopting(rec, later.result())
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from recsys.index import VectorIndex
from recsys.index_plan import Choice, IndexConfig, chosen_kind, planned_index
from recsys.recommender import Recommender
from recsys.retrieval import index_of, indexed_vectors

SAMPLE = 1000
"""So many people's queries say what an index has to find."""
WORN = 0.2
"""With this share of items that FAISS has not read, or that are in no answer any more but were
when it read them, a new index is due."""


def sample_queries(rec: Recommender, count: int, rng: np.random.Generator) -> np.ndarray:
    """float32 [Q, D'], Q <= count: what the index is asked with for people who have a history."""
    known = np.flatnonzero(rec.histories.lengths)
    rows = rng.choice(known, min(count, len(known)), replace=False)
    return rec.index_queries(np.sort(rows))


def reindexed(
    rec: Recommender, config: IndexConfig | None = None, seed: int = 0
) -> tuple[Recommender, Choice]:
    """The same recommender with an index that was planned for it, and why it is this one."""
    index, choice = _planned(rec, config, seed)
    return replace(rec, index=index), choice


def _planned(rec: Recommender, config: IndexConfig | None, seed: int) -> tuple[VectorIndex, Choice]:
    config = config or IndexConfig()
    vectors = indexed_vectors(rec.items, rec.partners, rec.log)
    if chosen_kind(len(vectors), vectors.shape[1], config)[0] == "exact":  # asks nobody
        return planned_index(vectors, vectors[:0], config)
    queries = sample_queries(rec, SAMPLE, np.random.default_rng(seed))
    index, choice = planned_index(vectors, queries, config, seed)
    index.hidden = rec.items.hidden  # FAISS reads these too: what is sold out may come back
    return index, choice


def worn(rec: Recommender) -> float:
    """The share of the items that its index has not read or that are hidden and were not when it
    was made; 0 for an exact one.
    """
    index = rec.index
    if index.kind == "exact":
        return 0.0
    return index.fresh + float((rec.items.hidden[: index.built] & ~index.hidden).mean())


def outgrown(rec: Recommender, config: IndexConfig, count: int) -> bool:
    """Whether another kind would be chosen for its items now than when its index was chosen: of
    `count` of them, if it is exact. What was chosen then is asked for, not what came of it: a kind
    that was too weak is not tried at each change.
    """
    made = count if rec.index.kind == "exact" else rec.index.built
    now, width = rec.index.vectors.shape
    return chosen_kind(made, width, config)[0] != chosen_kind(now, width, config)[0]


def reindexing(
    rec: Recommender, config: IndexConfig | None = None, seed: int = 0
) -> Future[VectorIndex]:
    """The new index of `reindexed`, made in a thread of its own: FAISS lets others work."""
    pool = ThreadPoolExecutor(1, "reindexing")
    future = pool.submit(lambda: _planned(rec, config, seed)[0])
    pool.shutdown(wait=False)
    return future


def adopting(rec: Recommender, index: VectorIndex) -> Recommender:
    """This recommender with an index that was made of an earlier one of it: what came since is
    compared one by one, what went is in no answer.
    """
    return replace(rec, index=index_of(rec.items, rec.partners, rec.log, index))
