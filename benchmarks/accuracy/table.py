"""The table of one set and protocol: all models and seeds that were run, side by side.

    python benchmarks/accuracy/table.py --results benchmarks/results/accuracy \\
        --set amazon-beauty --protocol loo --part test

A value is the mean over users of each user's mean over seeds (and cuts: --protocol rolling:5 takes
rolling:1/5 to 5/5 together, a user of two cuts is one user), its interval 1.96 s / sqrt(users).
Every model is compared with the best baseline of the same table by a paired bootstrap over users,
Holm's correction over these comparisons. The best baseline is the one of highest NDCG@10 on this
very part, which favours it. The buckets count the users of each cut, and know no --known. Prints
Markdown; writes PART.md and PART.png (or PART-known) beside the results.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from protocols import folder_of
from results import Row, bare_units, compared, read_units, rows_of

BUCKETS = ("by item's train count", "by user's history")


def main(words: list[str] | None = None) -> None:
    args = _arguments(words)
    units = read_units(args.results / args.set, args.protocol, args.part)
    first = next(iter(units.values()))[0][0]
    sections = {}
    for table, found in first["tables"].items():
        for target in [name for name in found if name != "known_share@10"]:
            sections[f"{table}, {target}"] = rows_of(units, table, target, args.known)
    who = ", users with a history" if args.known else ""
    lines = [f"# {args.set}, {args.protocol}, {args.part} part{who}", ""]
    for name, rows in sections.items():
        lines += section(name, rows)
    lines += bare(bare_units(args.results / args.set, args.protocol, args.part))
    folder = args.results / args.set / folder_of(args.protocol)
    folder.mkdir(parents=True, exist_ok=True)
    name = f"{args.part}-known" if args.known else args.part
    (folder / f"{name}.md").write_text("\n".join(lines), encoding="utf-8")
    plot(sections, folder / f"{name}.png", lines[0].removeprefix("# "))
    print("\n".join(lines))


def bare(units: list[dict[str, Any]]) -> list[str]:
    """What is known of the units that no test can be made with."""
    if not units:
        return []
    head = "Not in the tables, for their values per user are not kept (NDCG@10 of all targets):"
    lines = [head, ""]
    for unit in units:
        told = (f"{name} {table['all']['metrics']['ndcg@10']:.4f}"
                for name, table in unit["tables"].items())  # fmt: skip
        lines.append(f"- {unit['model']}, seed {unit['seed']}: {', '.join(told)}")
    return [*lines, ""]


def section(name: str, rows: list[Row]) -> list[str]:
    """The Markdown of one table and target."""
    best, tests = compared(rows)
    head = ["model", "settings", "seeds", "NDCG@10", "95 %", "HR@10", "Recall@20",
            f"difference to {best}", "p (Holm)", "training s", "s/epoch", "peak MB"]  # fmt: skip
    lines = [f"## {name} targets: {len(rows[0].user):,} users", "", *_table_head(head)]
    for row in rows:
        m, seeds = row.ndcg.mean(), {unit["seed"] for unit in row.units}
        test = ["the best baseline", ""]
        if row.model in tests:
            (d, low, high, _), p = tests[row.model]
            test = [f"{d:+.4f} [{low:+.4f}, {high:+.4f}]", f"{p:.4f}"]
        cost = [_short(row.mean(key)) for key in
                ("training_seconds", "seconds_per_epoch", "peak_memory_mb")]  # fmt: skip
        ends = f"{m - row.half:.4f}–{m + row.half:.4f}"
        cells = [row.model, row.settings, str(len(seeds)), f"{m:.4f}", ends, f"{row.hr.mean():.4f}",
                 f"{row.recall.mean():.4f}", *test, *cost]  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    for bucket in BUCKETS:
        lines += ["", f"NDCG@10 {bucket}:", "", *_buckets(bucket, rows)]
    return [*lines, ""]


def _buckets(bucket: str, rows: list[Row]) -> list[str]:
    first = rows[0].units[0][bucket]
    total = {name: sum(u[bucket][name]["users"] for u in rows[0].units) for name in first}
    seeds = len({unit["seed"] for unit in rows[0].units})
    lines = _table_head(["model", *(f"{n} ({total[n] // seeds:,} users)" for n in first)])
    for row in rows:
        cells = []
        for name in first:
            found = [u[bucket][name] for u in row.units if u[bucket][name]["users"]]
            weight = [one["users"] for one in found]
            mean = np.average([one["ndcg@10"] for one in found], weights=weight) if found else None
            cells.append("–" if mean is None else f"{mean:.4f}")
        lines.append(f"| {row.model} | {' | '.join(cells)} |")
    return lines


def plot(sections: dict[str, list[Row]], file: Path, title: str) -> None:
    """A panel per table and target: bars of NDCG@10 with 95 % intervals."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    most = max(len(rows) for rows in sections.values())
    size = (4.5 * len(sections), 1 + 0.32 * most)
    figure, axes = plt.subplots(1, len(sections), figsize=size, squeeze=False)
    for axis, (name, rows) in zip(axes[0], sections.items(), strict=True):
        colours = ["#c44e52" if row.ours else "#4c72b0" for row in rows]
        bars = [row.ndcg.mean() for row in rows]
        axis.barh([row.model for row in rows], bars, xerr=[row.half for row in rows],
                  color=colours, capsize=2)  # fmt: skip
        axis.invert_yaxis()
        axis.set_title(name)
        axis.set_xlabel("NDCG@10, 95 % interval")
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(file, dpi=120, metadata={"Software": None})
    plt.close(figure)


def _table_head(names: list[str]) -> list[str]:
    return [f"| {' | '.join(names)} |", "|" + " --- |" * len(names)]


def _short(value: float | None) -> str:
    return "" if value is None else f"{value:,.2f}" if value < 10 else f"{value:,.0f}"


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--results", type=Path, required=True, help="the --out of run.py")
    parser.add_argument("--set", required=True)
    parser.add_argument("--protocol", required=True, help="loo, time, given; rolling:n for n cuts")
    parser.add_argument("--part", choices=("valid", "test"), default="test")
    parser.add_argument("--known", action="store_true", help="only users who have a history")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
