"""A million vectors: what the index that chooses itself finds, how fast, in how much room.

    python benchmarks/retrieval/scale.py --out OUT [--items 1000000] [--width 128] [--threads 1]
        [--methods kgintent hnsw hnswlib usearch]

Exact search, kgintent's planned index (nothing is told to it but the vectors and 500 queries to
tune on), its graph, and hnswlib and usearch (`pip install hnswlib usearch`), all in one run, asked
the same 500 other queries one by one. The libraries search by inner product with M 16 and
efConstruction 100, and the least ef that reaches recall@10 .99, or 1024. Memory is that of the
vectors and of what the index holds beside or in them. The result so far is in OUT after each step.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from crowd import crowd
from threadpoolctl import threadpool_limits

sys.path.append(str(Path(__file__).parents[1] / "accuracy"))

from run import versions

from kg.folders import write_text
from recsys.hits import Hits
from recsys.index import VectorIndex
from recsys.index_plan import IndexConfig, planned_index, query_times, recalls

K, EFFORTS = 10, (16, 32, 64, 128, 256, 512, 1024)
Search = Callable[[np.ndarray], np.ndarray]
"""Queries [B, D] to numbers of items int64 [B, K]."""


def main(words: list[str] | None = None) -> None:
    args = _arguments(words)
    with threadpool_limits(args.threads):
        vectors, queries = crowd(args.items, args.width, 1000, args.seed)
        tuning, asked = queries[:500], queries[500:]
        told: dict[str, Any] = {
            "items": args.items, "width": args.width, "threads": args.threads, "seed": args.seed,
            "command": " ".join(["scale.py", *(sys.argv[1:] if words is None else words)]),
            "versions": versions(), "raw_mb": vectors.nbytes / 1e6, "rows": {},
        }  # fmt: skip
        truth, times = exact(vectors, asked)
        told["rows"]["exact"] = {"recall": 1.0, **times, "memory": 1.0}
        for name in args.methods:
            started = time.perf_counter()
            row = METHODS[name](vectors, tuning, asked, truth, args)
            row["ratio"] = told["rows"]["exact"]["p50"] / row["p50"]
            row["whole_s"] = time.perf_counter() - started
            row["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
            told["rows"][name] = row
            print(name, {k: v for k, v in row.items() if k != "tried"}, flush=True)
            write_text(args.out, json.dumps(told, indent=1) + "\n")


def exact(vectors: np.ndarray, asked: np.ndarray) -> tuple[Hits, dict[str, float]]:
    """The true answers, and how long FAISS takes to compare all for one query."""
    flat = VectorIndex(vectors)
    return flat.exact(asked, K), timed(lambda query: flat.search(query, K).index, asked[:50])


def timed(search: Search, queries: np.ndarray) -> dict[str, float]:
    """Milliseconds of one query: the median and the 99th of a hundred."""
    return dict(zip(("p50", "p99"), query_times(search, queries), strict=True))


def found(
    vectors: np.ndarray, asked: np.ndarray, truth: Hits, index: np.ndarray
) -> dict[str, float]:
    """recall@10 of numbers of items [B, K], with its standard error."""
    score = np.einsum("bkd,bd->bk", vectors[index], asked)
    order = np.argsort(-score, axis=1, kind="stable")
    hits = Hits(np.take_along_axis(index, order, 1), np.take_along_axis(score, order, 1))
    shares = recalls(hits, truth)
    return {"recall": float(shares.mean()), "error": float(shares.std() / len(shares) ** 0.5)}


def ours(
    vectors: np.ndarray, tuning: np.ndarray, asked: np.ndarray, truth: Hits, args: Any
) -> dict[str, Any]:
    return _planned(vectors, tuning, asked, truth, IndexConfig())


def graph(
    vectors: np.ndarray, tuning: np.ndarray, asked: np.ndarray, truth: Hits, args: Any
) -> dict[str, Any]:
    """Our graph, on vectors of one length (others are refused), with its own exact answers."""
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    truth = VectorIndex(vectors, "exact").exact(asked, K)
    return _planned(vectors, tuning, asked, truth, IndexConfig(kind="hnsw"))


def _planned(
    vectors: np.ndarray, tuning: np.ndarray, asked: np.ndarray, truth: Hits, config: IndexConfig
) -> dict[str, Any]:
    started = time.perf_counter()
    index, choice = planned_index(vectors, tuning, config)
    built = time.perf_counter() - started
    shares = recalls(index.search(asked, K), truth)
    return {
        "recall": float(shares.mean()), "error": float(shares.std() / len(shares) ** 0.5),
        **timed(lambda query: index.search(query, K).index, asked), "build_s": built,
        "memory": 1 + index.bytes_of_faiss / vectors.nbytes, **choice.as_dict(),
    }  # fmt: skip


def hnswlib(
    vectors: np.ndarray, tuning: np.ndarray, asked: np.ndarray, truth: Hits, args: Any
) -> dict[str, Any]:
    import hnswlib

    started = time.perf_counter()
    index = hnswlib.Index(space="ip", dim=vectors.shape[1])
    index.init_index(len(vectors), ef_construction=100, M=16, random_seed=args.seed)
    index.add_items(vectors, num_threads=args.threads)
    built = time.perf_counter() - started
    file = args.out.with_suffix(".hnswlib")
    index.save_index(str(file))
    size = file.stat().st_size / vectors.nbytes
    file.unlink()

    def search(query: np.ndarray) -> np.ndarray:
        return np.asarray(index.knn_query(query, K, num_threads=1)[0], np.int64)

    return _tuned(vectors, asked, truth, search, index.set_ef) | {
        "build_s": built, "memory": size,
    }  # fmt: skip


def usearch(
    vectors: np.ndarray, tuning: np.ndarray, asked: np.ndarray, truth: Hits, args: Any
) -> dict[str, Any]:
    from usearch.index import Index

    started = time.perf_counter()
    index = Index(ndim=vectors.shape[1], metric="ip", dtype="f32", connectivity=16,
                  expansion_add=100)  # fmt: skip
    index.add(np.arange(len(vectors)), vectors, threads=args.threads)
    built = time.perf_counter() - started

    def search(query: np.ndarray) -> np.ndarray:
        out = [index.search(one, K).keys for one in query]
        return np.stack(out).astype(np.int64)

    def set_ef(ef: int) -> None:
        index.expansion_search = ef

    return _tuned(vectors, asked, truth, search, set_ef) | {
        "build_s": built, "memory": index.memory_usage / vectors.nbytes,
    }  # fmt: skip


def _tuned(
    vectors: np.ndarray, asked: np.ndarray, truth: Hits, search: Search,
    set_ef: Callable[[int], None],
) -> dict[str, Any]:  # fmt: skip
    """With the least ef of `EFFORTS` that is enough (chosen on the queries that judge it, to the
    library's advantage), or the last.
    """
    for ef in EFFORTS:
        set_ef(ef)
        row = found(vectors, asked, truth, search(asked))
        if row["recall"] >= 0.99:
            break
    return {**row, "ef": ef, **timed(search, asked)}


METHODS = {"kgintent": ours, "hnsw": graph, "hnswlib": hnswlib, "usearch": usearch}


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="A JSON file.")
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[*METHODS])
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
