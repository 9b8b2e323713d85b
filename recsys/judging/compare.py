"""A run beside what anyone would try first: the same users, the same rule."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from kg.sequences import Sequences
from kg.split import Split
from recsys.baselines import EASE, TIFUKNN, ItemKNN, PersonalFrequency, Popularity, TextKNN
from recsys.judging.evaluate import evaluate_scores
from recsys.recommender import Recommender
from recsys.training.fit import judge

Part = Literal["valid", "test"]
SHOWN = ("ndcg@10", "hr@10", "recall@20", "mrr@10", "coverage@10", "novelty@10")


def compare(rec: Recommender, split: Split, part: Part) -> list[dict[str, Any]]:
    """A row per model: the run, popularity, item-kNN, EASE (up to 20,000 items), text-kNN; where
    the run counts repeats, personal frequency and TIFU-kNN.

    All of them are fitted to what is known before the part begins, but for the weights of the run,
    which are those of training. Items met before are masked for all of them, or for none where the
    run counts repeats.
    """
    known, target = split.part(part)
    histories = Sequences.of(known)
    counts = np.asarray(histories.matrix().getnnz(axis=0))
    report = judge(rec, split, part)
    masked = not rec.repeats
    rows = [_row("kgintent", report)]
    models: list[Any] = [Popularity.fit(known), ItemKNN.fit(known)]
    if int((known.item_counts() > 0).sum()) <= 20_000:
        models.append(EASE.fit(known))
    if rec.items.text.any():
        models.append(TextKNN.fit(rec.items.text[: rec.items.trained], known))
    if rec.repeats:
        models += [PersonalFrequency.fit(known), TIFUKNN.fit(known)]
    for model in models:
        found = evaluate_scores(
            model.scores, histories, target, item_counts=counts, filter_seen=masked
        )
        rows.append(_row(model.name, found))
    return rows


def _row(name: str, report: Any) -> dict[str, Any]:
    low, high = report.interval("ndcg@10")
    told = f"{low:.4f}–{high:.4f}" if np.isfinite([low, high]).all() else "one user only"
    return {"model": name, **{m: report.metrics[m] for m in SHOWN}, "ndcg@10 95 %": told}
