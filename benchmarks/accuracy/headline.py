"""The table and the plot that the README shows: our model and the best baseline of every table.

    python benchmarks/accuracy/headline.py --results OUT \\
        --tables online-retail-ii/time/repeats online-retail-ii/time/new amazon-beauty/loo/new

Reads what run.py wrote for the test part, all targets; prints Markdown and writes headline.md and
headline.png into OUT. The best baseline is the one of highest NDCG@10 on this very part, which
favours it; ratio and difference are over the same users (paired bootstrap; Holm's correction over
all models of a table).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from results import Row, compared, read_units, rows_of

from kg.errors import UsageError


@dataclass(frozen=True)
class Line:
    """One table: what it is called, our row, the best baseline, all rows, and the difference of
    ours to that baseline with its 95 % interval and Holm's p.
    """

    name: str
    ours: Row
    best: Row
    rows: list[Row]
    difference: tuple[float, float, float]
    p: float

    @property
    def ratio(self) -> tuple[float, float, float]:
        """Of the means, and the interval that the difference leaves it."""
        base = float(self.best.ndcg.mean())
        mid, low, high = (1 + d / base for d in self.difference)
        return mid, low, high


def line_of(results: Path, where: str, part: str) -> Line:
    """`where` is SET/PROTOCOL/TABLE; `UsageError` where our model was not run."""
    parts = where.split("/")
    if len(parts) < 3:
        raise UsageError(f"A table is SET/PROTOCOL/TABLE. Got {where!r} instead.")
    name, protocol, table = parts[0], "/".join(parts[1:-1]), parts[-1]
    rows = rows_of(read_units(results / name, protocol, part), table, "all")
    ours = next((row for row in rows if row.ours), None)
    if ours is None:
        raise UsageError(f"{where} has no row of our own model: run.py --model kgintent makes it.")
    best, tests = compared(rows)
    found, p = tests[ours.model]
    baseline = next(row for row in rows if row.model == best)
    told = f"{name}, {protocol}, {table}"
    return Line(told, ours, baseline, rows, (found.difference, found.low, found.high), p)


def markdown(lines: list[Line]) -> str:
    head = ("data, protocol, list", "users", "seeds", "kgintent NDCG@10 (95 %)",
            "best baseline (its settings)",
            "ratio", "difference (95 %), p")  # fmt: skip
    out = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    for line in lines:
        mean, half = line.ours.ndcg.mean(), line.ours.half
        d, low, high = line.difference
        seeds = len({unit["seed"] for unit in line.ours.units})
        out.append(
            f"| {line.name} | {len(line.ours.user):,} | {seeds} | {mean:.4f} "
            f"({mean - half:.4f}–{mean + half:.4f}) | {line.best.model} "
            f"{line.best.ndcg.mean():.4f} ({line.best.settings}) | {line.ratio[0]:.2f} | {d:+.4f} "
            f"[{low:+.4f}, {high:+.4f}], {line.p:.4f} |"
        )
    return "\n".join(out) + "\n"


def plot(lines: list[Line], file: Path) -> None:
    """A row per table: every model's NDCG@10 as a share of the best baseline's."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axis = plt.subplots(figsize=(8, 1.2 + 0.55 * len(lines)))
    for y, line in enumerate(lines):
        base = line.best.ndcg.mean()
        others = [row.ndcg.mean() / base for row in line.rows if not row.ours]
        axis.scatter(others, [y] * len(others), color="#8c9bb0", s=28, zorder=2,
                     label="baselines" if y == 0 else None)  # fmt: skip
        mid, low, high = line.ratio
        label = "kgintent, 95 % of the difference" if y == 0 else None
        axis.errorbar(mid, y, xerr=[[mid - low], [high - mid]], fmt="o", color="#c44e52",
                      capsize=3, zorder=3, label=label)  # fmt: skip
    axis.axvline(1, color="#444444", linewidth=0.8, zorder=1)
    names = [f"{line.name}\n(best: {line.best.model})" for line in lines]
    axis.set_yticks(range(len(lines)), names, fontsize=8)
    axis.invert_yaxis()
    axis.set_xlim(left=0)
    axis.set_xlabel("NDCG@10 as a share of the best baseline's")
    axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncol=2, fontsize=8, frameon=False)
    figure.tight_layout()
    figure.savefig(file, dpi=110, metadata={"Software": None})
    plt.close(figure)


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--results", type=Path, required=True, help="the --out of run.py")
    parser.add_argument("--tables", nargs="+", required=True, metavar="SET/PROTOCOL/TABLE")
    parser.add_argument("--part", choices=("valid", "test"), default="test")
    args = parser.parse_args(words)
    lines = [line_of(args.results, where, args.part) for where in args.tables]
    text = markdown(lines)
    (args.results / "headline.md").write_text(text, encoding="utf-8")
    plot(lines, args.results / "headline.png")
    print(text)


if __name__ == "__main__":
    main()
