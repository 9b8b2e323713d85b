"""Judge a peer's lists as our own models are judged, and put the result beside theirs.

    python benchmarks/peers/score.py --data DIR --peers PEERS --set amazon-beauty --protocol loo \\
        --peer rectools-esasrec --part test --out OUT

Reads PEERS/SET/PEER/{peer.json, PART.csv.gz}; writes OUT/SET/PROTOCOL/PEER/SEED-PART.json and .npz
as benchmarks/accuracy/run.py does, so that its table.py shows them in one table. A unit that is
there is skipped: the test part is scored once.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.append(str(Path(__file__).parents[1] / "accuracy"))
from data import SOURCES, Task, load
from judging import KS, judge_lists
from protocols import folder_of
from run import keep_arrays, shown, write_json

from kg.errors import DataError, UsageError
from kg.sequences import Sequences

KEPT = ("epochs", "best_epoch", "curve", "seconds_per_epoch", "cpu_seconds_per_epoch",
        "training_seconds", "seconds_to_best", "cpu_seconds_to_best", "validation_seconds",
        "peak_memory_mb", "stopped", "threads", "keep_memory", "minutes", "patches", "versions",
        "machine")  # fmt: skip
FOLDERS = ("--data", "--out", "--peers")


def main(words: list[str] | None = None) -> None:
    args = _arguments(words)
    source = args.peers / args.set / args.peer
    if not (source / "peer.json").exists():
        raise UsageError(f"{source / 'peer.json'} is not there: run the peer's own script first.")
    peer = json.loads((source / "peer.json").read_text(encoding="utf-8"))
    folder = args.out / args.set / folder_of(args.protocol) / args.peer
    file = folder / f"{peer['seed']}-{args.part}.json"
    if file.exists():
        print(f"{file} is there: skipped")
        return
    task = load(args.data, args.set, args.protocol)
    result, arrays = unit(task, peer, source / f"{args.part}.csv.gz", args.part)
    command = shown("score.py", sys.argv[1:] if words is None else words, "peers", FOLDERS)
    folder.mkdir(parents=True, exist_ok=True)
    keep_arrays(file, arrays)
    write_json(file, {"command": command, **result})  # last: where it is, the unit is whole
    means = result["tables"]["new"]["all"]["metrics"].items()
    print(f"{args.peer} {args.part}:", "  ".join(f"{k} {v:.4f}" for k, v in means), file)


def unit(task: Task, peer: dict, file: Path, part: str) -> tuple[dict, dict[str, np.ndarray]]:
    """What run.py's JSON says of a model, and the arrays per user."""
    if task.tables != ("new",):
        raise UsageError(f"Peers never recommend what a user had; {task.name} needs repeats too.")
    known, events = task.parts.of(part)
    index = read_lists(file, task, part)
    started = time.perf_counter()
    counts = task.parts.split.train.item_counts()
    tables, arrays = judge_lists(
        lambda users, mask: index[users], task.tables, task.protocol, known, events, counts
    )
    return {
        "set": task.name, "protocol": task.protocol, "model": peer["peer"], "seed": peer["seed"],
        "part": part, "params": peer["settings"], "tables": tables,
        **{name: peer[name] for name in KEPT if name in peer},
        "judging_seconds": round(time.perf_counter() - started, 1),
        "events": {n: len(getattr(task.parts.split, n)) for n in ("train", "valid", "test")},
        "users": len(known.users), "items": len(known.items), "cleaned": task.cleaned,
    }, arrays  # fmt: skip


def read_lists(file: Path, task: Task, part: str) -> np.ndarray:
    """int64 [U, 20], -1: none. `UsageError` for an id that the set does not have, `DataError` for
    an item that its user had: peers mask those, as the table `new` does.
    """
    known, _ = task.parts.of(part)
    with gzip.open(file, "rt", encoding="utf-8", newline="") as lines:
        rows = [(row["user"], row["item"]) for row in csv.DictReader(lines)]
    user = known.users.encode(user for user, _ in rows)
    order = np.argsort(user, kind="stable")
    user, item = user[order], known.items.encode(item for _, item in rows)[order]
    place = np.arange(len(user)) - np.searchsorted(user, user)
    top = place < max(KS)
    index = np.full((len(known.users), max(KS)), -1)
    index[user[top], place[top]] = item[top]
    own, n = Sequences.of(known), len(known.items)
    seen = np.isin(np.arange(len(index))[:, None] * n + index, own.row * n + own.item)
    if (seen := seen & (index >= 0)).any():
        row = int(np.argwhere(seen)[0, 0])
        raise DataError(f"{file} recommends user {known.users.ids[row]!r} what that user had.")
    return index


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="holds a folder per data set")
    parser.add_argument("--peers", type=Path, required=True, help="the --out of the peers")
    parser.add_argument("--set", choices=list(SOURCES), required=True)
    parser.add_argument("--protocol", default="loo")
    parser.add_argument("--peer", required=True, help="a folder's name, like rectools-esasrec")
    parser.add_argument("--part", choices=("valid", "test"), default="valid")
    parser.add_argument("--out", type=Path, required=True, help="the --out of run.py")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
