"""The linear partner by hand: what a history says, in what units, how its settings are found."""

import numpy as np
import pytest
from scipy import sparse

from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import leave_one_out
from kg.testing import planted, tiny
from recsys.baselines import EASE
from recsys.partners.neighbours import (
    COMMON,
    NeighbourConfig,
    Neighbours,
    heard,
    last_visits,
    likeness,
    links,
)
from recsys.partners.popular import popularity

CONFIG = NeighbourConfig()


def histories(*lists, items=5):
    offsets = np.cumsum([0, *map(len, lists)])
    item = np.array([code for codes in lists for code in codes], np.int64)
    return Sequences(offsets, item, np.zeros(len(item), np.int64), None, items)


def test_an_item_counts_from_its_last_event():
    found = last_visits(histories([3, 1, 3], [], [0]), 0.5).toarray()
    np.testing.assert_allclose(found, [[0, 0.5, 0, 1, 0], [0] * 5, [1, 0, 0, 0, 0]])


def test_scores_by_hand():
    matrix = sparse.csr_matrix(
        np.array([[0, 2, 0, -1], [0, 0, 1, 0], [0] * 4, [0] * 4], np.float32)
    )
    partner = Neighbours(matrix, 0.5, 3.0, 50, CONFIG)
    told = histories([0, 1], [2], items=4)
    x = np.array([0, 1, 1, -0.5])  # half of what item 0 says, and all of what item 1 says
    want = 3 * np.log1p(np.maximum(x / x.std(), 0))
    found = partner.scores(told).toarray()
    np.testing.assert_allclose(found, [want, [0] * 4], atol=1e-6)


def test_items_without_links_say_and_hear_nothing():
    matrix = sparse.csr_matrix(np.array([[0, 2], [1, 0]], np.float32))
    partner = Neighbours(matrix, 1.0, 1.0, 50, CONFIG)
    found = partner.scores(histories([0, 4], [4])).toarray()
    assert found.shape == (2, 2)  # columns of the fitted items
    assert np.flatnonzero(found[0]).tolist() == [1]
    assert not found[1].any()


def test_the_source_is_the_item_that_says_most():
    matrix = sparse.csr_matrix(np.array([[0, 0, 2], [0, 0, 1.5], [0, 0, 0]], np.float32))
    partner = Neighbours(matrix, 0.5, 1.0, 50, CONFIG)
    assert partner.source(histories([0, 1], items=3), 2) == 1  # 1.5 against 2 / 2
    assert partner.source(histories([0], items=3), 2) == 0
    assert partner.source(histories([0], items=3), 1) is None
    assert partner.source(histories([], items=3), 2) is None


def test_links_are_the_largest_weights_of_ease():
    log = planted(np.random.default_rng(0)).log
    found = links(log, NeighbourConfig(kind="ease", l2=10.0), 4).toarray()
    common = log.item_counts() >= COMMON
    whole = EASE.fit(log.take(log.has_item & common[log.item]), 10.0)
    assert (np.count_nonzero(found, axis=0) <= 4).all()
    for place, code in enumerate(whole.known.tolist()):
        column = whole.weights[:, place]
        best = np.argsort(-np.abs(column), kind="stable")[:4]
        np.testing.assert_allclose(found[whole.known[best], code], column[best], rtol=1e-5)


def test_an_item_that_met_no_other_hears_what_its_like_hear():
    users = [f"u{n}" for n in range(30) for _ in range(3)] + [f"x{n}" for n in range(4)]
    items = [f"i{(n + step) % 6}" for n in range(30) for step in range(3)] + ["lonely"] * 4
    log = EventLog.of(users, items)
    found = links(log, CONFIG, 50)
    assert found.data.all()
    lonely = int(log.items.encode(["lonely"])[0])
    assert found[:, [lonely]].nnz == 0
    content = np.random.default_rng(0).normal(size=(len(log.items), 5)).astype(np.float32)
    assert heard(found, content, 50)[:, [lonely]].nnz > 0


