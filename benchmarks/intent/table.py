"""The units of run.py as tables of one set: mean and spread over seeds, what is refused, time on
the processor (of the units that learned there).

    python benchmarks/intent/table.py --results benchmarks/results/intent --set banking77

Writes OUT/SET/KIND/PART.md for each kind (all, 10-shots) and part that is there.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from kg.folders import write_text

Units = dict[str, list[dict[str, Any]]]


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--set", required=True)
    args = parser.parse_args(words)
    for folder in sorted((args.results / args.set).iterdir()):
        for part in ("valid", "test"):
            if units := read_units(folder, part):
                text = f"# {args.set}, {folder.name}, {part} part\n\n{table(units)}"
                write_text(folder / f"{part}.md", text)
                print(text)


def read_units(folder: Path, part: str) -> Units:
    """The units of each row, by seed."""
    found: Units = defaultdict(list)
    for file in sorted(folder.glob(f"*/*-{part}.json")):
        found[file.parent.name].append(json.loads(file.read_text("utf-8")))
    return dict(found)


def table(units: Units) -> str:
    """Markdown, the best accuracy first."""
    strange = any("out_of_scope_auroc" in one for many in units.values() for one in many)
    heads = ["row", "seeds", "accuracy", "±", "macro-F1", "ECE"]
    heads += ["with rejection", "recall out of scope", "AUROC"] if strange else []
    heads += ["epochs", "train s", "ms a text learned", "ms a text read", "MB"]
    ranked = sorted(units.items(), key=lambda pair: -mean(u["accuracy"] for u in pair[1]))
    lines = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    for name, many in ranked:

        def over(key: str, many: list[dict[str, Any]] = many) -> float:
            return mean(unit.get(key, float("nan")) for unit in many)

        accuracy = [unit["accuracy"] for unit in many]
        timed = [unit for unit in many if unit.get("device", "cpu") == "cpu"]
        cells = [name, str(len(many)), f"{mean(accuracy):.4f}",
                 f"{stdev(accuracy):.4f}" if len(many) > 1 else "–",
                 f"{over('macro_f1'):.4f}", f"{over('calibration_error'):.4f}"]  # fmt: skip
        if strange:
            keys = ("accuracy_with_rejection", "out_of_scope_recall", "out_of_scope_auroc")
            cells += [f"{over(key):.4f}" for key in keys]
        cells.append(f"{over('epochs'):.0f}")
        for key, scale, digits in (
            ("seconds", 1, 0), ("seconds_a_text_learned", 1000, 1), ("seconds_a_text_read", 1000, 1)
        ):  # fmt: skip
            cells.append(f"{scale * over(key, timed):.{digits}f}" if timed else "–")
        cells.append(f"{over('bytes') / 1e6:.1f}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
