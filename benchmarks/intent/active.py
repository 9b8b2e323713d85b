"""How many labels each strategy needs to be as accurate as labels drawn at random.

    python benchmarks/intent/active.py --data DIR --set banking77 --out benchmarks/results/intent

A tenth of the train rows (or the valid part) is held out, and the others are the pool:
`recsys.label_curves` with MiniLM and a regression, the same first labels for every strategy. A row
says, for an accuracy that random labels reach with so many of them, how many the strategy needed
(between two rounds in a line), as a share, with its mean and spread over seeds. Writes
OUT/SET/active.json and active.md after each seed.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from run import shown, versions
from texts import SOURCES, load
from threadpoolctl import threadpool_limits

from kg.folders import write_text
from models.intent.active import STRATEGIES
from recsys import label_curves

AT = (0.5, 0.75, 1.0)
"""Shares of the last budget whose accuracy is to be reached."""


def main(words: list[str] | None = None) -> None:
    args = _arguments(words)
    place = args.out / args.set
    curves: list[dict[str, Any]] = []
    with threadpool_limits(args.threads):
        for seed in range(args.seeds):
            task = load(args.data, args.set, 0, seed, "valid")
            train, held = (
                part.without(task.strange) if task.strange else part
                for part in (task.train, task.judged)
            )
            start = args.start or len(train.labels)
            rows = label_curves(
                train, held, args.strategies, start=start, step=args.step or start,
                rounds=args.rounds, seed=seed, cache=args.cache,
            )  # fmt: skip
            curves += [row | {"seed": seed} for row in rows]
            needed = labels_needed(curves)
            told = {
                "command": " ".join(["active.py", *shown(words)]), "versions": versions(),
                "curves": curves, "needed": needed,
            }  # fmt: skip
            write_text(place / "active.json", json.dumps(told, indent=1) + "\n")
            write_text(place / "active.md", table(args.set, needed))
    print(table(args.set, needed))


def labels_needed(curves: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of "strategy", "at" (labels of random), "share", one for each seed and each of `AT`.

    A strategy that does not get there has the share inf.
    """
    by: dict[tuple[int, str], list[tuple[int, float]]] = defaultdict(list)
    for row in curves:
        by[row["seed"], row["strategy"]].append((row["labels"], row["accuracy"]))
    out = []
    for (seed, name), curve in by.items():
        drawn = by[seed, "random"]
        for share in AT:
            at = drawn[round(share * (len(drawn) - 1))]
            wanted = max(value for count, value in drawn if count <= at[0])
            out.append({"seed": seed, "strategy": name, "at": at[0], "accuracy": wanted,
                        "share": reached(curve, wanted) / at[0]})  # fmt: skip
    return out


def reached(curve: list[tuple[int, float]], wanted: float) -> float:
    """With how many labels this accuracy is reached first, in a line between two rounds."""
    for number, (count, value) in enumerate(curve):
        if value >= wanted:
            if number == 0:
                return count
            before, low = curve[number - 1]
            return float(np.interp(wanted, [low, value], [before, count]))
    return float("inf")


def table(name: str, needed: list[dict[str, Any]]) -> str:
    """Markdown: a row a strategy, a column an accuracy."""
    at = sorted({row["at"] for row in needed})
    accuracy = {n: mean(r["accuracy"] for r in needed if r["at"] == n) for n in at}
    head = [f"{n:,} labels at random ({accuracy[n]:.3f})" for n in at]
    lines = [f"# {name}: labels needed, as a share of those at random", "",
             f"| strategy | {' | '.join(head)} |", "| --- |" + " --- |" * len(at)]  # fmt: skip
    for strategy in dict.fromkeys(row["strategy"] for row in needed):
        cells = []
        for n in at:
            found = [r["share"] for r in needed if (r["strategy"], r["at"]) == (strategy, n)]
            spread = f" ± {stdev(found):.2f}" if len(found) > 1 else ""
            cells.append(f"{mean(found):.2f}{spread}")
        lines.append(f"| {strategy} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="Holds a folder per source.")
    parser.add_argument("--set", required=True, choices=SOURCES)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, help="Keeps what is encoded.")
    parser.add_argument("--strategies", nargs="+", default=["margin", "badge"], choices=STRATEGIES)
    parser.add_argument("--start", type=int, default=0, help="Labels at first; 0: one a label.")
    parser.add_argument("--step", type=int, default=0, help="Labels a round; 0: as at first.")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args(words)
    args.strategies = list(dict.fromkeys(["random", *args.strategies]))
    return args


if __name__ == "__main__":
    main()
