"""Personal frequency by hand, and its order against exact fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from recsys.baselines import PersonalFrequency

DAY = 86400
A, B, C, COLD, Z = range(5)


def small_log() -> EventLog:
    """Training events: a 3, b 3, c 2, z 1; item e (number 3) only in the vocabulary."""
    log = EventLog.of([*"1112223339"], [*"aabbabccze"])
    return log.take(log.user < 3)


def one(model: PersonalFrequency, *items: int, days: tuple[int, ...] | None = None) -> np.ndarray:
    history = Sequences.single(np.array(items, np.int64), 5)
    if days is not None:
        time = np.array(days) * DAY
        history = Sequences(history.offsets, history.item, history.behaviour, time, 5)
    return model.scores(history)[0]


def test_decay_by_events_by_hand():
    score = one(PersonalFrequency.fit(small_log(), decay=0.5), Z, C, Z)  # p: z 1.25, c 0.5
    np.testing.assert_allclose(score, [3 / 4, 3 / 4, 1, -np.inf, 1 + np.log(2.5)], rtol=1e-6)


def test_decay_by_days_by_hand():
    model = PersonalFrequency.fit(small_log(), decay=0.5, half_life_days=10)
    score = one(model, C, Z, Z, days=(0, 20, 30))  # p: c 1/8, z 1/2 + 1
    np.testing.assert_allclose(score[[C, Z]], [1, 1 + np.log(12)], rtol=1e-6)


def test_a_history_without_times_decays_by_events():
    plain = PersonalFrequency.fit(small_log(), decay=0.5)
    timed = PersonalFrequency.fit(small_log(), decay=0.5, half_life_days=10)
    np.testing.assert_array_equal(one(timed, C, Z, A), one(plain, C, Z, A))
    assert not np.array_equal(one(timed, C, Z, A, days=(0, 1, 2)), one(plain, C, Z, A))


@given(
    history=st.lists(st.integers(0, 11), min_size=1, max_size=60),
    decay=st.sampled_from([Fraction(1), Fraction(1, 2), Fraction(1, 100)]),
)
def test_the_order_is_that_of_exact_fractions_and_then_popularity(history, decay):
    counts = np.arange(1, 13)[::-1]
    item = np.repeat(np.arange(12), counts)
    log = EventLog.of(["u"] * len(item), [f"i{i:02}" for i in item])
    model = PersonalFrequency.fit(log, decay=float(decay))
    score = model.scores(Sequences.single(np.array(history), 12))[0]
    exact = [Fraction(0)] * 12
    for age, i in enumerate(reversed(history)):
        exact[i] += decay**age
    for i in range(12):
        for j in range(12):
            if exact[i] > exact[j] * (1 + Fraction(1, 10**5)):
                assert score[i] > score[j]
            if exact[i] == exact[j] == 0 and counts[i] > counts[j]:
                assert score[i] > score[j]
    own = np.array([p > 0 for p in exact])
    assert score[own].min() == 1
    assert (score[~own] < 1).all()


def test_an_event_ten_thousand_events_ago_still_counts_in_its_place():
    history = np.concatenate([[C, Z], np.full(10_000, A)])
    score = one(PersonalFrequency.fit(small_log(), decay=0.5), *history)
    assert score[A] > score[Z] > score[C] == 1 > score[B] > 0


def test_a_history_of_strangers_is_scored_by_popularity():
    model = PersonalFrequency.fit(small_log())
    assert one(model).tolist() == [3, 3, 2, -np.inf, 1]
    assert one(model, COLD).tolist() == [3, 3, 2, -np.inf, 1]
    assert one(model, COLD, Z)[[COLD, Z]].tolist() == [-np.inf, pytest.approx(1, abs=0.01)]


@pytest.mark.parametrize(
    ("decay", "half_life"), [(0, None), (1.1, None), (float("nan"), None), (0.9, 0), (0.9, -2)]
)
def test_misuse_is_named(decay, half_life):
    with pytest.raises(UsageError, match=rf"'decay' in \(0, 1\].*Got {decay} and {half_life}"):
        PersonalFrequency.fit(small_log(), decay, half_life)
