"""How long items take to be recommendable, beside the encoder's own time.

    python benchmarks/cold_start/speed.py RUN --out OUT [--items 10000] [--threads 1]

RUN is any trained run (`kgintent demo` makes one). New items are copies of its own under new ids,
with their titles and facts; their text vectors are given, as by a cache. One item is added eleven
times (the first, which reads what the others reuse, apart), then `--items` of them at once, three
times; then one is answered with. The least of each is told, and all of them.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import siblings  # noqa: F401
from threadpoolctl import threadpool_limits
from units import versions, write_json

from kg.catalog import Catalog
from recsys.recommender import Recommender


class Known:
    """An encoder whose vectors are ready."""

    id = "known"

    def __init__(self, vectors: np.ndarray) -> None:
        self.vectors = vectors

    def encode(self, texts: list[str]) -> np.ndarray:
        """float32 [n, T], whatever the texts."""
        return np.resize(self.vectors, (len(texts), self.vectors.shape[1]))


def main(words: list[str] | None = None) -> None:
    args = _arguments(words)
    with threadpool_limits(args.threads):
        rec = Recommender.load(args.run)
        rec = replace(rec, encoder=Known(rec.items.text[: rec.items.trained]))
        one, many = copies(rec, 1), copies(rec, args.items)
        single = [seconds(rec, one) for _ in range(11)]
        whole = [seconds(rec, many) for _ in range(3)]
        told = {
            "items_there": len(rec.items), "width": rec.index.vectors.shape[1],
            "first_ms": 1000 * single[0], "one_ms": 1000 * min(single[1:]), "items": args.items,
            "seconds": min(whole), "all": {"one": single, "many": whole}, "versions": versions(),
            "threads": args.threads,
            "command": "speed.py RUN --out OUT",
        }  # fmt: skip
        write_json(args.out, told)
        print(json.dumps({key: told[key] for key in ("first_ms", "one_ms", "items", "seconds")}))


def copies(rec: Recommender, count: int) -> Catalog:
    """Items with the titles and facts of those that are there, again and again."""
    graph, n = rec.model.graph, rec.items.trained
    cells: dict[str, list[list[str]]] = {}
    for source, name, kind in graph.fact_relations:
        if source != "item" or kind == "item":
            continue
        own: list[list[str]] = [[] for _ in range(n)]
        for item, node in graph.edges[source, name, kind].T.tolist():
            own[item].append(graph.vocabs[kind].ids[node])
        cells[name] = [own[row % n] for row in range(count)]
    titles = [rec.catalog.titles[row % n] for row in range(count)]
    return Catalog.of([f"copy-{row:07d}" for row in range(count)], titles, None, cells)


def seconds(rec: Recommender, new: Catalog) -> float:
    """Until somebody could be answered with them."""
    start = time.perf_counter()
    found = rec.with_items(new)
    assert len(found.index) == len(rec.items) + len(new)
    return time.perf_counter() - start


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="A JSON file.")
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
