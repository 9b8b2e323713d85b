"""Labels of the last events, by hand; nothing of what comes after."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from kg.errors import UsageError
from kg.events import EventLog
from kg.intents.labels import IntentLabels
from kg.intents.recent import DECAYS, LAST, recent_before, recent_intents, recent_of_users

LABELS = IntentLabels(
    None, ("x", "y"), sparse.csr_matrix(np.array([[1, 0], [0, 1], [1, 1], [0, 0]], np.float32))
)


def test_by_hand():
    found = recent_intents(np.array([0, 1, 2]), np.array([0]), np.array([3]), LABELS.item, (0.5,))
    weights = np.array([0.25, 0.5, 1.0]) / 1.75
    np.testing.assert_allclose(found[0, 0], [weights[0] + weights[2], weights[1] + weights[2]])


def test_later_items_take_a_place_and_have_no_label():
    found = recent_intents(np.array([0, 9, 9]), np.array([0]), np.array([3]), LABELS.item, (0.5,))
    np.testing.assert_allclose(found[0, 0], [0.25 / 1.75, 0])


def test_searches_have_no_place():
    log = EventLog.of(["a"] * 3, ["0", None, "1"], query=[None, "x", None])
    plain = EventLog.of(["a"] * 2, ["0", "1"])
    labels = IntentLabels(None, ("x", "y"), LABELS.item[:2])
    np.testing.assert_array_equal(recent_of_users(log, labels), recent_of_users(plain, labels))
    np.testing.assert_array_equal(
        recent_before(log, labels, np.array([2])), recent_before(plain, labels, np.array([1]))
    )


def test_an_empty_window_is_nothing_and_a_wrong_one_an_error():
    none = np.array([0])
    assert (recent_intents(np.array([0, 1]), none, none, LABELS.item) == 0).all()
    with pytest.raises(UsageError, match=r"within \[0, 2\]"):
        recent_intents(np.array([0, 1]), none, np.array([3]), LABELS.item)


@given(st.lists(st.integers(0, 3), min_size=2, max_size=100), st.data())
def test_only_what_stands_before_counts(items, data):
    end = data.draw(st.integers(1, len(items) - 1))
    log = EventLog.of(["u"] * len(items), [str(i) for i in items])
    known = sparse.csr_matrix(LABELS.item[[int(key) for key in log.items.ids]])
    labels = IntentLabels(None, ("x", "y"), known)
    found = recent_before(log, labels, np.array([end]))
    window = np.array([int(log.items.ids[c]) for c in log.item[:end]])[-LAST:]
    for number, decay in enumerate(DECAYS):
        weight = decay ** np.arange(len(window))[::-1]
        expected = weight @ LABELS.item.toarray()[window] / weight.sum()
        np.testing.assert_allclose(found[0, number], expected, atol=1e-5)


def test_users_are_read_apart():
    log = EventLog.of(["a", "a", "b"], ["0", "1", "1"])
    labels = IntentLabels(None, ("x", "y"), LABELS.item[:2])
    found = recent_of_users(log, labels)
    np.testing.assert_allclose(found[1], [[0, 1]] * len(DECAYS))
    assert found[0, 0, 1] > found[0, 0, 0] > 0
