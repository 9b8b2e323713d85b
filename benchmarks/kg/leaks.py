"""What check-leakage says of real sets as they are, and with each leak put in on purpose.

    python benchmarks/kg/leaks.py --data DIR --out OUT

The split is that of each set's headline; what is put in: all events in the graph; a fact "wishes"
that is the test part, also of nodes of another type with the ids of users; `also_bought`; a column
that counts all events; one that counts those of each category, or other group (and, as clean data,
one that counts those of the training part); the title of each person's first test item in what is
told of them; facts dated after the training part; a whitening of the texts (hashed) of all items;
an encoder that has read the validation part. Writes OUT/leaks.json.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "accuracy"))  # the readers of the data

from data import load

from kg.building.build import build_graph
from kg.catalog import Attribute
from kg.checking.leakage import Leak, leaks, reading_leaks
from kg.checking.reading import Reading
from kg.split import merged
from models.text import HashEncoder
from models.whitening import Whitening
from recsys.judging.leaks import whitening_leak

SETS = {"online-retail-ii": "time", "complete-journey": "time", "movielens-small-kg": "loo",
        "amazon-beauty": "loo", "lastfm-kg": "given"}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    told = {}
    for name, protocol in SETS.items():
        told[name] = judged(args.data, name, protocol)
        print(name, json.dumps(told[name]), flush=True)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "leaks.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def judged(data: Path, name: str, protocol: str) -> dict[str, Any]:
    """Checks that refuse or tell, by what was put in."""
    task = load(data, name, protocol)
    split, catalog = task.parts.split, task.catalog
    clean = task.graph(split.train)
    started = time.perf_counter()
    found = leaks(clean, split, catalog)
    seconds = round(time.perf_counter() - started, 2)
    made = [*_whitened(catalog, split, all_=False), *_read(split, split.train)]
    out: dict[str, Any] = {"clean": [str(leak) for leak in [*found, *made]], "seconds": seconds}
    pairs = np.stack([split.test.user, split.test.item])[:, split.test.has_item]
    near = np.stack([np.arange(9), np.arange(1, 10)])
    counts = sum(log.item_counts() for log in (split.train, split.valid, split.test))
    column = Attribute.of("how_often", [[f"{count:g}"] for count in np.asarray(counts).tolist()])
    known = _by_group(catalog, clean, split.train.item_counts())
    out["clean"] += [str(leak) for leak in leaks(clean, split, known) if leak.refused]
    first = dict(zip(pairs[0][::-1].tolist(), pairs[1][::-1].tolist(), strict=True))
    users = split.train.users.ids
    texts = {users[user]: f"told: {catalog.title(item)}" for user, item in first.items()}
    seeded = {
        "all events": (build_graph(_all(task), catalog), catalog, None),
        "wishes": (_with(clean, ("user", "wishes", "item"), pairs), catalog, None),
        "also_bought": (_with(clean, ("item", "also_bought", "item"), near), catalog, None),
        "counts": (clean, replace(catalog, attributes=(*catalog.attributes, column)), None),
        "wishes of entities": (_of_entities(clean, pairs), catalog, None),
        "counts of groups": (clean, _by_group(catalog, clean, counts), None),
        "titles": (clean, catalog, texts),
    }
    for what, (graph, table, said) in seeded.items():
        refused = [leak for leak in leaks(graph, split, table, texts=said) if leak.refused]
        out[what] = [[leak.check, leak.count] for leak in refused]
    if split.cut is not None:
        facts = _with(clean, ("item", "seen_at", "item"), near)
        day = np.full(near.shape[1], split.cut + 86400)
        found = leaks(replace(facts, edge_time={("item", "seen_at", "item"): day}), split, catalog)
        out["dated facts"] = [[leak.check, leak.count] for leak in found if leak.refused]
    for what, some in (
        ("whitening", _whitened(catalog, split, all_=True)),
        ("pretraining", _read(split, split.before_test())),
    ):
        out[what] = [[leak.check, leak.count] for leak in some if leak.refused]
    return out


def _whitened(catalog: Any, split: Any, *, all_: bool) -> list[Leak]:
    """What is said of a whitening fitted on the training part, or on `all_` items."""
    vectors, rows = HashEncoder().encode(catalog.full_texts()), split.train.item_counts().nonzero()
    fitted = Whitening.fit(vectors, np.arange(len(vectors)) if all_ else rows[0])
    leak = whitening_leak("texts", fitted, vectors, rows[0], 256)
    return [] if leak is None else [leak]


def _read(split: Any, part: Any) -> list[Leak]:
    """What is said of an encoder that has read this part of the events."""
    log = split.before_test()
    return reading_leaks([Reading.of_events("the log", log, part, len(part))], split, log)


def _all(task: Any) -> Any:
    split = task.parts.split
    if not split.test.has_item.any():
        return split.before_test()

    return merged(split.before_test(), split.test)


def _by_group(catalog: Any, graph: Any, counts: Any) -> Any:
    """The catalogue with the sum of `counts` of its group: the attribute, or relation, that
    tells one of most items and has at most a value for ten of them.
    """
    found = [(a.row, a.value) for a in catalog.attributes]
    found += [tuple(graph.edges[r]) for r in graph.fact_relations
              if r[0] == "item" and r[2] not in ("item", "user")]  # fmt: skip
    most = len(catalog) / 10
    wide = [pair for pair in found if 5 <= len(np.unique(pair[1])) <= most and _single(pair[0])]
    if not wide:
        return catalog
    row, value = max(wide, key=lambda pair: len(pair[0]))
    sums = np.bincount(value, np.asarray(counts)[row])
    cells: list[list[str]] = [[] for _ in range(len(catalog))]
    for item, group in zip(row.tolist(), value.tolist(), strict=True):
        cells[item] = [f"{sums[group]:g}"]
    column = Attribute.of("size_of_it", cells)
    return replace(catalog, attributes=(*catalog.attributes, column))


def _single(row: Any) -> bool:
    return len(np.unique(row)) == len(row)


def _of_entities(graph: Any, pairs: np.ndarray) -> Any:
    users = graph.vocabs["user"]
    told = replace(graph, vocabs={**graph.vocabs, "somebody": users})
    return _with(told, ("somebody", "wishes", "item"), pairs)


def _with(graph: Any, relation: tuple[str, str, str], edges: np.ndarray) -> Any:
    return replace(graph, edges={**graph.edges, relation: np.unique(edges, axis=1)})


if __name__ == "__main__":
    main()
