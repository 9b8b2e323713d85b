"""Inner-product search: FAISS where it can be loaded, exact torch otherwise, same answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from kg.errors import DataError, UsageError
from models.tensors import disk_errors
from recsys.hits import Hits, top_k


class VectorIndex:
    """Exact maximum-inner-product search over float32 [N, D].

    `backend` "faiss" uses IndexFlatIP, "exact" plain matrix products, "auto" the first that
    works. Found items are sorted by score, ties by index; -1 and -inf mean nothing.
    """

    def __init__(
        self, vectors: np.ndarray, backend: Literal["auto", "faiss", "exact"] = "auto"
    ) -> None:
        vectors = np.ascontiguousarray(vectors, np.float32)
        if vectors.ndim != 2 or not np.isfinite(vectors).all():
            raise DataError("The vectors of a VectorIndex must be finite float32 [N, D].")
        self.vectors = vectors
        self._faiss: Any = None
        if backend != "exact":
            self._faiss = _flat(vectors, must=backend == "faiss")

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def backend(self) -> str:
        """Which of the two answers."""
        return "exact" if self._faiss is None else "faiss"

    def search(self, queries: np.ndarray, k: int) -> Hits:
        """The k best of each query float32 [B, D]; fewer than k where N < k."""
        if k < 1:
            raise UsageError(
                f"The 'k' parameter of VectorIndex.search must be >= 1. Got {k} instead."
            )
        queries = np.ascontiguousarray(queries, np.float32)
        if self._faiss is None or k > 2048 or len(self) == 0:
            return top_k(queries @ self.vectors.T, k)
        score, index = self._faiss.search(queries, min(k + 1, len(self)))  # one more shows ties
        hits = _sorted(index.astype(np.int64), score, k + 1)
        index, score = hits.index[:, :k].copy(), hits.score[:, :k].copy()
        cut = (hits.index[:, k] >= 0) & (hits.score[:, k - 1] == hits.score[:, k])
        if cut.any():  # FAISS leaves open which of the tied items it keeps
            exact = top_k(queries[cut] @ self.vectors.T, k)
            index[cut], score[cut] = exact.index, exact.score
        return Hits(index, score)

    def save(self, path: Path) -> None:
        """As a FAISS file (only where FAISS answers; the vectors are stored elsewhere anyway)."""
        if self._faiss is None:
            raise UsageError("Only an index that FAISS answers can be saved as a FAISS file.")
        import faiss

        with disk_errors(path, RuntimeError):
            faiss.write_index(self._faiss, str(path))

    @classmethod
    def load(cls, path: Path, vectors: np.ndarray) -> VectorIndex:
        """An index whose file was checked by hash before; its shape must fit `vectors` [N, D]."""
        out = cls(vectors, backend="exact")
        try:
            import faiss
        except ImportError:
            return out
        try:
            if hasattr(faiss, "set_deserialization_vector_byte_limit"):
                faiss.set_deserialization_vector_byte_limit(path.stat().st_size + 1024)
            index = faiss.read_index(str(path))
        except (RuntimeError, OSError, MemoryError) as error:
            raise DataError(f"{path} cannot be read: {str(error)[:120]}.") from None
        if index.d != vectors.shape[1] or index.ntotal != len(vectors):
            raise DataError(
                f"{path} holds {index.ntotal} vectors of width {index.d}; the run has "
                f"{len(vectors)} of width {vectors.shape[1]}: build it again with `kgintent index`."
            )
        out._faiss = index
        return out


def _flat(vectors: np.ndarray, must: bool) -> Any:
    try:
        import faiss
    except ImportError:
        if must:
            raise UsageError("FAISS is not installed: `pip install faiss-cpu`.") from None
        return None
    index = faiss.IndexFlatIP(vectors.shape[1])
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
