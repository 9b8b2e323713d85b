"""The table of one set and protocol: all methods and seeds that were run, side by side.

    python benchmarks/cold_start/table.py --results benchmarks/results/cold_start \\
        --set amazon-beauty

A value is the mean over seeds of the mean over users, ± half of its 95 % interval over the seeds
(Student's t; seeds are draws of cold items). Beside it the ratio to the best rival of this view,
which is the one best on this very part, and p of a paired bootstrap over users (each user's mean
over the seeds that asked it), with Holm's correction over ours and its variants. Methods are
compared on the seeds that both have. Prints Markdown and writes OUT/SET/PROTOCOL/PART.md.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import siblings  # noqa: F401
from judge import VIEWS
from rivals import RIVALS
from scipy import stats
from worlds import SETS

from kg.errors import DataError
from kg.folders import write_text
from recsys.metrics.significance import holm, paired_bootstrap

SHOWN = ("ndcg@20", "recall@20")


@dataclass(frozen=True)
class Unit:
    told: dict[str, Any]
    arrays: dict[str, np.ndarray]

    @property
    def seed(self) -> int:
        return int(self.told["seed"])


Units = dict[str, list[Unit]]
"""By method, by seed ascending."""


def main(words: list[str] | None = None) -> None:
    args = _arguments(words)
    protocol = args.protocol or SETS[args.set].protocols[0]
    folder = args.results / args.set / protocol
    units = read(folder, args.part)
    text = "\n".join([f"# {args.set}, {protocol}, {args.part} part", "", *told(units)])
    write_text(folder / f"{args.part}.md", text)
    print(text)


def read(folder: Path, part: str) -> Units:
    """`DataError` where there is no unit."""
    out: Units = {}
    for file in sorted(folder.glob(f"*/*-{part}.json")):
        with np.load(file.with_suffix(".npz")) as arrays:
            unit = Unit(json.loads(file.read_text(encoding="utf-8")), dict(arrays))
        out.setdefault(file.parent.name, []).append(unit)
    if not out:
        raise DataError(f"No results of the {part} part in {folder}: run.py makes them.")
    return {name: sorted(found, key=lambda unit: unit.seed) for name, found in out.items()}


def told(units: Units) -> list[str]:
    """The lines of all views, then what cold items cost the warm ones, then the buckets."""
    lines: list[str] = []
    for view in VIEWS:
        lines += view_lines(units, view)
    return [*lines, *loss_lines(units), *bucket_lines(units)]


def view_lines(units: Units, view: str) -> list[str]:
    order = sorted(units, key=lambda name: -value(units[name], view)[0])
    rival = next((name for name in order if name in RIVALS), None)
    tests = tested(units, view, rival)
    asked = units[order[0]][0].told[view]
    title = f"## {view}: {asked['users']:,} users, {asked['targets']:,} targets in the first seed"
    head = ["method", "seeds", "NDCG@20", "Recall@20", f"ratio to {rival}", "p (Holm)", "CPU s"]
    lines = [title, "", *_head(head)]
    for name in order:
        cells = [name, str(len(units[name]))]
        for metric in SHOWN:
            mean, half = value(units[name], view, metric)
            cells.append(f"{mean:.4f}" + (f" ± {half:.4f}" if np.isfinite(half) else ""))
        ratio, p = tests.get(name, (None, None))
        cells += ["–" if ratio is None else f"{ratio:.2f}", "" if p is None else f"{p:.4f}"]
        cells.append(f"{np.mean([cpu_seconds(unit) for unit in units[name]]):,.0f}")
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def cpu_seconds(unit: Unit) -> float:
    """Of a fit; of a run that was taken from its folder, what its training had cost."""
    before = unit.told["fit_cpu_seconds"] if unit.told.get("loaded") else 0.0
    return float(unit.told["cpu_seconds"] + before)


def value(units: list[Unit], view: str, metric: str = "ndcg@20") -> tuple[float, float]:
    """The mean over seeds, and half of its 95 % interval; NaN for one seed."""
    found = [unit.told[view][metric] for unit in units if unit.told[view][metric] is not None]
    if not found:
        return 0.0, np.nan
    half = np.nan
    if len(found) > 1:
        half = stats.t.ppf(0.975, len(found) - 1) * np.std(found, ddof=1) / len(found) ** 0.5
    return float(np.mean(found)), float(half)


def tested(
    units: Units, view: str, rival: str | None
) -> dict[str, tuple[float | None, float | None]]:
    """By method the ratio to the best rival and, for ours, Holm's p of the difference."""
    if rival is None:
        return {}
    out: dict[str, tuple[float | None, float | None]] = {}
    raw: dict[str, float] = {}
    for name in units:
        a, b = paired(units[name], units[rival], view)
        if name == rival or len(a) < 2:
            continue
        out[name] = (float(a.mean() / b.mean()) if b.mean() else None, None)
        if name not in RIVALS:
            raw[name] = paired_bootstrap(a, b, np.random.default_rng(0)).p
    for name, p in zip(raw, holm(np.array(list(raw.values()))).tolist(), strict=True):
        out[name] = (out[name][0], p)
    return out


