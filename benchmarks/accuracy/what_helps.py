"""What helps where: the parts of kgintent on several data sets, from what ablate.py found.

    python benchmarks/accuracy/what_helps.py --results OUT --sets lastfm-kg/given

A number is the NDCG@10 of the whole run less that of the run without the part, trained again (or,
where nothing is trained, masked), and in brackets its share of the whole run's. Bold: better than
chance would have it (paired bootstrap over users, Holm's correction over the column, p < .05) and
by more than another seed changes the run. Prints Markdown and writes OUT/what_helps.md.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from protocols import folder_of

from kg.errors import DataError
from recsys.judging.ablate import BESIDE, PARTS
from recsys.judging.effects import Effect
from recsys.judging.retrain import CONTROLS, RESEEDED
from recsys.metrics.significance import holm

ALPHA = 0.05


@dataclass(frozen=True)
class Column:
    """One set in lists of one kind: of each row's name its effect and Holm's p."""

    name: str
    whole: float
    rows: dict[str, tuple[Effect, float]]

    def cell(self, name: str) -> str:
        if name not in self.rows:
            return "–"
        effect, p = self.rows[name]
        text = f"{effect.gain:+.4f} ({effect.gain / self.whole:+.0%})"
        luck = self.rows[RESEEDED][0].gain if RESEEDED in self.rows else 0.0
        sure = name != RESEEDED and p < ALPHA and abs(effect.gain) > abs(luck)
        return f"**{text}**" if sure else text


def columns(results: Path, where: str) -> list[Column]:
    """`where` is SET/PROTOCOL; `DataError` if it was not ablated."""
    name, _, protocol = where.partition("/")
    file = results / name / folder_of(protocol) / "ablation.json"
    if not file.exists():
        raise DataError(f"There is no {file}: ablate.py makes it.")
    found = [Effect(**row) for row in json.loads(file.read_text(encoding="utf-8"))["effects"]]
    out = []
    for lists in dict.fromkeys(effect.lists for effect in found):
        mine = [e for e in found if e.lists == lists and not e.by]
        told = [e for e in mine if (e.how == "masked") == (e.part in BESIDE)]
        p = holm(np.array([effect.p for effect in told])).tolist()
        rows = {effect.part: (effect, one) for effect, one in zip(told, p, strict=True)}
        out.append(Column(f"{name}, {lists}", mine[0].value + mine[0].gain, rows))
    return out


def markdown(found: list[Column]) -> str:
    """A column per set and kind of lists, a row per part, control and the other seed."""
    names = {name: name for name in PARTS}
    names |= {control: f"{part}, beside {control}" for part, control in CONTROLS.items()}
    order = [x for part in PARTS for x in (part, CONTROLS.get(part)) if x] + [RESEEDED]
    lines = [
        f"| the whole run less the one without | {' | '.join(c.name for c in found)} |",
        "|" + " --- |" * (len(found) + 1),
        f"| *(NDCG@10 of the whole run)* | {' | '.join(f'{c.whole:.4f}' for c in found)} |",
    ]
    for name in order:
        cells = " | ".join(column.cell(name) for column in found)
        lines.append(f"| {names.get(name, name)} | {cells} |")
    return "\n".join(lines) + "\n"


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--results", type=Path, required=True, help="the --out of ablate.py")
    parser.add_argument("--sets", nargs="+", required=True, metavar="SET/PROTOCOL")
    args = parser.parse_args(words)
    text = markdown([one for where in args.sets for one in columns(args.results, where)])
    (args.results / "what_helps.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
