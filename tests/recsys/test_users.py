"""What is known of people: it ranks for those without a history, and is nothing where unknown."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.clean import clean
from kg.errors import UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import leave_one_out
from kg.storage import Dataset
from kg.vectors import Vectors
from models.features import Features
from models.recommender import IntentRecommender, ModelConfig
from recsys import Recommender
from recsys.export import user_vectors
from recsys.judging.ablate import mask_parts, masked, parts_of
from recsys.serving.answers import NotHeard
from recsys.serving.queries import query_of
from recsys.training.config import RunConfig
from recsys.training.fit import fit
from recsys.training.settings import TrainConfig
from recsys.training.strangers import choose_trust

CONFIG = RunConfig(
    model=ModelConfig(dim=16, layers=1, dropout=0.1, max_length=12),
    train=TrainConfig(max_epochs=10, learning_rate=5e-3),
)
KINDS, ITEMS, USERS = 5, 50, 150
NEW = [f"new{kind}" for kind in range(KINDS)]


def world(vectors=False):
    """A user's team (or a vector that says it) decides of which kind nearly all items are; a few
    people of the table have no event, and one user has no row in it.
    """
    rng = np.random.default_rng(4)
    catalog = Catalog.of([f"i{n:02d}" for n in range(ITEMS)])
    team = np.arange(USERS) % KINDS
    users = [f"u{n:03d}" for n in range(USERS)]
    follows = rng.random((USERS, 8)) < 0.9
    free = rng.integers(0, ITEMS, (USERS, 8))
    items = np.where(follows, free - free % KINDS + team[:, None], free)
    log = EventLog.of(np.repeat(users, 8).tolist(), [f"i{n:02d}" for n in items.ravel()])
    log = clean(log, catalog.ids)[0]
    everyone, teams = [*users[1:], *NEW], [*team[1:], *range(KINDS)]
    cells = {} if vectors else {"team": [[f"team {t}"] for t in teams]}
    people = Catalog.of(everyone, attributes=cells, name="user")
    if vectors:
        looks = 2 * rng.normal(size=(KINDS, 6))[teams] + 1
        people = people.with_vectors(Vectors.of("profile", everyone, looks, people.ids))
    graph = build_graph(log, catalog, people)
    return Dataset(log, catalog, graph, people)


@pytest.fixture(scope="module")
def rec():
    return fit(world(), "hash", CONFIG).recommender


def share_of_kind(found, kind):
    return np.mean([int(r.item[1:]) % KINDS == kind for r in found])


def test_a_profile_ranks_better_than_popularity_for_people_without_a_history(rec):
    popular = rec.recommend(history=[], k=10)
    assert [r.score for r in popular] == sorted(rec.log.item_counts(), reverse=True)[:10]
    for kind, user in enumerate(NEW):
        found = rec.recommend(user, k=10)
        assert share_of_kind(found, kind) > share_of_kind(popular, kind) + 0.3
        assert rec.recommend(profile={"team": f"team {kind}"}, k=10) == found
        assert rec.history(user).tolist() == []
        assert rec.intents(user) == []


def test_who_comes_later_has_a_profile_in_every_list(rec, tmp_path):
    """People of the table whose first event came since: one by one, all together, exported."""
    later = rec.with_events(EventLog.of(list(NEW), ["i07"] * len(NEW)))
    frame = pl.concat(later.recommend_all(5, users=[*NEW, "u001"]))
    ids, vectors = user_vectors(later)
    for user in (*NEW, "u001"):
        found, rows = later.recommend(user, k=5), frame.filter(user_id=user)
        assert rows["item_id"].to_list() == [r.item for r in found]
        np.testing.assert_allclose(rows["score"], [r.score for r in found], atol=2e-6)
        query, _ = query_of(later, user, None)
        np.testing.assert_allclose(vectors[ids.index(user)], query[0], atol=1e-5)
    alone = rec.recommend(history=["i07"], k=5)
    assert any(later.recommend(user, k=5) != alone for user in NEW)


def test_vectors_of_people_do_the_same():
    rec = fit(world(vectors=True), "hash", CONFIG).recommender
    told = rec.model.features.users.vectors[0].values[-1]
    assert rec.recommend(profile={"profile": "|".join(map(str, told))}, k=5) == rec.recommend(
        profile={"profile": told}, k=5
    )
    with pytest.raises(UsageError, match="must be 6 finite numbers"):
        rec.recommend(profile={"profile": "1|2"})
    shares = [share_of_kind(rec.recommend(u, k=10), kind) for kind, u in enumerate(NEW)]
    assert min(shares) > 0.5
    assert rec.model.gates()["user profile"] != 0


def test_unknown_people_and_values_are_popularity_and_unknown_names_a_mistake(rec):
    popular = rec.recommend(history=[], k=5)
    with pytest.warns(NotHeard, match="has team 'team 11': it says nothing. Did you mean 'team 1'"):
        assert rec.recommend(profile={"team": ["team 11"]}, k=5) == popular
    assert rec.recommend(history=[], profile={}, k=5) == popular
    with pytest.raises(UsageError, match="'tem'"):
        rec.recommend(profile={"tem": "team 1"})
    with pytest.raises(UsageError, match="not known"):
        rec.recommend("nobody")


def test_a_profile_beside_a_history_goes_through_the_gate(rec):
    user, kept = "u007", rec.model.people.tower.gate.detach().clone()
    assert rec.model.gates()["user"] == pytest.approx(kept.tanh().item())
    with_own = rec.recommend(user, k=5)
    assert rec.recommend(user, profile={"team": "team 2"}, k=5) == with_own
    other = rec.recommend(user, profile={"team": "team 4"}, k=5)
    assert [r.score for r in other] != [r.score for r in with_own]
    gate = rec.model.people.tower.gate
    try:
        gate.data.zero_()
        shut = rec.recommend(user, k=5)
        assert rec.recommend(user, profile={"team": "team 4"}, k=5) == shut
    finally:
        gate.data.copy_(kept)


def test_bulk_answers_and_explanations_are_those_of_single_questions(rec):
    frame = pl.concat(rec.recommend_all(3, batch=40))
    for user in ("u000", "u001", "u149"):
        rows = frame.filter(pl.col("user_id") == user)
        found = rec.recommend(user, k=3)
        assert rows["item_id"].to_list() == [r.item for r in found]
        np.testing.assert_allclose(rows["score"], [r.score for r in found], atol=2e-6)
    told = rec.explain("new2", item="i07")
    scores = {r.item: r.score for r in rec.recommend("new2", k=ITEMS)}
    assert told.score == pytest.approx(scores["i07"], abs=2e-6)


def test_a_saved_run_knows_its_people(rec, tmp_path):
    rec.save(tmp_path / "run")
    back = Recommender.load(tmp_path / "run")
    for user in ("new3", "u010"):
        assert back.recommend(user, k=5) == rec.recommend(user, k=5)


def test_it_can_be_left_out():
    config = CONFIG.model_copy(update={"model": ModelConfig(dim=8, profiles=False)})
    config = config.model_copy(update={"train": TrainConfig(max_epochs=1)})
    rec = fit(world(), "hash", config).recommender
    assert rec.model.people is None
    assert not any("people" in name for name in rec.model.state_dict())
    with pytest.raises(UsageError, match="--users"):
        rec.recommend(profile={"team": "team 1"})


def test_histories_of_others_carry_no_number_of_the_log(rec):
    own = rec.histories
    assert own.who.tolist() == list(range(USERS))
    assert own.take(np.array([5, 2])).who.tolist() == [5, 2]
    stranger = Sequences.single(own.items_of(7), own.num_items)
    assert stranger.who is None
    items = rec.model.items().vector.detach()
    bare = rec.model.encode_histories(stranger, items)
    nobody = rec.model.encode_histories(replace(stranger, who=np.array([-1])), items)
    np.testing.assert_array_equal(bare, nobody)
    known = rec.model.encode_histories(replace(stranger, who=np.array([7])), items)
    assert np.abs(known - bare).max() > 1e-6


def test_from_the_command_line(tmp_path, monkeypatch, call):
    monkeypatch.chdir(tmp_path)
    rows = [(f"u{n // 4}", f"i{(n * 7) % 5}", n) for n in range(24)]
    (tmp_path / "events.csv").write_text(
        "user,item,time\n" + "".join(f"{u},{i},{1_700_000_000 + t}\n" for u, i, t in rows)
    )
    (tmp_path / "items.csv").write_text("id,title\n" + "".join(f"i{n},T {n}\n" for n in range(5)))
    (tmp_path / "users.csv").write_text("customer,likes\nu0,tea|cake\nu1,cake\nnew,tea\n")
    np.savez(tmp_path / "x.npz", ids=np.array(["u0", "new", "q"]), vectors=np.eye(3)[:, :2])
    build = ["build", "events.csv", "items.csv", "-o", "data", "--users", "users.csv"]
    build += ["--columns", "user_id=customer", "--user-vectors", "taste=x.npz"]
    code, _, err = call(*build)
    assert code == 0, err
    assert "3 users, 2 of them in the events; attributes: likes (2)" in err
    assert "taste: 3 vectors of 2 numbers, 2 used, aside: 1 unknown user" in err
    assert call("train", "data", "-o", "run", "--encoder", "hash", "--max-epochs", "1")[0] == 0
    code, out, err = call("recommend", "run", "--profile", "likes=tea|cake", "-k", 2)
    assert code == 0, err
    assert len([json.loads(line) for line in out.splitlines()]) == 2
    assert call("recommend", "run", "--user", "new", "-k", 2)[0] == 0
    assert call("recommend", "run", "--profile", "hates=tea")[0] == 2
    assert call("recommend", "run", "--profile", "likes")[0] == 2


def test_a_profile_that_ranks_no_better_than_popularity_is_not_believed(rec):
    assert rec.model.gates()["user alone"] >= 0.5  # this one does
    data = world()
    split = leave_one_out(data.log, test=False)
    torch.manual_seed(0)
    model = IntentRecommender(
        build_graph(split.train, data.catalog, data.users), np.zeros((ITEMS, 2), np.float32),
        ModelConfig(dim=16), features=Features.of(data.catalog, data.users),
    ).eval()  # fmt: skip
    choose_trust(model, Sequences.of(split.train), split.valid)  # as it is before training
    assert model.people.trust == 0
    nobody = Sequences.single(np.zeros(0, np.int64), ITEMS)
    items = model.items().vector.detach()
    assert not model.encode_histories(replace(nobody, who=np.array([7])), items).any()


def test_parts_of_a_score_without_a_history(rec):
    told = rec.explain("new1", item="i07")
    counts = rec.model.items.counts
    assert told.parts["popularity"] == pytest.approx(np.log(counts[7].item() + 1))
    assert told.score == pytest.approx(sum(told.parts.values()))
    assert "like yours" in told.reason
    assert "popularity" not in rec.explain("u003", item="i07").parts
    more = rec.with_items(Catalog.of(["i07", "z"]))
    assert more.explain("new1", item="z").parts["popularity"] == 0
    assert more.explain("new1", item="i07").parts["popularity"] == told.parts["popularity"]
    assert "i07" in [r.item for r in more.recommend("new1", k=60)]


def test_a_second_training_believes_profiles_as_far_as_validation_did():
    data = world()
    teams = data.users.attribute("team").cells(len(data.users))
    at = np.random.default_rng(0).permutation(len(teams))  # anybody's team: it says nothing
    people = Catalog.of(data.users.ids.ids, attributes={"team": [teams[n] for n in at]},
                        name="user")  # fmt: skip
    data = replace(data, users=people, graph=build_graph(data.log, data.catalog, people))
    train = TrainConfig(max_epochs=2, learning_rate=5e-3, refit=True)
    found = fit(data, "hash", CONFIG.model_copy(update={"train": train}))
    assert found.again
    assert found.recommender.model.gates()["user alone"] == 0


@pytest.mark.parametrize("vectors", [False, True])
def test_what_people_tell_can_be_masked(vectors):
    made = fit(world(vectors), "hash", CONFIG, hold_out="last")
    own, rng = made.recommender, np.random.default_rng(0)
    names = ["profile", *["user vectors profile"] * vectors]
    assert parts_of(own)[-len(names) :] == names
    for name in names:
        other, split = masked(own, made.split, name, "test", rng)
        assert split is made.split
        assert other.model.people is not None
        assert not other.model.people.profiles.known.any()
        assert own.model.people.profiles.known.any()
        for user in NEW:  # nothing is known of them then
            assert [r.item for r in other.recommend(user, k=5)] == [
                r.item for r in own.recommend(history=[], k=5)
            ]
        effects = mask_parts(own, made.split, "test", [name])
        assert {effect.part for effect in effects} == {name}
    with pytest.raises(UsageError, match="Did you mean 'profile'"):
        masked(own, made.split, "profil", "test", rng)
