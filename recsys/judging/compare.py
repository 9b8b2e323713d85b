"""A run beside what anyone would try first: the same users, the same rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kg.errors import UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import Part, Split
from recsys.baselines import (
    EASE,
    TIFUKNN,
    Baseline,
    ItemKNN,
    PersonalFrequency,
    Popularity,
    TextKNN,
)
from recsys.judging.evaluate import evaluate_scores
from recsys.recommender import Recommender
from recsys.training.fit import judge

SHOWN = ("ndcg@10", "hr@10", "recall@20", "mrr@10", "coverage@10", "novelty@10")


def compare(
    rec: Recommender,
    split: Split,
    part: Part,
    models: Sequence[Callable[[EventLog], Baseline]] = (),
) -> list[dict[str, Any]]:
    """A row per model: the run, popularity, item-kNN, EASE (up to 20,000 items), text-kNN; where
    the run counts repeats, personal frequency and TIFU-kNN; then those that `models` make.

    Each of `models` takes the events before the part and gives what is fitted to them: it has a
    `name` and `scores(histories)` float32 [U, N], as all of `recsys.baselines` (`RP3beta.fit`).

    All of them are fitted to what is known before the part begins, but for the weights of the run,
    which are those of training. Items met before are masked for all of them, or for none where the
    run counts repeats.
    """
    if not isinstance(models, Sequence) or not all(callable(model) for model in models):
        raise UsageError(
            "The 'models' of compare must be a list of functions that fit a model to a log, such "
            f"as [Popularity.fit]. Got {models!r:.80} instead."
        )
    known, target = split.part(part)
    own = [_made(make, known) for make in models]
    histories = Sequences.of(known)
    counts = np.asarray(histories.matrix().getnnz(axis=0))
    report = judge(rec, split, part)
    masked = not rec.repeats
    rows = [_row("kgintent", report)]
    found: list[Baseline] = [Popularity.fit(known), ItemKNN.fit(known)]
    if int((known.item_counts() > 0).sum()) <= 20_000:
        found.append(EASE.fit(known))
    if rec.items.text.any():
        found.append(TextKNN.fit(rec.items.text[: rec.items.trained], known))
    if rec.repeats:
        found += [PersonalFrequency.fit(known), TIFUKNN.fit(known)]
    for model in (*found, *own):
        scored = evaluate_scores(
            model.scores, histories, target, item_counts=counts, filter_seen=masked
        )
        rows.append(_row(model.name, scored))
    return rows


def _made(make: Callable[[EventLog], Baseline], known: EventLog) -> Baseline:
    """The model of a user's own function, which must have what is asked of it."""
    model = make(known)
    if not isinstance(getattr(model, "name", None), str) or not hasattr(model, "scores"):
        called = getattr(make, "__qualname__", repr(make))
        raise UsageError(
            "Each of the 'models' of compare must give something with a name (a str) and "
            f"scores(histories). Got {model!r:.80} from {called} instead."
        )
    return model


def _row(name: str, report: Any) -> dict[str, Any]:
    low, high = report.interval("ndcg@10")
    told = f"{low:.4f}–{high:.4f}" if np.isfinite([low, high]).all() else "one user only"
    return {"model": name, **{m: report.metrics[m] for m in SHOWN}, "ndcg@10 95 %": told}