@pytest.mark.parametrize("kind", ["auto", "rp3beta"])
def test_too_few_events_give_no_links(kind):
    log = EventLog.of(["a", "b"], ["x", "y"])
    found = links(log, NeighbourConfig(kind=kind), 50)
    assert found.shape == (2, 2)
    assert found.nnz == 0


def test_a_new_item_hears_what_the_items_like_it_hear():
    told = sparse.csr_matrix(np.array([[0, 2, 0], [1, 0, 0], [0, 0, 0]], np.float32))
    content = np.array([[1, 0], [0, 1], [-1, 0], [1, 1], [0, 0]], np.float32)
    found = heard(told, content, 50).toarray()
    np.testing.assert_array_equal(found[:, :2], told.toarray()[:, :2])
    both = np.sqrt(0.5) / 2 * (found[:, 0] + found[:, 1])  # the mean of two, each times its cosine
    np.testing.assert_allclose(found[:, 3], both, rtol=1e-6)
    assert not found[:, [2, 4]].any()  # nothing is like item 2, and of item 4 nothing is known
    partner = Neighbours(sparse.csr_matrix(told), 1.0, 1.0, 50, CONFIG).with_items(content)
    assert partner.scores(histories([0], items=3)).toarray()[0, 3] > 0


def test_strangers_get_what_was_popular_lately():
    old, new = ["old"] * 5000, ["new"] * 3000
    log = EventLog.of(range(8000), old + new, time=np.arange(8000) * 60)
    assert log.items.ids[popularity(log).argmax()] == "new"
    untimed = EventLog.of(range(8000), old + new)
    assert log.items.ids[popularity(untimed).argmax()] == "old"
    np.testing.assert_array_equal(popularity(tiny().log), tiny().log.item_counts())


def test_no_partner_sees_the_validation_part():
    log = planted(np.random.default_rng(1)).log
    split = leave_one_out(log)
    train = links(split.train, CONFIG, 50)
    assert abs(train - links(split.before_test(), CONFIG, 50)).max() > 0


@pytest.mark.parametrize("wrong", [{"decays": (1.1,)}, {"decays": ()}, {"keeps": (0,)}, {"l2": 0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        NeighbourConfig(**wrong)


@pytest.mark.parametrize(("each", "want"), [(10, 200.0), (100, 500.0), (300, 700.0)])
def test_the_ridge_follows_the_events_per_item(monkeypatch, each, want):
    asked = []
    fit = EASE.fit

    def heard_of(log, l2):
        asked.append(l2)
        return fit(log, l2)

    monkeypatch.setattr("recsys.partners.neighbours.EASE.fit", heard_of)
    users, items = np.divmod(np.arange(each * 4), 4)
    log = EventLog.of([f"u{u}" for u in users], [f"i{i}" for i in items])
    links(log, NeighbourConfig(kind="ease"), 4)
    links(log, NeighbourConfig(kind="ease", l2=3.0), 4)
    assert asked == [want, 3.0]


def test_among_many_pairs_lists_find_the_most_like(monkeypatch):
    rng = np.random.default_rng(0)
    centre = rng.normal(size=(20, 8))
    content = (centre[np.arange(400) % 20] + 0.1 * rng.normal(size=(400, 8))).astype(np.float32)
    told = np.arange(400) < 300
    warm, cold, exact = likeness(content, told)
    monkeypatch.setattr("recsys.partners.neighbours.PAIRS", 0)
    _, _, found = likeness(content, told)
    assert found.shape == exact.shape == (len(cold), len(warm))
    assert ((found > 0).multiply(exact > 0)).sum() >= 0.95 * (exact > 0).sum()
    both = found.multiply(exact > 0)
    np.testing.assert_allclose(both[found > 0].max(), exact[exact > 0].max(), rtol=1e-5)
