"""A person who is forgotten is nowhere in the run, and the others get what they got."""

import json
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
from kg.vectors import Vectors
from models.recommender import ModelConfig
from recsys import Recommender, Search
from recsys.training.config import RunConfig
from recsys.training.fit import fit
from recsys.training.settings import TrainConfig

GONE, TABLE, LATE = "forget-me-7", "only-in-the-table", "came-late-8"
TEXT, TOWN = "my secret illness", "Nowhereville"


def world():
    """A planted log with a person of a rare town who also searched for something rare."""
    made = planted(np.random.default_rng(1), users=60, items=40, events=8)
    frame = made.log.to_frame()
    names = frame["user"].replace("u00007", GONE).to_list()
    last = int(made.log.time.max())
    searches = [(user, "red pen", last + 60 * n) for n, user in enumerate(sorted(set(names))[:40])]
    searches += [(GONE, TEXT, last + 9000)]
    log = EventLog.of(
        names + [user for user, _, _ in searches], frame["item"].to_list() + [""] * len(searches),
        behaviour=frame["behaviour"].to_list() + ["search"] * len(searches),
        time=np.array(frame["time"].to_list() + [at for _, _, at in searches]),
        query=[""] * len(frame) + [text for _, text, _ in searches],
    )  # fmt: skip
    log = clean(log, made.catalog.ids)[0]
    ids = [*log.users.ids[:-1], TABLE]
    towns = [[TOWN] if key in (GONE, TABLE) else [["Ulm"], ["Bern"]][n % 2]
             for n, key in enumerate(ids)]  # fmt: skip
    users = Catalog.of(ids, attributes={"town": towns}, name="user")
    looks = np.random.default_rng(0).normal(size=(len(ids), 3))
    users = users.with_vectors(Vectors.of("face", ids, looks, users.ids))
    return Dataset(log, made.catalog, build_graph(log, made.catalog, users), users)


def trained(**told):
    config = RunConfig(
        model=ModelConfig(dim=16, layers=1, searches=True, max_length=12, **told),
        train=TrainConfig(max_epochs=2),
    )
    return fit(world(), "hash", config).recommender


@pytest.fixture(scope="module")
def rec():
    return trained()


@pytest.fixture(scope="module")
def live(rec):
    """With events since, also of somebody new."""
    time = rec.log.time.max() + 3600 * np.arange(1, 6)
    new = EventLog.of(
        [LATE, LATE, GONE, GONE, "u00003"], ["i0001", "i0002", "i0003", "", "i0004"], time=time,
        behaviour=["view", "view", "purchase", "search", "view"],
        query=["", "", "", TEXT + " again", ""],
    )  # fmt: skip
    return rec.with_events(new)


def lists(rec, users):
    return {user: rec.recommend(user, k=10) for user in users}


def same(ours, theirs):
    for user, found in ours.items():
        assert [r.item for r in found] == [r.item for r in theirs[user]]
        assert np.allclose([r.score for r in found], [r.score for r in theirs[user]], atol=1e-5)


def words_of(folder):
    """What stands in the files of a run, compressed arrays unpacked."""
    out = {}
    for file in sorted(folder.rglob("*")):
        out[file.name] = file.read_bytes()
        if file.suffix == ".npz":
            with np.load(file) as stored:
                out[file.name] = b"".join(stored[name].tobytes() for name in stored.files)
    return out


