"""Where a search says what comes next, a model that reads searches is far ahead."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.clean import clean
from kg.errors import UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from kg.storage import Dataset
from kg.testing import START
from models.batch import history_batches, moments, training_batches
from models.features import Features, Queries
from models.recommender import IntentRecommender, ModelConfig
from models.text import NgramEncoder
from recsys import Recommender, Search
from recsys.cli import main
from recsys.serving.answers import NotHeard
from recsys.serving.queries import query_of, reading_of
from recsys.training.config import RunConfig
from recsys.training.fit import fit, judge
from recsys.training.settings import TrainConfig

KINDS = ("lipstick", "tent", "kettle", "spade", "guitar", "stapler", "racket", "puzzle")
ITEMS, USERS, STEPS = 64, 100, 7


def config(**settings):
    model = ModelConfig(dim=16, layers=1, dropout=0.1, max_length=16, **settings)
    return RunConfig(model=model, train=TrainConfig(max_epochs=8, learning_rate=5e-3))


def world():
    """Each item event follows a search whose word stands in the item's title; kinds are drawn
    anew each time, so that only the search tells them.
    """
    rng = np.random.default_rng(9)
    catalog = Catalog.of(
        [f"i{n:02d}" for n in range(ITEMS)], [f"{KINDS[n % 8]} number {n}" for n in range(ITEMS)]
    )
    users, items, queries = [], [], []
    for user in range(USERS):
        for _ in range(STEPS):
            kind = int(rng.integers(8))
            users += [f"u{user:03d}"] * 2
            items += ["", f"i{8 * rng.integers(8) + kind:02d}"]
            queries += [f"a {KINDS[kind]} please", ""]
    log = EventLog.of(
        users, items, query=queries, time=START + 60 * np.arange(len(users)),
        behaviour=["search" if query else "view" for query in queries],
    )  # fmt: skip
    log = clean(log, catalog.ids)[0]
    return Dataset(log, catalog, build_graph(log, catalog))


@pytest.fixture(scope="module")
def fitted():
    return fit(world(), "ngram", config(), hold_out="last")


def share_of_kind(found, kind):
    return np.mean([int(r.item[1:]) % 8 == kind for r in found])


def test_searches_before_the_next_item_put_a_model_ahead(fitted):
    assert fitted.recommender.model.config.searches is True
    without = fit(world(), "ngram", config(searches=False), hold_out="last")
    scores = [judge(f.recommender, f.split, "test").per_user["ndcg@20"] for f in (fitted, without)]
    gain = scores[0] - scores[1]
    assert gain.mean() > 0.15
    assert gain.mean() > 4 * gain.std() / np.sqrt(len(gain))
    assert without.recommender.model.searches is None
    assert not any("searches" in name for name in without.recommender.model.state_dict())


def test_live_searches_known_or_new_are_read(fitted):
    rec = fitted.recommender
    for kind in (1, 4):
        for text in (f"a {KINDS[kind]} please", f"cheap {KINDS[kind]}"):
            found = rec.recommend(history=["i00", "i10", Search(text)], k=5)
            assert share_of_kind(found, kind) >= 0.6, text
            assert share_of_kind(rec.recommend(history=[Search(text)], k=5), kind) >= 0.6
    assert rec.history(history=["i03", Search("x")]).tolist() == [3]


def test_a_run_that_has_not_learned_to_read_searches_says_so(fitted):
    rec = fitted.recommender
    deaf = fit(world(), "ngram", config(searches=False)).recommender
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rec.recommend(history=[Search("a guitar")], k=3)
        deaf.recommend(history=["i00"], k=3)
    for past in ([Search("a guitar")], ["i00", Search("a guitar")]):
        with pytest.warns(NotHeard, match=r"not learned to read .*'a guitar' .* answers by text"):
            assert len(deaf.recommend(history=past, k=3)) == 3


def test_a_live_history_is_the_stored_one(fitted):
    rec = fitted.recommender
    own = rec.histories.take(np.array([5]))
    told = [rec.items.ids[code] for code in own.items_of(0)]
    live = []
    for n, item in enumerate(told):
        live += [Search(own.searches.texts[own.searches.text[n]]), item]
    vectors = rec.model.items().vector.detach()
    asked, one = query_of(rec, None, live)
    intent = reading_of(rec, one.items_of(0), live)
    timeless = replace(own, time=None)
    stored = rec.model.encode_histories(timeless, vectors, intent)
    np.testing.assert_allclose(asked, stored, atol=1e-5)
    bare = rec.model.encode_histories(replace(timeless, searches=None), vectors, intent)
    assert np.abs(asked - bare).max() > 0.01


def test_a_saved_run_reads_searches(fitted, tmp_path):
    rec = fitted.recommender
    rec.save(tmp_path / "run")
    back = Recommender.load(tmp_path / "run")
    for asked in ({"user": "u003"}, {"history": ["i01", Search("any guitar")]}):
        one, two = (r.recommend(**asked, k=5) for r in (rec, back))
        assert [r.item for r in one] == [r.item for r in two]
        np.testing.assert_allclose([r.score for r in one], [r.score for r in two], atol=1e-5)
    assert rec.model.gates()["query"] > 0


def test_a_search_from_the_command_line(fitted, tmp_path, monkeypatch, capsys):
    fitted.recommender.save(tmp_path / "run")
    for words, code in [(["--search", "guitar"], 0), (["--search", "x", "--user", "u001"], 2)]:
        monkeypatch.setattr("sys.argv", ["kgintent", "recommend", str(tmp_path / "run"), *words])
        with pytest.raises(SystemExit) as caught:
            main()
        assert (caught.value.code or 0) == code
    assert "guitar" in capsys.readouterr().out


# ---- the batches -------------------------------------------------------------------------


def small():
    data = world()
    queries = data.log.query
    texts = Queries.of(data.log, NgramEncoder(32).encode)
    text = NgramEncoder(32).encode(data.catalog.full_texts())
    settings = ModelConfig(dim=8, text_dim=8, max_length=6, searches=True, repeats=True)
    model = IntentRecommender(data.graph, text, settings, behaviours=2,
                              features=Features.of(data.catalog, queries=texts))  # fmt: skip
    assert queries is not None
    return model.eval(), Sequences.of(data.log), data.log


def test_a_search_is_no_target_and_each_item_is_one_once():
    model, histories, log = small()
    rng = np.random.default_rng(0)
    found = np.zeros(ITEMS, np.int64)
    events = model.events(histories)
    for batch in training_batches(events, 100, 500, rng):
        assert (batch.query >= 0)[batch.target].all()  # here each item comes right after a search
        assert not batch.target[batch.query < 0].any()
        assert (batch.item[batch.query >= 0] == 0).all()
        found += np.bincount(batch.wanted.item.numpy(), minlength=ITEMS)
    assert found.tolist() == log.item_counts().tolist()


def test_places_count_item_events_from_the_first_that_is_read():
    model, histories, _ = small()
    ((_, batch),) = history_batches(model.events(histories), 5, 1000)
    assert batch.item.shape == (USERS, 5)  # item, search, item, search, item
    assert (batch.query >= 0).tolist() == [[False, True, False, True, False]] * USERS
    assert batch.place.tolist() == [[0, 0, 1, 1, 2]] * USERS
    assert batch.start.tolist() == [STEPS - 3] * USERS
    ((_, batch),) = history_batches(model.events(histories), 4, 1000)
    assert batch.place.tolist() == [[-1, 0, 0, 1]] * USERS
    assert batch.start.tolist() == [STEPS - 2] * USERS


def test_what_comes_after_a_visit_is_asked_at_its_last_item_and_the_next_item_at_searches():
    model, histories, _ = small()
    time = np.tile(np.arange(STEPS) // 2 * 10**6, USERS)
    histories = replace(histories, time=time, searches=replace(histories.searches, time=time))
    events = model.events(histories)
    rng = np.random.default_rng(0)
    for batch in training_batches(events, 100, 500, rng, histories.periods(3600)):
        row, column = np.nonzero(batch.target.numpy())
        place, searched = batch.place.numpy()[row, column], batch.query.numpy()[row, column] >= 0
        assert (place[~searched] % 2 == 1).all()  # visits are of two items
        assert {-1, 0, 1} < set(place[searched].tolist())  # before all, within one, after one
        own = histories.offsets[batch.user.numpy()[row]] + place
        assert (np.where(place < 0, -1, own) == moments(batch, events)).all()
        wanted = batch.wanted
        for k, item in zip(wanted.row.tolist(), wanted.item.tolist(), strict=True):
            assert item in histories.item[own[k] + 1 : own[k] + (2 if searched[k] else 3)]


def test_what_is_added_for_repeats_goes_to_items_only():
    model, histories, _ = small()
    queries = model.encode_histories(histories, model.items().vector.detach())
    with_bias = model.repeat
    with_bias.count.data += 1.0
    bonus = model.repeat_bonus(histories, queries, model.items().vector.detach())
    for user in range(0, USERS, 10):
        own = set(histories.items_of(user).tolist())
        assert sorted(bonus[user].indices.tolist()) == sorted(own)


@pytest.mark.parametrize("text", ["", " ", None])
def test_an_empty_search_is_refused(text):
    with pytest.raises(UsageError, match="The text of a search must not be empty"):
        Search(text)
