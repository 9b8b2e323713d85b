"""Basket vectors by hand; neighbours and scores against loops over users."""

import numpy as np
import pytest

from kg.errors import UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from recsys.baselines import TIFUKNN, tifu_knn
from recsys.baselines.tifu_knn import basket_vectors

DAY = 86400
A, B, C = range(3)


def timed(items: list[int], days: list[float], num_items: int = 3) -> Sequences:
    plain = Sequences.single(np.array(items), num_items)
    time = (np.array(days) * DAY).astype(np.int64)
    return Sequences(plain.offsets, plain.item, plain.behaviour, time, num_items)


def random_log(seed: int = 0, users: int = 12, items: int = 9, events: int = 150) -> EventLog:
    rng = np.random.default_rng(seed)
    who, what = rng.integers(users, size=events), rng.integers(items, size=events)
    time = rng.integers(40, size=events) * DAY // 2
    return EventLog.of([f"u{u:02}" for u in who], [f"i{i}" for i in what], time=time)


def slow_vector(items: np.ndarray, days: np.ndarray, n: int, m: int, r_b: float, r_g: float):
    """The paper's formula: a loop over the groups, oldest first."""
    baskets = []
    for day in sorted(set(days)):
        basket = np.zeros(n)
        basket[items[days == day]] = 1
        baskets.append(basket)
    groups = []
    while baskets:
        groups.insert(0, baskets[-m:])
        baskets = baskets[:-m]
    vector = np.zeros(n)
    for g, group in enumerate(groups):
        inner = sum(r_b ** (len(group) - 1 - j) * basket for j, basket in enumerate(group))
        vector += r_g ** (len(groups) - 1 - g) * inner / len(group) / len(groups)
    return vector


def slow_vectors(log: EventLog, m: int, r_b: float, r_g: float) -> np.ndarray:
    return np.array([
        slow_vector(log.item[log.user == u], log.time[log.user == u] // DAY, len(log.items),
                    m, r_b, r_g)
        for u in range(len(log.users))
    ])  # fmt: skip


def slow_scores(vectors: np.ndarray, k: int, alpha: float) -> np.ndarray:
    out = []
    for u, own in enumerate(vectors):
        gap = ((vectors - own) ** 2).sum(axis=1)
        gap[u] = np.inf
        near = np.argsort(gap, kind="stable")[: min(k, len(vectors) - 1)]
        out.append(alpha * own + (1 - alpha) * vectors[near].mean(axis=0))
    return np.array(out)


def test_basket_vectors_by_hand():
    # baskets {a, b}, {b}, {c}; groups of 2 from the newest: [{a, b}], [{b}, {c}]
    history = timed([A, A, B, B, C], [0, 0.1, 0.9, 1, 5])
    vector = basket_vectors(history, 2, r_b=0.5, r_g=0.4, basket_seconds=DAY).toarray()[0]
    np.testing.assert_allclose(vector, [0.4 / 2, 0.5 / 2 / 2 + 0.4 / 2, 1 / 2 / 2], rtol=1e-6)


def test_a_basket_is_as_long_as_asked():
    history = timed([A, B], [0.25, 0.5])
    day = basket_vectors(history, 7, 0.5, 1.0, DAY).toarray()[0]
    second = basket_vectors(history, 7, 0.5, 1.0, 1).toarray()[0]
    assert day.tolist() == [1, 1, 0]
    assert second.tolist() == [0.25, 0.5, 0]


def test_without_times_every_event_is_a_basket():
    vector = basket_vectors(Sequences.single(np.array([A, A, B]), 3), 7, 0.5, 0.1, DAY)
    np.testing.assert_allclose(vector.toarray()[0], [(0.25 + 0.5) / 3, 1 / 3, 0], rtol=1e-6)


def test_two_users_on_one_day_have_two_baskets():
    log = EventLog.of(["u", "v"], ["a", "b"], time=np.array([7, 8]))
    vectors = basket_vectors(Sequences.of(log), 7, 0.5, 0.5, DAY)
    assert vectors.toarray().tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("m", [1, 3, 50])
def test_basket_vectors_equal_the_loop(seed, m):
    log = random_log(seed)
    vectors = basket_vectors(Sequences.of(log), m, 0.9, 0.7, DAY)
    np.testing.assert_allclose(vectors.toarray(), slow_vectors(log, m, 0.9, 0.7), rtol=1e-5)


@pytest.mark.parametrize(("k", "alpha"), [(1, 0.0), (3, 0.7), (99, 0.2)])
def test_scores_equal_the_loop(k, alpha):
    log = random_log(5)
    model = TIFUKNN.fit(log, neighbours=k, alpha=alpha, group_size=3)
    expected = slow_scores(slow_vectors(log, 3, 0.9, 0.7), k, alpha)
    np.testing.assert_allclose(model.scores(Sequences.of(log)), expected, rtol=1e-4, atol=1e-6)


def test_blocks_do_not_show(monkeypatch):
    log = random_log(6)
    model, histories = TIFUKNN.fit(log, neighbours=4), Sequences.of(log)
    whole = model.scores(histories)
    monkeypatch.setattr(tifu_knn, "BLOCK", 5 * 12)  # 5 of the 12 histories at a time
    np.testing.assert_array_equal(model.scores(histories), whole)


def test_an_equal_vector_is_no_neighbour():
    log = EventLog.of(["u", "v", "w"], ["a", "a", "b"])
    model = TIFUKNN.fit(log, neighbours=1, alpha=0.0)
    own = model.scores(Sequences.single(np.array([0]), 2))[0]
    assert own.tolist() == [0, 1]  # u and v are alike: w is the nearest that differs
    alone = TIFUKNN.fit(log.take(log.user == 0), alpha=0.5)
    assert alone.scores(Sequences.single(np.array([0]), 2))[0].tolist() == [0.5, -np.inf]


def test_a_user_without_items_is_nobodys_neighbour():
    log = EventLog.of(["u", "v", "w"], ["a", None, "b"], query=["", "shoes", ""])
    model = TIFUKNN.fit(log, neighbours=1, alpha=0.0)
    assert model.scores(Sequences.single(np.array([0]), 2))[0].tolist() == [0, 1]


def test_a_history_of_strangers_is_scored_by_popularity():
    log = EventLog.of(["u", "u", "v", "x"], ["a", "b", "b", "c"])
    model = TIFUKNN.fit(log.take(log.user < 2))
    for items in ([], [C]):
        scores = model.scores(Sequences.single(np.array(items, np.int64), 3))
        assert scores[0].tolist() == [1, 2, -np.inf]


def test_misuse_is_named():
    log = random_log()
    for name in ("neighbours", "group_size", "basket_seconds"):
        with pytest.raises(UsageError, match=f"'{name}' of TIFUKNN must be at least 1. Got 0"):
            TIFUKNN.fit(log, **{name: 0})
    for name, value in (("alpha", 1.5), ("r_b", 0.0), ("r_g", float("nan"))):
        with pytest.raises(UsageError, match=rf"'alpha' in \[0, 1\].*Got .*{value}"):
            TIFUKNN.fit(log, **{name: value})
