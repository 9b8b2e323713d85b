"""What a profile is worth for people nobody has met: a fifth of the users is hidden from training.

    python benchmarks/strangers.py DIR --seeds 3      # DIR: interactions, items, users .csv.gz

All events of the hidden users are to be ranked from their row in the table of users alone, beside
popularity; per seed and over all hidden users, with the 95 % interval of the paired difference.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.clean import clean
from kg.events import EventLog
from kg.sequences import Sequences
from kg.storage import Dataset
from models.recommender import ModelConfig
from recsys import RunConfig, RunOptions, TrainConfig, fit
from recsys.judging.evaluate import evaluate_queries

METRIC = "ndcg@10"


def measure(folder: Path, seed: int, epochs: int) -> np.ndarray:
    """float64 [users, 2]: NDCG@10 by profile and by popularity of each hidden user."""
    catalog = Catalog.read(folder / "items.csv.gz")
    people = Catalog.read(folder / "users.csv.gz", kind="user")
    log, _ = clean(EventLog.read(folder / "interactions.csv.gz"), catalog.ids)
    hidden = (np.random.default_rng(seed).random(len(log.users)) < 0.2)[log.user]
    known, _ = clean(log.take(~hidden), catalog.ids)
    config = RunConfig(
        model=ModelConfig(), options=RunOptions(seed=seed), train=TrainConfig(max_epochs=epochs)
    )
    data = Dataset(known, catalog, build_graph(known, catalog), people)
    rec = fit(data, "ngram", config).recommender
    offsets, none = np.zeros(len(log.users) + 1, np.int64), np.zeros(0, np.int64)
    empty = Sequences(offsets, none, none, None, len(catalog))
    assert rec.model.people is not None
    rows = people.ids.encode(log.users.ids, missing="negative")
    profiles = rec.model.people.profiles.take(rows)
    vectors = rec.index.vectors
    queries = rec.model.encode_histories(empty, torch.from_numpy(vectors), None, profiles)
    popular = known.item_counts().astype(np.float32)
    found = []
    for asked in (queries, np.zeros_like(queries)):
        pair = rec.model.with_prior(empty, asked, vectors)
        report = evaluate_queries(*pair, empty, log.take(hidden), strangers=popular)
        found.append(report.per_user[METRIC])
    print(f"seed {seed}: {told(np.stack(found, 1))}; gates "
          + str({k: round(v, 2) for k, v in rec.model.gates().items() if k.startswith("user")}),
          flush=True)  # fmt: skip
    return np.stack(found, 1)


def told(values: np.ndarray) -> str:
    """Means, and the paired difference."""
    gain = values[:, 0] - values[:, 1]
    half = 1.96 * gain.std(ddof=1) / len(gain) ** 0.5
    profile, popular = values.mean(0)
    return (f"{len(values)} users, {METRIC} by profile {profile:.4f}, by popularity {popular:.4f}, "
            f"difference {gain.mean():+.4f} ± {half:.4f}")  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=14)
    given = parser.parse_args()
    runs = [measure(given.folder, seed, given.epochs) for seed in range(given.seeds)]
    print(f"together: {told(np.concatenate(runs))}")
