"""One planted world for all learned baselines, and how well a model does in it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest

from kg.building.build import build_graph
from kg.graph import KnowledgeGraph
from kg.sequences import Sequences
from kg.split import Split, leave_one_out
from kg.testing import planted
from recsys.baselines import Baseline, Popularity
from recsys.judging.evaluate import evaluate_scores


@dataclass(frozen=True)
class Planted:
    split: Split
    graph: KnowledgeGraph

    def ndcg(self, model: Baseline) -> float:
        """On the test part, from what was known when it began."""
        known, target = self.split.part("test")
        report = evaluate_scores(model.scores, Sequences.of(known), target, ks=(10,))
        return report.metrics["ndcg@10"]

    def popularity(self) -> float:
        return self.ndcg(Popularity.fit(self.split.train))


@pytest.fixture(scope="session")
def world() -> Planted:
    made = planted(np.random.default_rng(0), users=120, items=48, events=10)
    split = leave_one_out(made.log)
    return Planted(split, build_graph(split.train, made.catalog))


@pytest.fixture
def assert_seeded(world: Planted) -> Callable[[Callable[[int], Baseline]], None]:
    """The same seed gives the same scores, another seed others."""

    def check(fit: Callable[[int], Baseline]) -> None:
        histories = Sequences.of(world.split.train)
        first, again, other = (fit(seed).scores(histories) for seed in (3, 3, 4))
        np.testing.assert_array_equal(first, again)
        assert not np.array_equal(first, other)

    return check
