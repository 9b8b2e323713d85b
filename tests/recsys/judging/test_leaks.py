"""What a run may not have been made with is found in the run itself; clean runs raise none."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.checking.reading import Reading
from kg.events import EventLog
from kg.split import leave_one_out
from kg.storage import Dataset
from kg.testing import planted
from kg.vectors import Vectors
from models.recommender import IntentRecommender
from models.whitening import Whitening
from recsys import Recommender
from recsys.judging.leaks import run_leaks, whitening_leak
from recsys.training.config import RunConfig
from recsys.training.fit import fit

CONFIG = RunConfig(
    model={"dim": 16, "layers": 1, "text_dim": 8}, train={"max_epochs": 1}, options={"seed": 5}
)


@pytest.fixture(scope="module")
def rec():
    """Forty users, eighty items, of which some are met only in the held-out parts, or never."""
    world = planted(np.random.default_rng(0), users=40, items=80, events=5)
    rng = np.random.default_rng(1)
    image = Vectors("image", np.arange(80), rng.normal(size=(80, 6)).astype(np.float32))
    people = Catalog.of(world.log.users.ids, name="user").with_vectors(
        Vectors("taste", np.arange(40), rng.normal(size=(40, 4)).astype(np.float32))
    )
    catalog = replace(world.catalog, vectors=(image,))
    data = Dataset(world.log, catalog, build_graph(world.log, catalog), people)
    return fit(data, "hash", CONFIG, hold_out="last").recommender


def with_whitening(rec, whitening=None, **features):
    """The same run, as if it had been trained with these."""
    model, text = rec.model, rec.items.text
    seen = {**model.features.whitening, **features}
    other = IntentRecommender(
        model.graph, text, model.config, behaviours=2, intent_dim=model.intent_dim,
        whitening=whitening or model.whitening, features=replace(model.features, whitening=seen),
    )  # fmt: skip
    return Recommender.from_model(other, rec.log, rec.catalog, text, encoder=rec.encoder)


def checks(rec, hold_out="last", **trained):
    return [(leak.check, leak.refused) for leak in run_leaks(rec, hold_out, trained)]


def test_a_clean_run_has_none(rec, tmp_path):
    assert checks(rec) == []
    rec.save(tmp_path / "run", hold_out="last")
    assert checks(Recommender.load(tmp_path / "run")) == []


@pytest.mark.parametrize("events", [False, True])
def test_what_came_since_the_training_is_no_leak(rec, tmp_path, events):
    found = rec.with_items(Catalog.of(["n1", "n2"], ["A new one", "Another"]))
    if events:
        user = rec.log.users.ids[0]
        told = EventLog.of([user, user], ["n1", rec.items.ids[3]], time=rec.log.time[-2:] + 9)
        found = found.with_events(told, refit=True)
        assert len(found.log) == len(rec.log) + 2
    assert checks(found) == []
    found.save(tmp_path / "run", hold_out="last")
    assert checks(Recommender.load(tmp_path / "run")) == []


def test_a_run_that_has_forgotten_people_is_not_accused(rec, tmp_path):
    found = rec.without_users(rec.log.users.ids[:3])
    found.save(tmp_path / "run", hold_out="last")
    again = Recommender.load(tmp_path / "run")
    assert found.forgotten == again.forgotten == 3
    assert checks(found) == checks(again) == [("whitening", False)]
    assert "3 people were taken out since" in str(run_leaks(again, "last", {})[0])


def test_a_whitening_of_all_items_is_found(rec):
    text = rec.items.text
    all_ = Whitening.fit(text, np.arange(len(text)), 8)
    (leak,) = run_leaks(with_whitening(rec, all_), "last", {})
    counts = leave_one_out(rec.log).train.item_counts()
    assert (leak.check, leak.refused, leak.count) == ("whitening", True, int((counts == 0).sum()))
    assert leak.count > 0
    assert "whitening of texts was not fitted on the training part alone" in leak.what
    spread = replace(all_, mean=rec.model.whitening.mean)  # the mean alone is right
    assert checks(with_whitening(rec, spread)) == [("whitening", True)]
    one_more = np.append(np.flatnonzero(counts), np.flatnonzero(counts == 0)[0])
    assert checks(with_whitening(rec, Whitening.fit(text, one_more, 8))) == [("whitening", True)]


def test_the_whitening_of_images_and_of_people_too(rec):
    image = rec.model.features.items["image"]
    found = with_whitening(rec, image=Whitening.fit(image, np.arange(80), 8))
    (leak,) = run_leaks(found, "last", {})
    assert "the whitening of image" in leak.what
    taste = rec.model.features.people.profiles.vectors["taste"]
    found = with_whitening(rec, **{"user taste": Whitening.fit(taste, np.arange(3), 8)})
    (leak,) = run_leaks(found, "last", {})
    assert "the whitening of user taste" in leak.what


def test_a_run_of_a_longer_training_part_knows_too_much(rec):
    """As if it had been trained on all events, and its manifest said --hold-out last."""
    data = Dataset(rec.log, rec.catalog, rec.model.graph.facts())
    whole = fit(data, "hash", CONFIG, hold_out="none").recommender
    found = run_leaks(whole, "last", {})
    assert {leak.check for leak in found if leak.refused} >= {"edges", "whitening"}
    assert checks(whole, "none") == []


def test_of_a_run_that_started_from_another_the_mean_is_asked(rec):
    text, counts = rec.items.text, leave_one_out(rec.log).train.item_counts()
    rows = np.flatnonzero(counts)
    other = Whitening.fit(np.random.default_rng(0).normal(size=text.shape), np.arange(80), 8)
    moved = with_whitening(rec, other.centred_on(text, rows))
    assert checks(moved) == [("whitening", True)]
    assert checks(moved, **{"from": {"run": "x"}}) == []
    late = with_whitening(rec, other.centred_on(text, np.arange(80)))
    assert checks(late, **{"from": {"run": "x"}}) == [("whitening", True)]


def test_nothing_to_whiten_is_no_leak():
    none = np.zeros((5, 3), np.float32)
    fitted = Whitening.fit(none, np.arange(3), 2)
    assert whitening_leak("texts", fitted, none, np.arange(3), 2) is None


def test_what_the_encoder_has_read_is_part_of_the_run(rec):
    cut = int(leave_one_out(rec.log).train.time.max())
    late, early = Reading("a.csv", "0", 9, 0, cut + 1), Reading("a.csv", "0", 9, 0, cut)
    assert checks(rec, read=[asdict(late)]) == [("pretraining", True)]
    assert checks(rec, read=[asdict(early)]) == []
