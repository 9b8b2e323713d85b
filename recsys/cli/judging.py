"""`kgintent evaluate`: the run beside what anyone would try first."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from kg.errors import DataError
from kg.folders import verified
from kg.sequences import Sequences
from kg.split import Split
from recsys.baselines import EASE, ItemKNN, Popularity, TextKNN
from recsys.cli.output import say, show
from recsys.evaluate import evaluate_scores
from recsys.fit import judge, make_split
from recsys.recommender import Recommender

Part = Literal["valid", "test"]
SHOWN = ("ndcg@10", "hr@10", "recall@20", "mrr@10", "coverage@10", "novelty@10")


def judge_run(run: Path, json: bool) -> None:
    """The part that the run held out: test if there is one, else validation."""
    rec = Recommender.load(run)
    split = make_split(rec.log, verified(run, "run").get("hold_out", "none"))
    part: Part = "test" if split.test.has_item.any() else "valid"
    if not (split.valid.has_item.any() or split.test.has_item.any()):
        raise DataError(f"{run} has nothing to evaluate on: no user has two events.")
    if part == "valid":
        say(
            "Validation events (used to choose the epoch). For a test score: train --hold-out last."
        )
    rows = compare(rec, split, part)
    show(rows, json, f"{part} part, all items ranked, seen ones masked")


def compare(rec: Recommender, split: Split, part: Part) -> list[dict[str, Any]]:
    """A row per model: the run, popularity, item-kNN, EASE (up to 20,000 items), text-kNN."""
    known = split.train if part == "valid" else split.before_test()
    target = split.valid if part == "valid" else split.test
    histories = Sequences.of(known)
    counts = np.asarray(histories.matrix().getnnz(axis=0))
    report = judge(rec, split, part)
    rows = [_row("kgintent", report)]
    models: list[Any] = [Popularity.fit(split.train), ItemKNN.fit(split.train)]
    if int((split.train.item_counts() > 0).sum()) <= 20_000:
        models.append(EASE.fit(split.train))
    if rec.items.text.any():
        models.append(TextKNN.fit(rec.items.text[: rec.items.trained], split.train))
    for model in models:
        found = evaluate_scores(model.scores, histories, target, item_counts=counts)
        rows.append(_row(model.name, found))
    return rows


def _row(name: str, report: Any) -> dict[str, Any]:
    low, high = report.interval("ndcg@10")
    told = f"{low:.4f}–{high:.4f}" if np.isfinite([low, high]).all() else "one user only"
    return {"model": name, **{m: report.metrics[m] for m in SHOWN}, "ndcg@10 95 %": told}