def paired(
    ours: list[Unit], theirs: list[Unit], view: str, metric: str = "ndcg@20"
) -> tuple[np.ndarray, np.ndarray]:
    """float64 [U] each: the mean of each user over the seeds that both have, users of both alike.

    `DataError` where a seed did not ask the same users.
    """
    other = {unit.seed: unit for unit in theirs}
    users, a, b = [], [], []
    for unit in ours:
        if unit.seed not in other:
            continue
        found = [one.arrays[f"{view}/user"] for one in (unit, other[unit.seed])]
        if not np.array_equal(*found):
            raise DataError(f"Seed {unit.seed} asked different users in the view {view!r}.")
        users.append(found[0])
        a.append(unit.arrays[f"{view}/{metric}"])
        b.append(other[unit.seed].arrays[f"{view}/{metric}"])
    if not users:
        return np.zeros(0), np.zeros(0)
    _, at = np.unique(np.concatenate(users), return_inverse=True)
    count = np.bincount(at)
    mean = [np.bincount(at, np.concatenate(x).astype(np.float64)) / count for x in (a, b)]
    return mean[0], mean[1]


def loss_lines(units: Units) -> list[str]:
    """How much of the warm NDCG@20 is lost once cold items stand in the lists."""
    head = ["method", "warm NDCG@20 lost", "cold share of the lists"]
    lines = ["## What cold items cost the warm ones", "", *_head(head)]
    for name, found in units.items():
        loss = np.mean([unit.told["warm loss"] or 0.0 for unit in found])
        share = np.mean([unit.told["cold share of lists"] for unit in found])
        lines.append(f"| {name} | {loss:.2%} | {share:.2%} |")
    return [*lines, ""]


def bucket_lines(units: Units) -> list[str]:
    """NDCG@20 of cold lists where only targets of one kind count."""
    lines: list[str] = []
    for kind, found in next(iter(units.values()))[0].told["by"].items():
        names = [name for name, row in found.items() if row["targets"]]
        heads = [f"{name} ({found[name]['targets']:,} targets)" for name in names]
        lines += [f"## Cold lists by {kind}, NDCG@20", "", *_head(["method", *heads])]
        for method, some in units.items():
            cells = [_mean([unit.told["by"][kind][name]["ndcg@20"] for unit in some])
                     for name in names]  # fmt: skip
            lines.append(f"| {' | '.join([method, *cells])} |")
        lines.append("")
    return lines


def _mean(values: list[float | None]) -> str:
    some = [value for value in values if value is not None]
    return f"{np.mean(some):.4f}" if some else "–"


def _head(names: list[str]) -> list[str]:
    return [f"| {' | '.join(names)} |", "|" + " --- |" * len(names)]


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--results", type=Path, required=True, help="the --out of run.py")
    parser.add_argument("--set", choices=list(SETS), required=True)
    parser.add_argument("--protocol", default="")
    parser.add_argument("--part", choices=("test", "valid"), default="test")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
