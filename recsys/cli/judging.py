"""`kgintent evaluate`: the run beside what anyone would try first."""

from __future__ import annotations

from pathlib import Path

from kg.errors import DataError
from kg.folders import manifest
from recsys.cli.output import say, show
from recsys.compare import Part, compare
from recsys.fit import make_split
from recsys.recommender import Recommender


def judge_run(run: Path, json: bool) -> None:
    """The part that the run held out: test if there is one, else validation."""
    rec = Recommender.load(run)
    split = make_split(rec.log, manifest(run, "run").get("hold_out", "none"))
    part: Part = "test" if split.test.has_item.any() else "valid"
    if not (split.valid.has_item.any() or split.test.has_item.any()):
        raise DataError(f"{run} has nothing to evaluate on: no user has two events.")
    if part == "valid":
        say(
            "Validation events (used to choose the epoch). For a test score: train --hold-out last."
        )
    rows = compare(rec, split, part)
    rule = "those met before too" if rec.repeats else "those met before masked"
    show(rows, json, f"{part} part, all items ranked, {rule}")