@pytest.mark.parametrize("refit", [True, False])
def test_nothing_of_them_is_left_in_memory_or_on_disk(live, tmp_path, refit):
    gone = [GONE, TABLE, LATE]
    live.save(tmp_path / "before")
    before = words_of(tmp_path / "before")
    for word in (*gone, TEXT, TOWN):  # the test could be false
        assert any(word.encode() in told for told in before.values()), word
    found = live.without_users(gone, refit=refit)
    for user in gone:
        with pytest.raises(UsageError, match="is not known"):
            found.recommend(user)
        live.recommend(user)  # the old object is as it was
    found.save(tmp_path / "run")
    for name, told in words_of(tmp_path / "run").items():
        for word in (*gone, TEXT, TOWN):
            assert word.encode() not in told, (name, word)
    again = Recommender.load(tmp_path / "run", live.encoder)
    everybody = found.log.users.ids
    assert set(everybody) == {*live.log.users.ids} - {*gone}
    same(lists(again, everybody), lists(found, everybody))
    same({"": again.recommend(history=[], k=9)}, {"": found.recommend(history=[], k=9)})
    assert again.intents("u00003") == found.intents("u00003")
    assert len(found.intent.serve) == len(found.log.users) == len(found.histories)
    assert found.paths.chosen.shape[1] == len(found.learned.users)
    assert again.explain("u00003", item="i0001").reason == (
        found.explain("u00003", item="i0001").reason
    )


def test_the_others_get_what_they_got(rec):
    alone = rec.beside(replace(rec.partners, trend=None))  # it counts all events
    found = alone.without_users([GONE, TABLE], refit=False)
    same(lists(found, found.log.users.ids), lists(alone, found.log.users.ids))
    told = {"profile": {"town": "Bern"}, "history": ["i0001", Search("red pen")]}
    same({"": found.recommend(**told)}, {"": alone.recommend(**told)})


def test_what_is_counted_counts_the_others(rec):
    found = rec.without_users([GONE])
    log = rec.log.take(rec.log.user != rec.log.users.encode([GONE])[0])
    assert found.log.item_counts().tolist() == log.item_counts().tolist()
    popular = found.recommend(history=[], k=5)
    assert [r.score for r in popular] == sorted(log.item_counts(), reverse=True)[:5]
    near = rec.partners.refit(log, rec.items.content)
    if near.neighbours is not None:
        assert (found.partners.neighbours.links != near.neighbours.links).nnz == 0
    if near.factors is not None:
        assert np.allclose(found.partners.factors.vectors, near.factors.vectors, atol=1e-4)


def test_they_may_come_back_as_somebody_new(rec):
    found = rec.without_users([GONE])
    time = found.log.time.max() + np.arange(2)
    back = found.with_events(EventLog.of([GONE, GONE], ["i0001", "i0002"], time=time))
    assert back.history(GONE).tolist() == [1, 2]


def test_a_run_that_hears_who_met_an_item_forgets_as_well(tmp_path):
    rec = trained(user_edges=True)
    found = rec.without_users([GONE, TABLE])
    assert [r.item for r in found.recommend("u00003", k=5)]
    found.save(tmp_path / "run")
    again = Recommender.load(tmp_path / "run")
    same(lists(again, found.log.users.ids), lists(found, found.log.users.ids))
    assert all(GONE.encode() not in told for told in words_of(tmp_path / "run").values())


def test_mistakes_are_sentences(rec):
    with pytest.raises(UsageError, match="The user 'forget-me-8' is not known"):
        rec.without_users(["forget-me-8"])
    with pytest.raises(UsageError, match="not one string"):
        rec.without_users(GONE)
    with pytest.raises(UsageError, match="needs somebody with an event"):
        rec.without_users(rec.log.users.ids)
    assert len(rec.without_users([]).log) == len(rec.log)


def test_from_the_command_line(live, tmp_path, call):
    run = tmp_path / "run"
    live.save(run, hold_out="none")
    code, _, err = call("events", "remove", run, "--user", GONE, "--user", LATE)
    assert code == 0, err
    assert "2 people removed with 14 events" in err
    assert "only a training on data that were built without them" in err
    told = words_of(run)
    assert not any(word.encode() in cells for word in (GONE, LATE) for cells in told.values())
    assert json.loads(told["manifest.json"])["hold_out"] == "none"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
    code, _, err = call("events", "remove", run, "--user", GONE)
    assert (code, "is not known" in err) == (2, True)
    assert call("recommend", run, "--user", "u00003", "-k", 2)[0] == 0
