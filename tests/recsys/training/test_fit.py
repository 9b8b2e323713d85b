"""What the data decide of the settings, and the training on all that is known."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.errors import UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import Split, leave_one_out, temporal_split
from kg.storage import Dataset
from kg.testing import planted
from models.intent import IntentConfig
from models.recommender import ModelConfig
from models.text import HashEncoder
from recsys.notices import Otherwise
from recsys.recommender import Recommender
from recsys.serving.answers import NotHeard
from recsys.training.config import RunConfig
from recsys.training.fit import fit, forget, judge, refit_place, refits, resolved
from recsys.training.settings import TrainConfig


def split(users, each, items):
    rng = np.random.default_rng(0)
    user = np.repeat(np.arange(users), each)
    log = EventLog.of(user, rng.integers(0, items, len(user)))
    none = log.take(np.zeros(0, np.int64))
    return Split(log, none, none)


@pytest.mark.parametrize(
    ("users", "each", "items", "dropout", "length"),
    [(50, 10, 50, 0.5, 50), (50, 120, 60, 0.4, 120), (50, 400, 60, 0.2, 200)],
)
def test_dropout_and_length_follow_the_data(users, each, items, dropout, length):
    found = resolved(ModelConfig(), split(users, each, items))
    assert (found.dropout, found.max_length) == (dropout, length)
    assert found.id_dropout == 0.6
    assert found.repeats  # so few items are met again and again
    assert (found.dim, resolved(ModelConfig(repeats=False), split(users, each, items)).dim) == (
        64,
        128,
    )


def test_what_is_set_stays():
    config = ModelConfig(
        dim=8,
        dropout=0.0,
        id_dropout=0.0,
        max_length=7,
        repeats=False,
        searches=True,
        ordered=True,
    )
    assert resolved(config, split(50, 400, 60)) == config


QUICK = RunConfig(train={"max_epochs": 4, "patience": 1}, model={"layers": 1, "dim": 16})


def world(seed=0, users=60):
    """The last item comes into the shop when validation begins, and everybody takes it then."""
    made = planted(np.random.default_rng(seed), users=users, items=24)
    log, late = made.log, len(made.catalog) - 1
    split = temporal_split(log)
    item = np.where(log.item == late, 0, log.item)
    item = np.where(np.isin(log.row, split.valid.row), late, item)
    log = replace(log, item=item)
    return Dataset(log, made.catalog, build_graph(log, made.catalog)), late


def test_validation_is_learned_from_once_it_has_chosen():
    data, late = world()
    found = fit(data, "hash", QUICK, hold_out="time")
    best = max(report.epoch for report in found.reports if report.best)
    assert [report.epoch for report in found.again] == list(range(1, best + 1))
    assert all(not report.metrics for report in found.again)
    known = temporal_split(data.log).before_test()
    assert found.recommender.model.trained_items[late]
    assert found.split.train.item.tolist() == known.item.tolist()
    assert not found.split.valid.has_item.any()  # nothing is left to validate on
    assert found.intents.valid.shape == (len(data.log.users), found.intents.dim)

    once = RunConfig(model={"layers": 1, "dim": 16}, train={"max_epochs": 4, "refit": False})
    bare = fit(data, "hash", once, hold_out="time")
    assert not bare.again
    assert not bare.recommender.model.trained_items[late]
    assert bare.split.valid.has_item.any()
    assert judge(found.recommender, found.split, "test").users == (
        judge(bare.recommender, bare.split, "test").users
    )


def test_intents_of_the_second_training_have_read_validation():
    data, _ = world()
    again = fit(data, "hash", QUICK, hold_out="time").intents
    once = fit(data, "hash", RunConfig(train={"max_epochs": 1, "refit": False}), hold_out="time")
    moved = np.unique(temporal_split(data.log).valid.user)
    changed = (again.valid != once.intents.valid).any(1)
    assert changed[moved].all()
    assert changed.sum() == len(moved)
    np.testing.assert_array_equal(again.prefix, once.intents.prefix)


def test_a_second_training_that_was_stopped_goes_on(tmp_path):
    data, _ = world()
    whole = fit(data, "hash", QUICK, hold_out="time")

    class Stop(Exception):
        pass

    seen = []

    def stop(report):
        seen.append(report)
        if not report.metrics and report.epoch == len(whole.again) - 1:
            raise Stop

    place = tmp_path / "state"
    assert len(whole.again) > 1
    with pytest.raises(Stop):
        fit(data, "hash", QUICK, hold_out="time", checkpoint=place, on_epoch=stop)
    assert refit_place(place).exists()
    rest = fit(data, "hash", QUICK, hold_out="time", checkpoint=place, resume=True)
    assert not rest.reports
    assert len(rest.again) <= 2  # the epoch that was not kept yet, and the last
    for one, other in zip(
        whole.recommender.model.parameters(), rest.recommender.model.parameters(), strict=True
    ):
        np.testing.assert_allclose(one.detach(), other.detach(), rtol=1e-5, atol=1e-7)


def test_one_that_was_stopped_at_its_very_end_learns_no_more(tmp_path):
    data, _ = world(3)
    place = tmp_path / "state"
    whole = fit(data, "hash", QUICK, hold_out="time", checkpoint=place)
    assert 0 < len(whole.again) < QUICK.train.max_epochs
    rest = fit(data, "hash", QUICK, hold_out="time", checkpoint=place, resume=True)
    assert not rest.reports
    assert not rest.again
    for one, other in zip(
        whole.recommender.model.parameters(), rest.recommender.model.parameters(), strict=True
    ):
        np.testing.assert_array_equal(one.detach(), other.detach())
    forget(place)
    assert not list(tmp_path.iterdir())


def test_when_the_last_events_are_learned_from_too():
    data, _ = world()
    by_time, by_user = temporal_split(data.log), leave_one_out(data.log)
    assert refits(TrainConfig(), by_time)
    assert not refits(TrainConfig(), by_user)  # each user's last event: the literature's protocol
    assert refits(TrainConfig(refit=True), by_user)
    assert not refits(TrainConfig(refit=False), by_time)
    assert not refits(TrainConfig(), by_time.refitted())  # nothing to learn from in addition


def test_a_split_of_the_callers_own():
    data, _ = world()
    split = temporal_split(data.log, test=0.3)
    found = fit(data, "hash", RunConfig(train={"max_epochs": 1, "refit": False}), split=split)
    assert found.split is split
    kept = Sequences.of(split.train).item
    assert found.recommender.model.trained_items.sum() == len(np.unique(kept))


ONE = RunConfig(model={"layers": 1, "dim": 16}, train={"max_epochs": 1})


def shop(titles, attributes=None):
    """Thirty people who each meet five of these items, one a minute."""
    rng = np.random.default_rng(0)
    catalog = Catalog.of([f"i{n:02d}" for n in range(len(titles))], titles, None, attributes)
    met = np.concatenate([rng.permutation(len(titles))[:5] for _ in range(30)])
    log = EventLog.of(
        [f"u{n // 5:02d}" for n in range(len(met))], [catalog.ids.ids[code] for code in met],
        time=1_700_000_000 + 60 * np.arange(len(met)),
    )  # fmt: skip
    log = replace(log, items=catalog.ids, item=catalog.ids.encode(log.items.ids)[log.item])
    return Dataset(log, catalog, build_graph(log, catalog))


class Illiterate(HashEncoder):
    """Knows no word."""

    def unknown_share(self, texts):
        return 1.0


def test_another_encoder_than_asked_for_is_a_warning_unless_somebody_listens():
    data = shop([f"thing {n}" for n in range(12)])
    with pytest.warns(Otherwise, match="texts are compared by their characters"):
        found = fit(data, Illiterate(8), ONE)
    assert found.recommender.encoder.id.startswith("ngram")
    said = []
    with warnings.catch_warnings():
        warnings.simplefilter("error", Otherwise)
        fit(data, Illiterate(8), ONE, say=said.append)
    assert sum("by their characters" in line for line in said) == 1


def test_people_who_were_not_there_before_are_a_warning():
    data = shop([f"thing {n}" for n in range(12)])  # the people come one after the other
    with pytest.warns(Otherwise, match="of the people of the validation part were there before"):
        fit(data, "hash", ONE, hold_out="time")


def test_the_relation_that_names_intents_is_told_where_none_is_a_category():
    attributes = {
        "level": [[str(n % 4)] for n in range(12)],
        "track": [[("chess", "yoga", "algebra")[n % 3]] for n in range(12)],
    }
    data = shop([f"thing {n}" for n in range(12)], attributes)
    with pytest.warns(Otherwise, match="Named intents are the 3 values of 'track'") as told:
        found = fit(data, "hash", ONE)
    assert told[0].filename == __file__  # as of the line that asked
    assert found.intents.labels.names == ("algebra", "chess", "yoga")
    with warnings.catch_warnings():
        warnings.simplefilter("error", Otherwise)
        fit(data, "hash", ONE.model_copy(update={"intent": IntentConfig(relation="level")}))
        fit(shop(data.catalog.titles, {"genre": attributes["track"]}), "hash", ONE)


def test_an_encoder_may_be_given_as_it_is(tmp_path):
    data = shop([f"thing {n}" for n in range(12)])
    mine = HashEncoder(24, seed=5)
    rec = fit(data, mine, ONE).recommender
    assert rec.encoder is mine
    assert rec.items.text.shape == (12, 24)
    rec.save(tmp_path / "run")
    with pytest.warns(NotHeard, match=r"encoder that was given as it is \(hash:24:5\)"):
        bare = Recommender.load(tmp_path / "run")
    with pytest.raises(UsageError, match="needs the encoder"):
        bare.similar(text="thing 3")
    with pytest.raises(UsageError, match=r"made with the encoder hash:24:5.*Got hash:24:0"):
        Recommender.load(tmp_path / "run", HashEncoder(24))
    again = Recommender.load(tmp_path / "run", mine)
    assert again.similar(text="thing 3", k=2) == rec.similar(text="thing 3", k=2)
    assert again.recommend("u03") == rec.recommend("u03")
    other = fit(data, "hash", ONE)
    with pytest.raises(UsageError, match=r"has hash:64:0; got hash:24:5 instead"):
        fit(data, mine, ONE, start=other.recommender)
    with pytest.raises(UsageError, match="a name, a folder, or an object with dim"):
        fit(data, None, ONE)


def test_settings_that_are_none_or_no_settings():
    data = shop([f"thing {n}" for n in range(12)])
    with pytest.raises(UsageError, match=r"must be a RunConfig, such as.*Got dict instead"):
        fit(data, "hash", {"train": {"max_epochs": 1}})
    with pytest.raises(UsageError, match=r"must be a Dataset.*Got EventLog instead"):
        fit(data.log, "hash")
    single = Dataset(data.log.take(np.array([0])), data.catalog, data.graph.facts())
    assert not fit(single, "hash").reports  # the defaults; nobody has two events


def test_a_log_in_which_nothing_follows_is_told():
    catalog = Catalog.of([f"i{n}" for n in range(6)], [f"Thing {n}" for n in range(6)])
    log = EventLog.of([f"u{n}" for n in range(6)], catalog.ids.ids)
    data = Dataset(log, catalog, build_graph(log, catalog))
    told: list[str] = []
    made = fit(data, HashEncoder(16), RunConfig(train={"max_epochs": 2}), say=told.append)
    assert [line for line in told if "Nobody has two events with items" in line]
    assert not made.reports
    items = ["i0", "i1", "i2", "i3", "i1", "i2", "i4", "i5"]
    log = EventLog.of(["u0"] * 4 + ["u1"] * 4, items)
    data, told = Dataset(log, catalog, build_graph(log, catalog)), []
    fit(data, HashEncoder(16), RunConfig(train={"max_epochs": 1}), say=told.append)
    assert not [line for line in told if "Nobody has two events" in line]
