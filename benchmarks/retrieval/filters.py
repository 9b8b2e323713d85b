"""Twenty filters, from one vector in ten thousand to half of them: is what they allow found?

    python benchmarks/retrieval/filters.py --out OUT [--items 100000] [--kinds exact ivf pq]

Ten filters allow items at random, ten the items nearest to a direction (as a category does), each
of the shares .0001 to .5. recall@10 of 200 queries one by one, and the median of their times, for
each kind of index. An index of so few vectors would be exact of itself; the others are told to be.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from crowd import crowd
from scale import timed
from threadpoolctl import threadpool_limits

sys.path.append(str(Path(__file__).parents[1] / "accuracy"))

from run import versions

from kg.folders import write_text
from recsys.index import VectorIndex
from recsys.index_plan import IndexConfig, planned_index, recalls

SHARES = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.06, 0.12, 0.25, 0.5)


def main(words: list[str] | None = None) -> None:
    args = _arguments(words)
    command = " ".join(["filters.py", *(sys.argv[1:] if words is None else words)])
    told: dict[str, Any] = {
        "items": args.items, "versions": versions(), "command": command, "rows": {},
    }  # fmt: skip
    with threadpool_limits(1):
        vectors, queries = crowd(args.items, 128, 500, args.seed)
        tuning, asked = queries[:300], queries[300:]
        for kind in args.kinds:
            index, choice = planned_index(vectors, tuning, IndexConfig(kind=kind))
            told["rows"][kind] = {"choice": choice.as_dict(), "filters": []}
            for how, share, allowed in filters(vectors, args.seed):
                row = {"how": how, "share": share, **filtered(index, asked, allowed)}
                told["rows"][kind]["filters"].append(row)
                print(kind, row, flush=True)
                write_text(args.out, json.dumps(told, indent=1) + "\n")


def filtered(index: VectorIndex, asked: np.ndarray, allowed: np.ndarray) -> dict[str, Any]:
    """How many are allowed, recall@10 of the queries, and their times."""
    found = index.search(asked, 10, allowed)
    shares = recalls(found, index.exact(asked, 10, allowed))
    times = timed(lambda query: index.search(query, 10, allowed).index, asked)
    return {"allowed": int(allowed.sum()), "recall": float(shares.mean()), **times}


def filters(vectors: np.ndarray, seed: int) -> list[tuple[str, float, np.ndarray]]:
    """How it was drawn, its share, and bool [N] of each filter."""
    rng, out = np.random.default_rng(seed), []
    for share in SHARES:
        count = max(1, round(share * len(vectors)))
        drawn = np.zeros(len(vectors), bool)
        drawn[rng.choice(len(vectors), count, replace=False)] = True
        out.append(("at random", share, drawn))
        near = vectors @ vectors[rng.integers(len(vectors))]
        alike = np.zeros(len(vectors), bool)
        alike[np.argpartition(-near, count - 1)[:count]] = True
        out.append(("alike", share, alike))
    return out


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="A JSON file.")
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--kinds", nargs="+", default=["exact", "ivf", "pq"])
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
