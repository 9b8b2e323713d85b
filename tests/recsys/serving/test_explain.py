"""When somebody is told that they come back to an item."""

import numpy as np
import pytest

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.events import EventLog
from kg.storage import Dataset
from recsys.serving import explain
from recsys.training.config import RunConfig
from recsys.training.fit import fit

AGAIN = "because you come back to it"


@pytest.fixture(scope="module")
def rec():
    """Everybody buys the same two things of their own, by turns; all are of one of two kinds."""
    ids = [f"i{n:02d}" for n in range(12)]
    catalog = Catalog.of(ids, [f"Thing {n}" for n in range(12)], None,
                         {"category": [[f"kind {n % 2}"] for n in range(12)]})  # fmt: skip
    draw = np.random.default_rng(0)
    own = [draw.choice(ids, 2, replace=False) for _ in range(24)]
    log = EventLog.of(
        [f"u{n:02d}" for n in range(24) for _ in range(8)],
        [pair[n % 2] for pair in own for n in range(8)],
        time=np.arange(24 * 8) * 3600 + 1_700_000_000,
    )
    config = RunConfig(
        model={"dim": 16, "layers": 1, "text_dim": 16},
        train={"max_epochs": 8, "learning_rate": 0.01}, options={"seed": 5},
    )  # fmt: skip
    found = fit(Dataset(log, catalog, build_graph(log, catalog)), "hash", config).recommender
    assert found.repeats
    return found


def test_what_was_met_once_is_nothing_that_one_comes_back_to(rec):
    once = rec.explain(history=["i01", "i04"], item="i04")
    assert once.parts["repeat"] > 0
    assert once.reason != AGAIN
    assert "Thing 4" not in once.reason  # an item is no reason for itself
    assert rec.explain(history=["i04", "i01", "i04"], item="i04").reason == AGAIN


def test_an_item_that_was_added_is_no_reason_for_itself(rec):
    more = rec.with_items(Catalog.of(["new"], ["New one"], None, {"category": [["kind 0"]]}))
    told = more.explain(history=["i04", "new"], item="new")
    assert told.paths == ("because you met Thing 4: same category: kind 0",)
    assert more.explain(history=["new"], item="new").paths == ()


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"text": 1.0, "repeat": 1.0}, True),
        ({"text": 1.0, "id": -9.0, "repeat": 0.2, "habit": 0.1}, True),
        ({"text": 1.0, "repeat": 0.2}, False),
        ({"text": 10.0, "repeat": 0.05, "habit": 0.05}, False),
        ({"text": -1.0, "repeat": 0.0, "habit": 0.0}, False),
        ({"text": 1.0}, False),
    ],
)
def test_it_must_be_a_fifth_of_what_speaks_for_the_item(rec, parts, said):
    history = np.array([4, 1, 4])
    assert explain._comes_back(rec, history, 4, parts) is said
    assert not explain._comes_back(rec, history, 1, parts)
