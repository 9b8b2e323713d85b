"""Starting from a run on other data: what texts taught is known at once, and scratch is as ever.

World B has other items, people and categories than world A; only words are the same.
"""

from dataclasses import replace

import numpy as np
import pytest

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.clean import clean
from kg.errors import UsageError
from kg.events import EventLog
from kg.storage import Dataset
from kg.testing import planted
from models.transfer import weights_hash
from recsys.recommender import Recommender
from recsys.training.config import RunConfig
from recsys.training.fit import fit, judge

SETTINGS = {
    "model": {"dim": 16, "layers": 1, "dropout": 0.1, "max_length": 12, "id_dropout": 0.9},
    "train": {"max_epochs": 12, "learning_rate": 5e-3},
    "intent": {"epochs": 1},
    "neighbours": {"kind": "none"},
    "factors": {"factor_dim": 0},
}


def settings(epochs, **model):
    train = SETTINGS["train"] | {"max_epochs": epochs}
    return RunConfig(**SETTINGS | {"train": train, "model": SETTINGS["model"] | model})


def world_a():
    world = planted(np.random.default_rng(0), users=200)
    return Dataset(world.log, world.catalog, build_graph(world.log, world.catalog))


def world_b(users=60):
    """Items, people and categories that world A does not have, told in its words."""
    world = planted(np.random.default_rng(1), users=users, items=40, events=6)
    catalog, frame = world.catalog, world.log.to_frame()
    ids = [f"b{key}" for key in catalog.ids.ids]
    cells = [[f"of {name}" for name in cell] for cell in catalog.attribute("category").cells(40)]
    catalog = Catalog.of(ids, catalog.titles, catalog.texts, {"shelf": cells})
    log = EventLog.of(["p" + u for u in frame["user"]], ["b" + i for i in frame["item"]],
                      behaviour=["read"] * len(frame), time=world.log.time)  # fmt: skip
    log = clean(log, catalog.ids)[0]
    return Dataset(log, catalog, build_graph(log, catalog))


@pytest.fixture(scope="module")
def source():
    return fit(world_a(), "hash", settings(12)).recommender


def test_without_training_it_ranks_what_it_never_saw(source):
    before, heard = weights_hash(source.model), []
    fitted = fit(world_b(), "hash", RunConfig(**SETTINGS | {"train": {"max_epochs": 0}}),
                 hold_out="last", start=source, say=heard.append)  # fmt: skip
    (report,) = fitted.reports
    assert (report.epoch, report.best, "loss" in str(report)) == (0, True, False)
    assert weights_hash(source.model) == before == fitted.start.source
    assert str(fitted.start) in heard
    rec = fitted.recommender
    assert not rec.items.id_part.any()
    found = judge(rec, fitted.split, "test").metrics["ndcg@10"]
    fresh = fit(world_b(), "hash", settings(1), hold_out="last")  # one epoch: knows next to nothing
    assert found > 2 * judge(fresh.recommender, fresh.split, "test").metrics["ndcg@10"]
    assert rec.recommend("pu00003", k=3)


def test_fine_tuning_ends_no_worse_on_validation_than_it_began(source):
    fitted = fit(world_b(), "hash", settings(3), start=source)
    scores = [report.metrics["ndcg@10"] for report in fitted.reports]
    assert [report.epoch for report in fitted.reports] == [0, 1, 2, 3]
    got = judge(fitted.recommender, fitted.split, "valid").metrics["ndcg@10"]
    assert got == pytest.approx(max(scores), abs=1e-6)
    assert weights_hash(fitted.recommender.model) != weights_hash(source.model)


def test_a_start_is_kept_on_disk(source, tmp_path):
    rec = fit(world_b(), "hash", settings(0), start=source).recommender
    rec.save(tmp_path / "run")
    again = Recommender.load(tmp_path / "run")
    assert again.recommend("pu00003", k=5) == rec.recommend("pu00003", k=5)


def test_a_start_that_has_learned_what_is_held_out_is_told_of(source):
    def heard(data):
        said = []
        fit(data, "hash", settings(0), hold_out="last", start=source, say=said.append)
        return [text for text in said if "held out here" in text]

    assert heard(world_b()) == []
    (told,) = heard(world_a())  # its last event of each but one, which the source was trained on
    assert "has learned 200 of the events" in told
    honest = fit(world_a(), "hash", settings(1), hold_out="last")
    said = []
    fit(world_a(), "hash", settings(0), hold_out="last", start=honest.recommender, say=said.append)
    assert not [text for text in said if "held out here" in text]


def test_scratch_is_as_it_was(source):
    """Nothing of a start stays behind in the process, and no epoch 0 is judged."""
    one = fit(world_b(20), "hash", settings(2))
    fit(world_b(20), "hash", settings(1), start=source)
    two = fit(world_b(20), "hash", settings(2))
    assert [report.epoch for report in one.reports] == [1, 2]
    assert weights_hash(one.recommender.model) == weights_hash(two.recommender.model)


def test_mistakes_are_named(source):
    with pytest.raises(UsageError, match=r"has hash.*got .*ngram"):
        fit(world_b(), "ngram", settings(1), start=source)
    with pytest.raises(UsageError, match=r"set dim = 16 .*Got 32"):
        fit(world_b(), "hash", settings(1, dim=32), start=source)
    with pytest.raises(UsageError, match="starts from another run"):
        fit(world_b(), "hash", settings(0))
    bare = replace(source, encoder=None)
    with pytest.raises(UsageError, match="has none; got hash"):
        fit(world_b(), "hash", settings(1), start=bare)
