"""What an item is worth once it has collected 0, 1, 2, 5, 10, 50 events.

    python benchmarks/cold_start/warm_up.py --data DIR --set amazon-beauty --way retrained \\
        --counts 0 1 2 5 10 50 --seed 0 --out benchmarks/results/warm_up

The cold items of `run.py` get back the first n of their events before the test part (in a log
without times: n drawn ones), and the same people are asked for the same targets. Judged are the
cold items that have at least the largest n of such events, the same items for every n; they stand
in lists of all cold items, each of which got its first n. Ways:

    added        `with_items`, and events of added items mean nothing to them
    retrained    ours trained again with the n events: what a night's work gives
    live         `with_items`, then `Recommender.with_events` without a training
    (a rival)    fitted again with its default settings, for scale; also ease, ials and item-knn

Writes OUT/SET/PROTOCOL/WAY/SEED-N-PART.json; a unit that is there is skipped. --table prints what
is there: one line a way, one column an n.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import siblings  # noqa: F401
from contents import Contents
from judge import Scores, measured, ranked
from ours import Training, scorer, trained, with_cold
from rivals import RIVALS
from run import HIDDEN, set_arguments
from threadpoolctl import threadpool_limits
from units import shown, versions, write_json
from worlds import SETS, World, load_world

from kg.errors import DataError
from kg.events import EventLog
from kg.split import Split
from recsys.baselines import EASE, IALS, ItemKNN

COUNTS = (0, 1, 2, 5, 10, 50)
Way = Callable[[World, World, argparse.Namespace], Scores]
"""The world without an event of a cold item, the one with n of each, and the arguments, to scores
over the items of the catalogue."""


def main(words: list[str] | None = None) -> None:
    args = _arguments(words)
    args.protocol = args.protocol or SETS[args.set].protocols[0]
    folder = args.out / args.set / args.protocol
    if args.table:
        print("\n".join(table(folder, args.part)))
        return
    command = shown("warm_up.py", sys.argv[1:] if words is None else words, "cold_start", HIDDEN)
    with threadpool_limits(args.threads):
        world = load_world(args.data, args.set, args.protocol, args.seed, args.part)
        for n in args.counts:
            file = folder / args.way / f"{args.seed}-{n}-{args.part}.json"
            if file.exists():
                print(f"{file} is there: skipped")
                continue
            found = unit(world, n, max(args.counts), args)
            about = {"command": command, "set": args.set, "protocol": args.protocol, "events": n,
                     "way": args.way, "seed": args.seed, "part": args.part}  # fmt: skip
            write_json(file, {**about, **found, "versions": versions()})
            print(args.way, n, found["cold"], found["all"], file, flush=True)


def unit(world: World, n: int, most: int, args: argparse.Namespace) -> dict[str, Any]:
    """The judged items after n events, in lists of cold items and of all."""
    place = places(world, args.seed)
    later = with_events(world, place, n)
    judged = world.cold & (np.bincount(_rows(world, place), minlength=len(world.cold)) >= most)
    if not judged.any():
        raise DataError(f"No cold item of {world.name} has {most} events: ask for fewer.")
    way = WAYS.get(args.way) or _rival(args.way)
    scores = way(world, later, args)
    _, target = world.questions()  # the people and targets of n = 0
    target = target.take(judged[target.item])
    users = np.unique(target.user)
    asked = replace(later, cold=world.cold)  # candidates of the cold lists, whatever they got
    lists = ranked(scores, asked, asked.questions()[0], users, 256)
    views = {name: measured(lists[name], users, target)[0] for name in ("cold", "all")}
    return {"judged_items": int(judged.sum()), "most": most, **views}


def places(world: World, seed: int) -> dict[str, np.ndarray]:
    """For each event of the training and validation parts how many events of its item came before
    it, int64 [E]; where no time is known, in a drawn order.
    """
    parts = {"train": world.split.train, "valid": world.split.valid}
    item = np.concatenate([part.item for part in parts.values()])
    if world.split.train.time is None:
        when = np.random.default_rng([seed, 6]).random(len(item))
    else:
        when = np.concatenate([_times(part) for part in parts.values()])
    order = np.lexsort((when, item))
    rank = np.empty(len(item), np.int64)
    rank[order] = np.arange(len(item)) - np.searchsorted(item[order], item[order])
    return dict(zip(parts, np.split(rank, [len(world.split.train)]), strict=True))


def with_events(world: World, place: dict[str, np.ndarray], n: int) -> World:
    """The world in which each cold item has the first n of its events; items that have none of
    their own before the test part stay cold.
    """
    parts = {}
    for name, rank in place.items():
        log: EventLog = getattr(world.split, name)
        parts[name] = log.take(~world.cold[log.item] | (rank < n))
    split = Split(parts["train"], parts["valid"], world.split.test, by_time=world.split.by_time)
    met = split.before_test().item_counts() > 0
    return world.told_again(split, world.cold & ~met)


def _rows(world: World, place: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([getattr(world.split, name).item for name in place])


def _times(log: EventLog) -> np.ndarray:
    assert log.time is not None
    return log.time


# ---- ways ------------------------------------------------------------------------------------


def added(world: World, later: World, args: argparse.Namespace) -> Scores:
    rec, _ = trained(world.warm, _training(args), _place(args, "run"))
    return scorer(with_cold(rec, world.cold_catalog())[0], world.catalog)


def retrained(world: World, later: World, args: argparse.Namespace) -> Scores:
    n = int(later.known.item_counts()[world.cold].max(initial=0))
    if n == 0:
        return added(world, later, args)
    rec, _ = trained(later.warm, _training(args), _place(args, f"{n}-events"))
    if later.cold.any():
        rec, _ = with_cold(rec, later.cold_catalog())
    return scorer(rec, world.catalog)


def live(world: World, later: World, args: argparse.Namespace) -> Scores:
    """`with_items`, then the events that only `later` knows, without a training."""
    rec, _ = trained(world.warm, _training(args), _place(args, "run"))
    rec, _ = with_cold(rec, world.cold_catalog())
    new = later.known.take(world.cold[later.known.item])
    if len(new):
        rec = rec.with_events(new, refit=True)
    return scorer(rec, world.catalog)


WAYS: dict[str, Way] = {"added": added, "retrained": retrained, "live": live}
PLAIN: dict[str, Callable[[EventLog, int], Any]] = {
    "ease": lambda log, seed: EASE.fit(log, 300.0),
    "ials": lambda log, seed: IALS.fit(log, np.random.default_rng(seed)),
    "item-knn": lambda log, seed: ItemKNN.fit(log),
}


def _rival(name: str) -> Way:
    def way(world: World, later: World, args: argparse.Namespace) -> Scores:
        if name in PLAIN:
            return PLAIN[name](later.known, args.seed).scores
        contents = Contents.of(world, args.cache)
        return RIVALS[name].fit(later, contents, {}, args.seed).scores

    return way


def _training(args: argparse.Namespace) -> Training:
    return Training(args.seed, args.threads, args.epochs, args.encoder, args.cache)


def _place(args: argparse.Namespace, what: str) -> Path:
    """Where a run is kept: the one without events is that of run.py."""
    short = "" if args.epochs is None else f"-{args.epochs}-epochs"
    more = "" if what == "run" else f"-{what}"
    return Path(args.runs / args.set / args.protocol / f"{args.seed}-{args.part}{short}{more}")


def table(folder: Path, part: str) -> list[str]:
    """Markdown: NDCG@20 by way and n, the mean over seeds, of both lists."""
    found: dict[str, dict[int, list[dict[str, Any]]]] = {}
    for file in sorted(folder.glob(f"*/*-{part}.json")):
        told = json.loads(file.read_text(encoding="utf-8"))
        found.setdefault(told["way"], {}).setdefault(told["events"], []).append(told)
    if not found:
        raise DataError(f"No results of the {part} part in {folder}.")
    counts = sorted({n for row in found.values() for n in row})
    lines = []
    for view in ("cold", "all"):
        heads = [f"way, lists of {view}", *(f"{n} events" for n in counts)]
        lines += [f"| {' | '.join(heads)} |", "|" + " --- |" * len(heads)]
        for way, row in found.items():
            cells = [f"{np.mean([t[view]['ndcg@20'] for t in row[n]]):.4f}" if n in row else ""
                     for n in counts]  # fmt: skip
            lines.append(f"| {' | '.join([way, *cells])} |")
        lines.append("")
    return lines


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = set_arguments(__doc__)
    ways = [*WAYS, *PLAIN, *RIVALS]
    parser.add_argument("--way", choices=ways, default="retrained")
    parser.add_argument("--counts", type=int, nargs="+", default=[*COUNTS])
    parser.add_argument("--table", action="store_true", help="only print what is there")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
