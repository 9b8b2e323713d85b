"""How long it takes to make a graph: of a million N-Triples, and of a table of 100,000 items.

    OMP_NUM_THREADS=1 POLARS_MAX_THREADS=1 taskset -c 0 python benchmarks/kg/load.py --out OUT

Both are drawn from a seed: films with a type, label, year, director and actors; goods with a
brand, a path of three parts, a price, three tags and a date. Each is read in a process of its own.
Writes OUT/load.json: seconds on the clock and of the processor, peak memory, what was made.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

LINE = "brand,category:hierarchy(>),price:bins(5),tags:list(|),released:year"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--triples", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", choices=("rdf", "table"), help="One of them, of --file, told.")
    parser.add_argument("--file", type=Path)
    args = parser.parse_args()
    if args.only:
        print(json.dumps(measured(args.only, args.file)))
        return
    told: dict[str, Any] = {
        "triples": args.triples, "items": args.items, "machine": platform.machine(),
        "versions": {name: version(name) for name in ("kgintent", "polars", "pyoxigraph")},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as work:
        films, goods = Path(work) / "films.nt", Path(work) / "goods.csv"
        write_films(films, args.triples)
        write_goods(goods, args.items)
        for kind, file in (("rdf", films), ("table", goods)):
            words = [sys.executable, __file__, "--out", work, "--only", kind, "--file", str(file)]
            said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
            told[kind] = json.loads(said)
            print(kind, told[kind])
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "load.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def measured(kind: str, file: Path) -> dict[str, Any]:
    """What one reading costs, its imports left out."""
    from kg.building.from_table import from_table
    from kg.formats import read_any

    clock, used = time.perf_counter(), time.process_time()
    if kind == "rdf":
        tables = read_any(file, "rdf")
        assert tables.triples is not None
        made = {"triples": tables.triples.height}
    else:
        graph = from_table(file, relations=LINE).graph
        made = {"nodes": sum(graph.num_nodes.values()), "edges": graph.num_edges}
    return {
        "seconds": round(time.perf_counter() - clock, 2),
        "processor_seconds": round(time.process_time() - used, 2),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "file_mb": round(file.stat().st_size / 1e6, 1), **made,
    }  # fmt: skip


def write_films(file: Path, triples: int) -> None:
    rng = np.random.default_rng(0)
    base, rdf = "http://example.org/", "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
    label = "http://www.w3.org/2000/01/rdf-schema#label"
    with open(file, "w", encoding="utf-8") as handle:
        for film in range(triples // 7):
            own = f"<{base}film/{film}>"
            actors = rng.integers(0, 20_000, 3)
            lines = [f"{own} <{rdf}> <{base}Film> .", f'{own} <{label}> "Film {film}"@en .',
                     f'{own} <{base}year> "{1950 + film % 70}" .',
                     f"{own} <{base}director> <{base}person/{film % 5000}> ."]  # fmt: skip
            lines += [f"{own} <{base}starring> <{base}person/{actor}> ." for actor in actors]
            handle.write("\n".join(lines) + "\n")


def write_goods(file: Path, items: int) -> None:
    rng = np.random.default_rng(0)
    kinds, tags = rng.integers(0, 5000, items), rng.integers(0, 500, (items, 3))
    pl.DataFrame(
        {
            "sku": [f"s{n}" for n in range(items)],
            "title": [f"Thing number {n}" for n in range(items)],
            "brand": [f"b{n}" for n in rng.integers(0, 3000, items)],
            "category": [f"A{n % 20} > B{n % 300} > C{n}" for n in kinds],
            "price": [f"{x:.2f}" for x in rng.gamma(2, 20, items)],
            "tags": ["|".join(f"t{n}" for n in row) for row in tags.tolist()],
            "released": [f"20{n:02d}-0{1 + n % 9}-11" for n in rng.integers(0, 25, items)],
        }
    ).write_csv(file)


if __name__ == "__main__":
    main()
