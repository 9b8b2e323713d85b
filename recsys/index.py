"""Inner-product search: FAISS proposes, exact products decide; without FAISS all are computed.

An exact index compares a query with every vector. An approximate one (`Kind`) visits a part of them
by FAISS and then scores what it was offered by the vectors themselves, so its scores are exact and
only its choice is not. Vectors that came since FAISS read them (`extended`) are compared one by one
like those of a small set (`allowed`); none is ever taken out of FAISS' own structure.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from kg.errors import DataError, UsageError
from models.tensors import disk_errors
from recsys.hits import Hits, top_k

Kind = Literal["exact", "ivf", "pq", "hnsw"]
"""exact; ivf: the nearest of many lists, a byte a number; pq: the same, half a byte for two
numbers; hnsw: a graph of near vectors, for vectors of about one length."""
KINDS: tuple[Kind, ...] = get_args(Kind)
FEW, FEW_OF = 20_000, 0.05
"""So many allowed vectors, or such a share of all, are compared one by one: many a filter leaves a
graph or a list without a way to what it allows."""
EVEN = 1.5
"""The longest vector over the median one, at most, for a graph: with others an inner product has
hubs to which every way leads (facebookresearch/faiss, issue 1496)."""
BLOCK = 30_000_000
"""The numbers in a dense block of candidates, at most (but those of at least one query)."""
APART = 0.1
"""A vector that has moved by more of its length in all is another than FAISS has read."""


@dataclass(frozen=True)
class Probe:
    """How much of an approximate index a query visits: `effort` lists (ivf, pq) or nodes of the
    graph (hnsw), and how many candidates are scored for each answer (`spare`).
    """

    effort: int = 64
    spare: int = 3


class VectorIndex:
    """Maximum-inner-product search over float32 [N, D].

    `backend` "faiss" uses FAISS, "exact" plain matrix products, "auto" the first that works; a
    `kind` that is not exact needs FAISS. `probe` says how hard an approximate one looks; the draws
    of its clustering are from `seed`. Found items are sorted by score, ties by index; -1 and -inf
    mean nothing.
    """

    def __init__(
        self,
        vectors: np.ndarray,
        backend: Literal["auto", "faiss", "exact"] = "auto",
        kind: Kind = "exact",
        probe: Probe | None = None,
        seed: int = 0,
    ) -> None:
        self.vectors = _checked(vectors)
        self.kind, self.probe = _known(kind), probe or Probe()
        self.built = len(self.vectors)
        """So many of the vectors, the first ones, FAISS has read."""
        self.moved = np.zeros(self.built, np.float32)
        """How far each of them has moved since, in lengths of its own."""
        self.hidden = np.zeros(self.built, bool)
        """Which of them were in no answer then: none, unless who built it says so."""
        self._faiss: Any = None
        if kind != "exact":
            self._faiss = _approximate(self.vectors, kind, seed)
        elif backend != "exact":
            self._faiss = _flat(self.vectors, must=backend == "faiss")

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def backend(self) -> str:
        """Which of the two answers."""
        return "exact" if self._faiss is None else "faiss"

    @property
    def changed(self) -> np.ndarray:
        """Those that FAISS has read, int64, ascending, that have become others since."""
        return np.flatnonzero(self.moved > APART)

    @property
    def fresh(self) -> float:
        """The share of the vectors that FAISS has not read: each query is compared with them."""
        return 1 - (self.built - len(self.changed)) / max(len(self), 1)

    @property
    def bytes_of_faiss(self) -> int:
        """The size of FAISS' own structure, beside the vectors; 0 without one."""
        if self._faiss is None:
            return 0
        faiss = _library()

        return int(faiss.serialize_index(self._faiss).nbytes)

    def probing(self, probe: Probe) -> VectorIndex:
        """The same index, looking so hard."""
        return self._like(self.vectors, probe, self.moved)

    def extended(self, vectors: np.ndarray) -> VectorIndex:
        """An index of these vectors [M, D], M >= N, that uses what FAISS has read of the first N:
        where one has moved a little since, the choice of candidates is of then; where by more
        than `APART` in all, every query is compared with it, as with those that came since.
        """
        vectors = _checked(vectors)
        if vectors.shape[1] != self.vectors.shape[1] or len(vectors) < self.built:
            raise DataError(
                f"An index of {self.built} vectors of width {self.vectors.shape[1]} can only be "
                f"extended by such. Got {len(vectors)} of width {vectors.shape[1]}."
            )
        if self.kind == "exact":
            return VectorIndex(vectors, "auto" if self._faiss is not None else "exact")
        read = self.vectors[: self.built]
        far = np.linalg.norm(vectors[: self.built] - read, axis=1)
        length = np.maximum(np.linalg.norm(read, axis=1), 1e-12)
        return self._like(vectors, self.probe, self.moved + (far / length).astype(np.float32))

    def _like(self, vectors: np.ndarray, probe: Probe, moved: np.ndarray) -> VectorIndex:
        out = VectorIndex.__new__(VectorIndex)
        out.vectors, out.kind, out.probe, out.moved = vectors, self.kind, probe, moved
        out.built, out.hidden, out._faiss = self.built, self.hidden, self._faiss
        return out

    def search(self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None) -> Hits:
        """The k best of each query float32 [B, D]; fewer than k where N < k.

        `allowed` bool [N]: only these, and all of them if they are fewer than k.
        """
        if k < 1:
            raise UsageError(
                f"The 'k' parameter of VectorIndex.search must be >= 1. Got {k} instead."
            )
        k, queries = int(k), np.ascontiguousarray(queries, np.float32)  # FAISS asks for an int
        if self.kind != "exact" and (allowed is None or _many(allowed)):
            return self._proposed(queries, k, allowed)
        if allowed is not None:
            return self._among(queries, k, allowed)
        if self._faiss is None or k > 2048 or len(self) == 0:
            return _compared(queries, self.vectors, k)
        score, index = self._faiss.search(queries, min(k + 1, len(self)))  # one more shows ties
        hits = _sorted(index.astype(np.int64), score, k + 1)
        index, score = hits.index[:, :k].copy(), hits.score[:, :k].copy()
        cut = (hits.index[:, k] >= 0) & (hits.score[:, k - 1] == hits.score[:, k])
        if cut.any():  # FAISS leaves open which of the tied items it keeps
            exact = top_k(queries[cut] @ self.vectors.T, k)
            index[cut], score[cut] = exact.index, exact.score
        return Hits(index, score)

    def exact(self, queries: np.ndarray, k: int, allowed: np.ndarray | None = None) -> Hits:
        """The same question, compared with every vector: what an approximate index is judged by."""
        if allowed is not None:
            return self._among(queries, k, allowed)
        return _compared(queries, self.vectors, k)

    def _among(self, queries: np.ndarray, k: int, allowed: np.ndarray) -> Hits:
        rows = np.flatnonzero(allowed)
        if len(rows) > len(self) // 4:  # a copy of so many vectors takes longer than all products
            return _compared(queries, self.vectors, k, allowed)
        hits = _compared(queries, self.vectors[rows], k)
        found = rows[np.maximum(hits.index, 0)] if len(rows) else hits.index
        return Hits(np.where(hits.mask, found, -1), hits.score)

    def _proposed(self, queries: np.ndarray, k: int, allowed: np.ndarray | None) -> Hits:
        """The best of what FAISS offers and of what it has not read."""
        want = min(self.built, k * self.probe.spare)
        unread = round(self.fresh * len(self))
        step = max(1, BLOCK // (max(want, 1) * self.vectors.shape[1] + unread))
        there = len(self) if allowed is None else int(allowed.sum())
        parts = []
        for at in range(0, max(len(queries), 1), step):
            some = queries[at : at + step]
            hits = self._scored(some, self._offered(some, want, allowed), k, allowed)
            short = hits.mask.sum(axis=1) < min(k, there)
            if short.any():  # too few in the lists or on the ways that were visited
                hits = hits.replaced(short, self.exact(some[short], k, allowed))
            parts.append(hits)
        return _joined(parts)

    def _offered(self, queries: np.ndarray, want: int, allowed: np.ndarray | None) -> np.ndarray:
        """int64 [B, want], -1: nothing."""
        faiss = _library()

        effort, more = self.probe.effort, {}
        if allowed is not None:
            some = allowed[: self.built]
            bits = np.packbits(some, bitorder="little")
            more["sel"] = faiss.IDSelectorBitmap(bits)
            effort = int(effort / max(some.mean(), FEW_OF))  # what is allowed lies further apart
        if self.kind == "hnsw":
            params = faiss.SearchParametersHNSW(efSearch=max(effort, want), **more)
        else:
            params = faiss.SearchParametersIVF(nprobe=min(effort, self._faiss.nlist), **more)
        return np.asarray(self._faiss.search(self._wide(queries), want, params=params)[1])

    def _wide(self, vectors: np.ndarray) -> np.ndarray:
        return _padded(vectors) if self.kind == "pq" else vectors

    def _scored(
        self, queries: np.ndarray, offered: np.ndarray, k: int, allowed: np.ndarray | None
    ) -> Hits:
        rows = np.sort(offered, axis=1)  # so that ties go to the smaller index
        score = np.einsum("bwd,bd->bw", self.vectors[np.maximum(rows, 0)], queries)
        changed = self.changed
        unread = np.concatenate([changed, np.arange(self.built, len(self))])
        score[(rows < 0) | np.isin(rows, changed)] = -np.inf
        tail = queries @ self.vectors[unread].T
        if allowed is not None:
            tail[:, ~allowed[unread]] = -np.inf
        late = np.broadcast_to(unread, tail.shape)
        index = np.concatenate([rows, late], axis=1)
        hits = top_k(np.concatenate([score, tail], axis=1), k)
        found = np.take_along_axis(index, np.maximum(hits.index, 0), axis=1) if index.size else -1
        return Hits(np.where(hits.mask, found, -1), hits.score)

    def save(self, path: Path) -> None:
        """As a FAISS file (only where FAISS answers; the vectors are stored elsewhere anyway)."""
        if self._faiss is None:
            raise UsageError("Only an index that FAISS answers can be saved as a FAISS file.")
        faiss = _library()

        with disk_errors(path, RuntimeError):
            faiss.write_index(self._faiss, str(path))

    @classmethod
    def load(
        cls, path: Path, vectors: np.ndarray, kind: Kind = "exact", probe: Probe | None = None,
        moved: np.ndarray | None = None, hidden: np.ndarray | None = None,
    ) -> VectorIndex:  # fmt: skip
        """An index whose file was checked by hash before; its shape must fit `vectors` [N, D].

        An approximate one may have read fewer of them, which have `moved` since or were `hidden`
        then.
        Without FAISS the answers are exact.
        """
        out = cls(vectors, backend="exact")
        try:
            faiss = _library()
        except ImportError:
            return out
        try:
            with _no_longer_than(faiss, path.stat().st_size + _spare(kind, out.vectors)):
                index = faiss.read_index(str(path))
        except (RuntimeError, OSError, MemoryError) as error:
            raise DataError(f"{path} cannot be read: {str(error)[:120]}.") from None
        out.kind, out.probe = _known(kind), probe or Probe()
        width, exact = out._wide(out.vectors[:1]).shape[1], kind == "exact"
        rows = len(vectors) if exact else min(index.ntotal, len(vectors))
        if index.d != width or index.ntotal != rows or type(index).__name__ not in _CLASSES[kind]:
            raise DataError(
                f"{path} holds {index.ntotal} vectors of width {index.d}; the run has "
                f"{len(vectors)} of width {width}: build it again with `kgintent index`."
            )
        out._faiss, out.built = index, index.ntotal
        out.moved = np.zeros(out.built, np.float32) if moved is None else moved[: out.built]
        out.hidden = np.zeros(out.built, bool) if hidden is None else hidden[: out.built]
        return out


@contextlib.contextmanager
def _no_longer_than(faiss: Any, size: int) -> Iterator[None]:
    """While FAISS reads a file, what a damaged one may ask for; other reads (of a pickle, of a deep
    copy) are not bound by it.
    """
    if not hasattr(faiss, "set_deserialization_vector_byte_limit"):
        yield
        return
    before = faiss.get_deserialization_vector_byte_limit()
    faiss.set_deserialization_vector_byte_limit(size)
    try:
        yield
    finally:
        faiss.set_deserialization_vector_byte_limit(before)


_CLASSES = {
    "exact": ("IndexFlat", "IndexFlatIP"), "ivf": ("IndexIVFScalarQuantizer",),
    "pq": ("IndexIVFPQFastScan",), "hnsw": ("IndexHNSWSQ",),
}  # fmt: skip


def spread(vectors: np.ndarray) -> float:
    """The length of the longest vector over that of the median one; inf if most are zero."""
    lengths = np.linalg.norm(vectors, axis=1)
    middle = float(np.median(lengths)) if len(lengths) else 0.0
    return float(lengths.max()) / middle if middle > 0 else np.inf


def _compared(
    queries: np.ndarray, vectors: np.ndarray, k: int, allowed: np.ndarray | None = None
) -> Hits:
    """The k best of all vectors [N, D], or of those `allowed` [N], some queries at a time."""
    step, parts = max(1, BLOCK // max(len(vectors), 1)), []
    for at in range(0, max(len(queries), 1), step):
        scores = queries[at : at + step] @ vectors.T
        if allowed is not None:
            scores[:, ~allowed] = -np.inf
        parts.append(top_k(scores, k))
    return _joined(parts)


def _checked(vectors: np.ndarray) -> np.ndarray:
    vectors = np.ascontiguousarray(vectors, np.float32)
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise DataError("The vectors of a VectorIndex must be finite float32 [N, D].")
    return vectors


def _known(kind: Kind) -> Kind:
    if kind not in KINDS:
        raise UsageError(f"The kind of a VectorIndex must be of {', '.join(KINDS)}. Got {kind!r}.")
    return kind


def _many(allowed: np.ndarray) -> bool:
    """Whether there are too many to compare one by one."""
    return int(np.count_nonzero(allowed)) > max(FEW, FEW_OF * len(allowed))


def _padded(vectors: np.ndarray) -> np.ndarray:
    """With zeros up to a multiple of four numbers: a code of pq is of two, and two are read at a
    time.
    """
    return np.pad(vectors, ((0, 0), (0, -vectors.shape[1] % 4)))


def _library() -> Any:
    import faiss

    return faiss


def faiss_is_there() -> bool:
    """Whether an index of another kind than exact can be made here."""
    try:
        _library()
    except ImportError:
        return False
    return True


def _flat(vectors: np.ndarray, must: bool) -> Any:
    try:
        faiss = _library()
    except ImportError:
        if must:
            raise UsageError("FAISS is not installed: `pip install faiss-cpu`.") from None
        return None
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    return index


PER_LIST = 40
"""Vectors that a list's centre is made of (39 is the least without a warning of FAISS)."""
LEAST = 64
"""Fewer vectors teach no lists and no codes."""


def _approximate(vectors: np.ndarray, kind: Kind, seed: int) -> Any:
    try:
        faiss = _library()
    except ImportError:
        raise UsageError(f"An index of kind {kind!r} needs `pip install faiss-cpu`.") from None
    if len(vectors) < LEAST:
        raise UsageError(
            f"An index of kind {kind!r} must have at least {LEAST} vectors. Got {len(vectors)}: "
            "take 'exact'."
        )
    if kind == "hnsw":
        return _graph(vectors)
    if kind == "pq":
        vectors = _padded(vectors)
    width = vectors.shape[1]
    lists = _lists(len(vectors))
    codes = "SQ8" if kind == "ivf" else f"PQ{width // 2}x4fs"
    index = faiss.index_factory(width, f"IVF{lists},{codes}", faiss.METRIC_INNER_PRODUCT)
    index.cp.seed, index.cp.niter, index.cp.max_points_per_centroid = seed, 10, PER_LIST
    if kind == "pq":  # from few vectors on: without a warning of FAISS for each pair of numbers
        index.pq.cp.min_points_per_centroid = 1
    index.train(vectors)
    index.add(vectors)
    return index


def _lists(size: int) -> int:
    """How many lists so many vectors are put in."""
    return max(1, min(int(4 * np.sqrt(size)), size // PER_LIST))


def _spare(kind: Kind, vectors: np.ndarray) -> int:
    """Bytes beside those of the file that reading it may take: of short codes FAISS makes a table,
    for each list 16 numbers of each code of 4 bits, and counts it too.
    """
    if kind != "pq":
        return 1024
    return 1024 + 2 * _lists(len(vectors)) * vectors.shape[1] * 16 * 4


def _graph(vectors: np.ndarray) -> Any:
    faiss = _library()

    if (uneven := spread(vectors)) > EVEN:
        raise UsageError(
            f"An index of kind 'hnsw' must have vectors of about one length: the longest at most "
            f"{EVEN} times the median. Got {uneven:.1f} times: take 'ivf'."
        )
    index = faiss.IndexHNSWSQ(
        vectors.shape[1], faiss.ScalarQuantizer.QT_8bit, 16, faiss.METRIC_INNER_PRODUCT
    )
    index.hnsw.efConstruction = 80
    index.train(vectors)
    index.add(vectors)
    return index


def _sorted(index: np.ndarray, score: np.ndarray, k: int) -> Hits:
    """FAISS leaves the order of ties open; and pad to k columns."""
    order = np.lexsort((index, -score))
    index, score = np.take_along_axis(index, order, 1), np.take_along_axis(score, order, 1)
    score = np.where(index < 0, -np.inf, score).astype(np.float32)
    short = k - index.shape[1]
    if short > 0:
        index = np.pad(index, ((0, 0), (0, short)), constant_values=-1)
        score = np.pad(score, ((0, 0), (0, short)), constant_values=-np.inf)
    return Hits(index, score)


def _joined(parts: list[Hits]) -> Hits:
    if len(parts) == 1:
        return parts[0]
    index, score = [part.index for part in parts], [part.score for part in parts]
    return Hits(np.concatenate(index), np.concatenate(score))
