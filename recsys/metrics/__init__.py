"""Metrics: pure functions from arrays to numbers, each with its formula.

The idea: a metric sees no model and no data set. Ranking metrics get which ranks were hits and
how many items were relevant, and answer per user, so that two models can be compared user by user.

    ranking        hit_rate, precision, recall, ndcg, mrr, average_precision: did the list hit?
    lists          coverage, gini, novelty, intra_list_diversity, label_diversity, category_match:
                   what are the lists like?
    labels         accuracy, precision, recall, f1, calibration_error, reliability: are named
                   intents right, and do their probabilities mean what they say?
    buckets        items by training events, users by history: where does it help?
    significance   paired_bootstrap, holm: is the difference between two models more than luck?

`precision` and `recall` exist for rankings and for labels, so the modules are what is exported:
`ranking.recall`, `labels.recall`. `RANKING` names the ranking metrics as reports print them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recsys.metrics import labels, lists, ranking, significance

RANKING: dict[str, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    "ndcg": ranking.ndcg,
    "hr": ranking.hit_rate,
    "recall": ranking.recall,
    "precision": ranking.precision,
    "mrr": ranking.mrr,
    "map": ranking.average_precision,
}
"""Short name to function(hits bool [U, K], relevant int64 [U], k) -> float64 [U]."""

__all__ = ["RANKING", "ranking", "lists", "labels", "significance"]
