"""The results of run.py read back: the units of one set and protocol, and who is better.

A value is the mean over users of each user's mean over seeds (and cuts: the protocol rolling:5
takes rolling:1/5 to 5/5 together, a user of two cuts is one user).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from protocols import folder_of
from registry import REGISTRY
from run import people_file

from kg.errors import DataError
from recsys.metrics.significance import Comparison, holm, paired_bootstrap

Unit = tuple[dict[str, Any], dict[str, np.ndarray]]


@dataclass(frozen=True)
class Row:
    """One model in one table and target: per user float64 [U], and what its units tell."""

    model: str
    user: np.ndarray
    ndcg: np.ndarray
    hr: np.ndarray
    recall: np.ndarray
    units: list[dict[str, Any]]

    @property
    def ours(self) -> bool:
        return self.model in REGISTRY and REGISTRY[self.model].ours

    @property
    def settings(self) -> str:
        """searched: tune.py found them; given: by hand; default: as the model has them."""
        return " and ".join(sorted({unit["settings"] for unit in self.units}))

    @property
    def half(self) -> float:
        """Half the width of the 95 % interval of the mean."""
        return float(1.959964 * self.ndcg.std(ddof=1) / np.sqrt(len(self.ndcg)))

    def mean(self, key: str) -> float | None:
        """Of a number that each unit tells of itself, None where none does."""
        told = [unit[key] for unit in self.units if unit.get(key) is not None]
        return float(np.mean(told)) if told else None


def read_units(folder: Path, protocol: str, part: str) -> dict[str, list[Unit]]:
    """The units by model; `DataError` if there are none, or a model lacks a cut.

    Those whose values per user are not kept are left out: see `bare_units`.
    """
    out: dict[str, list[Unit]] = {}
    for file in _files(folder, protocol, part):
        if not file.with_suffix(".npz").exists():
            continue
        with np.load(file.with_suffix(".npz")) as own, np.load(people_file(file)) as people:
            unit = json.loads(file.read_text(encoding="utf-8"))
            arrays = dict(people) | dict(own)
        told = unit | {"settings": _settings(file, unit)}
        out.setdefault(unit["model"], []).append((told, arrays))
    if not out:
        raise DataError(
            f"No results of the {part} part by {protocol} in {folder}: run.py makes them."
        )
    cuts = {model: sorted({u["protocol"] for u, _ in units}) for model, units in out.items()}
    most = max(cuts.values(), key=len)
    for model, found in cuts.items():
        if found != most:
            raise DataError(
                f"{model} was scored on {found}, others on {most}: run what is missing."
            )
    return out


def _settings(file: Path, unit: dict[str, Any]) -> str:
    """Whence the settings of the unit in `file` are, as `Row.settings` says."""
    if "--params" not in unit["command"].split():
        return "default"
    best = file.parent / "tune" / "best.json"
    found = json.loads(best.read_text(encoding="utf-8"))["params"] if best.exists() else None
    return "searched" if found == unit["params"] else "given"


def bare_units(folder: Path, protocol: str, part: str) -> list[dict[str, Any]]:
    """What the units tell of which the values per user are not kept: nothing can be tested."""
    files = [f for f in _files(folder, protocol, part) if not f.with_suffix(".npz").exists()]
    return [json.loads(file.read_text(encoding="utf-8")) for file in files]


def _files(folder: Path, protocol: str, part: str) -> list[Path]:
    kind, _, n = protocol.partition(":")
    pattern = f"{kind}-*-of-{n}" if kind == "rolling" and n.isdigit() else folder_of(protocol)
    return sorted(folder.glob(f"{pattern}/*/*-{part}.json"))


def rows_of(
    units: dict[str, list[Unit]], table: str, target: str, known: bool = False
) -> list[Row]:
    """A row per model, best first; `DataError` if two were not scored on the same users.

    `known`: only the users who have a history.
    """
    rows, key = [], f"{table}/{target}"
    for model, found in units.items():
        keep = [a[f"{key}/history"] >= int(known) for _, a in found]
        columns = {
            name: np.concatenate(
                [a[f"{key}/{name}"][k] for (_, a), k in zip(found, keep, strict=True)]
            )
            for name in ("user", "ndcg@10", "hr@10", "recall@20")
        }
        user, at = np.unique(columns.pop("user"), return_inverse=True)
        means = [np.bincount(at, values) / np.bincount(at) for values in columns.values()]
        told = [{**unit, **unit["tables"][table][target]} for unit, _ in found]
        rows.append(Row(model, user, *means, told))
    for row in rows:
        if not np.array_equal(row.user, rows[0].user):
            raise DataError(f"{row.model} and {rows[0].model} were not scored on the same users.")
    return sorted(rows, key=lambda row: -row.ndcg.mean())


def compared(rows: list[Row]) -> tuple[str, dict[str, tuple[Comparison, float]]]:
    """The best baseline, and each other model's difference to it with Holm's p."""
    best = next((row for row in rows if not row.ours), rows[0])
    others = [row for row in rows if row is not best]
    rng = np.random.default_rng(0)
    found = [paired_bootstrap(row.ndcg, best.ndcg, rng) for row in others]
    adjusted = holm(np.array([one.p for one in found]))
    pairs = zip(others, zip(found, adjusted.tolist(), strict=True), strict=True)
    return best.model, {row.model: pair for row, pair in pairs}
