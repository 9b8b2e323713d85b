"""From queries to lists: the index, what is added to its scores, what may not be answered."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from kg.events import EventLog
from kg.sequences import Sequences
from recsys.hits import DENSE, Hits, top_k
from recsys.index import VectorIndex
from recsys.partners import Partners
from recsys.serving.items import ItemStore

OVERFETCH = 300
"""So many items more than k are found before they are filtered; or, where that is more, one in
`SHARE`. Beyond that, scoring all of them is quicker than the index."""
SHARE = 100


def index_of(
    items: ItemStore, partners: Partners, log: EventLog, before: VectorIndex | None = None
) -> VectorIndex:
    """An index of all `indexed_vectors`; with the one `before`, if FAISS made lists or a graph for
    it, as its extension, so that nothing waits for them.
    """
    vectors = indexed_vectors(items, partners, log)
    if before is None or before.kind == "exact" or before.vectors.shape[1] != vectors.shape[1]:
        return VectorIndex(vectors)
    return before.extended(vectors)


def indexed_vectors(items: ItemStore, partners: Partners, log: EventLog) -> np.ndarray:
    """float32 [N, D'], all item vectors, with the numbers that `queries_of` meets: their factors
    beside the model, if there are, and last their trend at the end of the log (0 for items that
    came later). Each row has those of its id.
    """
    columns = [items.vectors]
    if (factors := partners.factors) is not None:
        columns.append(factors.vectors[items.first])
    if partners.trend is not None:
        values = partners.trend.values(log)
        column = np.zeros((len(items), 1), np.float32)
        column[: len(values), 0] = values
        columns.append(column[items.first])
    return np.hstack(columns) if len(columns) > 1 else columns[0]


def queries_of(
    queries: np.ndarray, partners: Partners, histories: Sequences, *, mixed: bool
) -> np.ndarray:
    """What the index of `index_of` is asked with, for the model's queries float32 [U, D].

    `mixed`: the lists hold items that were met before, which the model counts.
    """
    columns, share = [queries], np.float32(partners.share(mixed=mixed))
    if (factors := partners.factors) is not None:
        columns.append(share * factors.queries(histories))
    if partners.trend is not None:
        columns.append(np.full((len(queries), 1), share, np.float32))
    return np.hstack(columns)


def trend_of(index: VectorIndex, code: int) -> float:
    """What the trend in an index of `index_of` that has one adds to the score of one item."""
    return float(index.vectors[code, -1])


def factors_of(index: VectorIndex, items: ItemStore, asked: np.ndarray, code: int) -> float:
    """What the factors in the index of `index_of` give one item, for those of a query [F]."""
    width = items.vectors.shape[1]
    return float(asked @ index.vectors[code, width : width + len(asked)])


def retrieve(
    index: VectorIndex,
    items: ItemStore,
    queries: np.ndarray,
    seen: Sequence[np.ndarray],
    k: int,
    added: sparse.csr_matrix | None = None,
    allowed: np.ndarray | None = None,
) -> Hits:
    """Hits [B, k] of queries float32 [B, D] as the index finds them, without hidden items and those
    `seen` (codes [L] of each query); of those `allowed` bool [N] only. `added` float32 [B, N] is
    added to the scores; a replaced item hands it to its newest row.
    """
    may = _both(items.shown, allowed)
    beside = 0 if added is None else int(np.diff(added.indptr).max(initial=0))
    extra = max((len(codes) for codes in seen), default=0) + beside
    if k + extra > max(OVERFETCH, len(items) // SHARE):
        return score_all(index, items, queries, seen, k, added, allowed)
    hits = index.search(queries, min(k + extra, max(len(items), 1)), may)
    if added is not None:
        hits = _with_added(hits, index, items, queries, added)
    bad = hits.index < 0
    if may is not None:
        bad |= ~may[np.maximum(hits.index, 0)]
    for row, codes in enumerate(seen):
        bad[row] |= np.isin(hits.index[row], items.newest[codes])
    order = np.argsort(bad, axis=1, kind="stable")[:, :k]
    found = np.where(
        np.take_along_axis(bad, order, 1), -1, np.take_along_axis(hits.index, order, 1)
    )
    score = np.where(found < 0, -np.inf, np.take_along_axis(hits.score, order, 1))
    return Hits(found, score.astype(np.float32))


def _both(shown: np.ndarray | None, allowed: np.ndarray | None) -> np.ndarray | None:
    if shown is None or allowed is None:
        return allowed if shown is None else shown
    return shown & allowed


def _with_added(
    hits: Hits, index: VectorIndex, items: ItemStore, queries: np.ndarray, added: sparse.csr_matrix
) -> Hits:
    """Items with an added score are scored by themselves and take their places among the hits."""
    rows = []
    for row in range(len(hits)):
        ends = slice(added.indptr[row], added.indptr[row + 1])
        codes, at = np.unique(items.newest[added.indices[ends]], return_inverse=True)
        more = np.bincount(at, added.data[ends], minlength=len(codes))
        own = index.vectors[codes] @ queries[row] + more.astype(np.float32)
        others = hits.mask[row] & ~np.isin(hits.index[row], codes)
        code = np.concatenate([hits.index[row][others], codes])
        score = np.concatenate([hits.score[row][others], own]).astype(np.float32)
        order = np.lexsort((code, -score))
        rows.append((code[order], score[order]))
    width = max((len(code) for code, _ in rows), default=0)
    found = np.full((len(rows), width), -1, np.int64)
    best = np.full((len(rows), width), -np.inf, np.float32)
    for row, (code, score) in enumerate(rows):
        found[row, : len(code)], best[row, : len(code)] = code, score
    return Hits(found, best)


def scores_of(
    index: VectorIndex,
    items: ItemStore,
    queries: np.ndarray,
    seen: Sequence[np.ndarray],
    added: sparse.csr_matrix | None = None,
    allowed: np.ndarray | None = None,
) -> np.ndarray:
    """float32 [B, N], the score of every item; -inf where `retrieve` would leave it out."""
    scores = np.asarray(queries @ index.vectors.T)
    if added is not None:
        more = added.tocoo()
        np.add.at(scores, (more.row, items.newest[more.col]), more.data)
    may = _both(items.shown, allowed)
    if may is not None:
        scores[:, ~may] = -np.inf
    row = np.repeat(np.arange(len(seen)), [len(some) for some in seen])
    scores[row, items.newest[np.concatenate([*seen, np.zeros(0, np.int64)])]] = -np.inf
    return scores


def score_all(
    index: VectorIndex,
    items: ItemStore,
    queries: np.ndarray,
    seen: Sequence[np.ndarray],
    k: int,
    added: sparse.csr_matrix | None = None,
    allowed: np.ndarray | None = None,
) -> Hits:
    """The same answers as an exact `retrieve`, from all scores: some queries at a time."""
    step = max(1, DENSE // max(len(items), 1))
    parts = []
    for start in range(0, len(queries), step):
        rows = slice(start, start + step)
        more = added[rows] if added is not None else None
        parts.append(top_k(scores_of(index, items, queries[rows], seen[rows], more, allowed), k))
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return Hits(np.zeros((0, k), np.int64), np.zeros((0, k), np.float32))
    return Hits(
        np.concatenate([part.index for part in parts]),
        np.concatenate([part.score for part in parts]),
    )
