"""Write the benchmark's own split of a set as plain CSV, so that a peer never sees this package.

    python benchmarks/peers/export.py --data DIR --set amazon-beauty --protocol loo --out FOLDER

FOLDER/SET then holds train.csv, valid.csv, test.csv (user, item, order: a user's events ascend by
it, through all three), items.csv (the whole catalogue), facts.csv (head, relation, tail: the facts
of the graph that our own models get, an entity written type:id, and no event) and about.json.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "accuracy"))
from data import SOURCES, Task, load

from kg.errors import UsageError
from kg.events import EventLog
from kg.graph import KnowledgeGraph

PARTS = ("train", "valid", "test")


def main(words: list[str] | None = None) -> None:
    args = _arguments(words)
    task = load(args.data, args.set, args.protocol)
    told = export(task, args.out / args.set)
    print(json.dumps(told), args.out / args.set)


def export(task: Task, folder: Path) -> dict[str, object]:
    """Write the files; returns what about.json says. `UsageError` if lists could not be judged."""
    if task.tables != ("new",):
        raise UsageError(
            f"Peers never recommend what a user had, so only sets with the table 'new' alone can "
            f"be exported. {task.name} has {', '.join(task.tables)}."
        )
    folder.mkdir(parents=True, exist_ok=True)
    split = task.parts.split
    seen = np.zeros(len(split.train.users), np.int64)
    for name in PARTS:
        log: EventLog = getattr(split, name)
        log = log.take(log.has_item)
        order = seen[log.user] + _places(log.user)
        np.add.at(seen, log.user, 1)
        users, items = log.users.decode(log.user), log.items.decode(log.item)
        rows = zip(users, items, order.tolist(), strict=True)
        write_csv(folder / f"{name}.csv", ("user", "item", "order"), rows)
    write_csv(folder / "items.csv", ("item",), ((key,) for key in split.train.items.ids))
    facts = list(_facts(task.graph().facts()))
    write_csv(folder / "facts.csv", ("head", "relation", "tail"), facts)
    told = {"set": task.name, "protocol": task.protocol, "cleaned": task.cleaned,
            "events": {name: len(getattr(split, name)) for name in PARTS},
            "users": len(split.train.users), "items": len(split.train.items),
            "facts": len(facts)}  # fmt: skip
    (folder / "about.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    return told


def write_csv(file: Path, head: tuple[str, ...], rows: Iterable[tuple]) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(rows)


def _places(user: np.ndarray) -> np.ndarray:
    """int64 [E]: the how many-th event of its user each is, from 0; users need not be sorted."""
    order = np.argsort(user, kind="stable")
    sorted_ = user[order]
    start = np.searchsorted(sorted_, sorted_)
    places = np.empty(len(user), np.int64)
    places[order] = np.arange(len(user)) - start
    return places


def _facts(graph: KnowledgeGraph) -> Iterable[tuple[str, str, str]]:
    for source, name, target in graph.fact_relations:
        index = graph.edges[source, name, target]
        heads = graph.vocabs[source].decode(index[0])
        tails = graph.vocabs[target].decode(index[1])
        for head, tail in zip(heads, tails, strict=True):
            yield f"{source}:{head}", name, f"{target}:{tail}"


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="holds a folder per data set")
    parser.add_argument("--set", choices=list(SOURCES), required=True)
    parser.add_argument("--protocol", default="loo")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
