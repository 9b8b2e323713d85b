"""Session-kNN by hand and against loops over past histories."""

import numpy as np
import pytest

from kg.errors import UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from recsys.baselines import SessionKNN, session_knn
from recsys.baselines.session_knn import recent_weights

A, B, C, D, COLD = range(5)


def small_log(times: bool = True) -> EventLog:
    """s1 a b, s2 b c, s3 a d d, ended at 20, 10 and 30; item e only in the vocabulary."""
    when = np.array([15, 20, 5, 10, 1, 2, 30, 99])
    log = EventLog.of([*"11223339"], [*"abbcadde"], time=when if times else None)
    return log.take(log.user < 3)


def random_log(seed: int, users: int = 25, items: int = 12) -> EventLog:
    rng = np.random.default_rng(seed)
    who, what = rng.integers(users, size=150), rng.integers(items, size=150)
    return EventLog.of([f"u{u:02}" for u in who], [f"i{i:02}" for i in what],
                       time=rng.permutation(150))  # fmt: skip


def one(model: SessionKNN, *items: int) -> np.ndarray:
    return model.scores(Sequences.single(np.array(items, np.int64), 5))[0]


def slow_scores(log: EventLog, items: np.ndarray, k: int, sample: int, last: int) -> np.ndarray:
    read = items[-last:]
    weight = {int(i): (place + 1) / len(read) for place, i in enumerate(read)}
    past = []
    for u in range(len(log.users)):
        held = set(log.item[log.user == u].tolist())
        sim = sum(weight[i] for i in held & weight.keys())
        if sim > 0:
            past.append((log.time[log.user == u].max(), sim, held))
    recent = sorted(past, key=lambda one: -one[0])[:sample]
    out = np.zeros(len(log.items))
    for _, sim, held in sorted(recent, key=lambda one: (-round(one[1], 5), -one[0]))[:k]:
        out[sorted(held)] += sim
    return out


def test_weights_fall_from_the_newest_event_and_the_newest_of_two_counts():
    history = Sequences.single(np.array([A, B, A, C, B]), 4)
    weights = recent_weights(history, last=4).toarray()[0]  # read: b a c b
    np.testing.assert_allclose(weights, [2 / 4, 4 / 4, 3 / 4, 0])
    assert recent_weights(history, last=9).toarray()[0, 0] == pytest.approx(3 / 5)


def test_by_hand():
    # history a b: a 1/2, b 1; sim s1 3/2, s2 1, s3 1/2
    score = one(SessionKNN.fit(small_log()), A, B)
    np.testing.assert_allclose(score, [2, 2.5, 1, 0.5, -np.inf], rtol=1e-6)
    nearest = one(SessionKNN.fit(small_log(), neighbours=2), A, B)
    np.testing.assert_allclose(nearest, [1.5, 2.5, 1, 0, -np.inf], rtol=1e-6)


def test_only_the_most_recent_candidates_are_compared():
    score = one(SessionKNN.fit(small_log(), sample=1), A, B)  # s3 ended last
    np.testing.assert_allclose(score, [0.5, 0, 0, 0.5, -np.inf], rtol=1e-6)
    score = one(SessionKNN.fit(small_log(), sample=1), B)  # s3 shares nothing: s1 is next
    np.testing.assert_allclose(score, [1, 1, 0, 0, -np.inf], rtol=1e-6)


def test_of_equals_the_more_recent_is_the_nearer():
    score = one(SessionKNN.fit(small_log(), neighbours=1), A)  # s1 and s3 share as much
    np.testing.assert_allclose(score, [1, 0, 0, 1, -np.inf], rtol=1e-6)


def test_without_times_all_past_histories_are_candidates():
    log = small_log(times=False)
    every = one(SessionKNN.fit(log, sample=1), A, B)
    np.testing.assert_array_equal(every, one(SessionKNN.fit(small_log(), sample=99), A, B))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("k", "sample", "last"), [(2, 7, 3), (5, 9, 1), (99, 99, 99)])
def test_scores_equal_the_loop(monkeypatch, seed, k, sample, last):
    log = random_log(seed)
    histories = Sequences.of(log)
    model = SessionKNN.fit(log, k, sample, last)
    expected = [slow_scores(log, histories.items_of(u), k, sample, last) for u in range(25)]
    np.testing.assert_allclose(model.scores(histories), expected, rtol=1e-5)
    monkeypatch.setattr(session_knn, "BLOCK", 4 * 25)  # 4 histories at a time
    np.testing.assert_allclose(model.scores(histories), expected, rtol=1e-5)


def test_a_history_that_shares_nothing_is_scored_by_popularity():
    model = SessionKNN.fit(small_log(), last=1)
    for items in ([], [COLD], [A, COLD]):  # only the last event is read
        assert one(model, *items).tolist() == [2, 2, 1, 2, -np.inf]


@pytest.mark.parametrize("name", ["neighbours", "sample", "last"])
def test_misuse_is_named(name):
    with pytest.raises(UsageError, match=f"'{name}' of SessionKNN must be at least 1. Got 0"):
        SessionKNN.fit(small_log(), **{name: 0})
