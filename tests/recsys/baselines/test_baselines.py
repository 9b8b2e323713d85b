"""Every baseline keeps the contract; each equals its formula, by hand or densely."""

import inspect
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from scipy import sparse

import recsys.baselines as rooms
from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from recsys.baselines import (
    EASE,
    IALS,
    TIFUKNN,
    ItemKNN,
    PersonalFrequency,
    Popularity,
    RecentPopularity,
    RP3beta,
    SessionKNN,
    TextKNN,
    base,
)
from recsys.testing import check_recommender

DAY = 86400
PAIRS = [("u1", "a", 1), ("u1", "b", 2), ("u2", "a", 3), ("u2", "b", 50), ("u2", "c", 60),
         ("u3", "b", 4), ("u3", "c", 99), ("u4", "a", 5), ("u4", "z", 98)]  # fmt: skip


def small_log(times: bool = True) -> EventLog:
    """4 users, items a b c z, and a cold item e that only the vocabulary knows."""
    users, items, days = zip(*PAIRS, ("u9", "e", 200), strict=True)
    time = np.array(days) * DAY if times else None
    log = EventLog.of(users, items, time=time)
    return log.take(log.user < 4)


def random_log(seed: int = 0, users: int = 30, items: int = 15) -> EventLog:
    rng = np.random.default_rng(seed)
    who = rng.integers(users, size=200)
    what = (items * rng.random(200) ** 2).astype(int)
    return EventLog.of([f"u{u:02}" for u in who], [f"i{i:02}" for i in what])


def vectors(log: EventLog, width: int = 6) -> np.ndarray:
    out = np.random.default_rng(1).standard_normal((len(log.items), width)).astype(np.float32)
    out[0] = 0  # an item without a text
    return out


CASES = {
    "Popularity": [Popularity.fit],
    "RecentPopularity": [RecentPopularity.fit],
    "ItemKNN": [ItemKNN.fit, lambda log: ItemKNN.fit(log, neighbours=2, shrink=0.0)],
    "PersonalFrequency": [
        PersonalFrequency.fit,
        lambda log: PersonalFrequency.fit(log, decay=0.3, half_life_days=7),
    ],
    "RP3beta": [RP3beta.fit, lambda log: RP3beta.fit(log, 0.7, 0.3, neighbours=2)],
    "SessionKNN": [
        SessionKNN.fit,
        lambda log: SessionKNN.fit(log, neighbours=2, sample=3, last=2),
    ],
    "TIFUKNN": [TIFUKNN.fit, lambda log: TIFUKNN.fit(log, neighbours=2, group_size=2)],
    "EASE": [EASE.fit],
    "IALS": [
        lambda log: IALS.fit(log, np.random.default_rng(0)),
        lambda log: IALS.fit(log, np.random.default_rng(0), dim=2, epochs=2, nu=0.0),
    ],
    "TextKNN": [
        lambda log: TextKNN.fit(vectors(log), log),
        lambda log: TextKNN.fit(vectors(log), log, last=2, how="max"),
    ],
}
FITS = [pytest.param(fit, id=f"{name}-{i}") for name, fits in CASES.items()
        for i, fit in enumerate(fits)]  # fmt: skip


def test_every_public_baseline_has_a_case():
    public = {name for name in rooms.__all__ if inspect.isclass(getattr(rooms, name))}
    assert public - {"Baseline"} == set(CASES)


@pytest.mark.parametrize("log", [small_log(), small_log(times=False), random_log()])
@pytest.mark.parametrize("fit", FITS)
def test_contract(fit, log):
    before = {name: getattr(log, name).copy() for name in ("user", "item", "behaviour")}
    check_recommender(fit(log), log)
    for name, array in before.items():
        np.testing.assert_array_equal(getattr(log, name), array)


@pytest.mark.parametrize("fit", FITS)
def test_fitted_is_frozen_and_refuses_another_catalogue(fit):
    model = fit(small_log())
    with pytest.raises(FrozenInstanceError):
        model.name = "other"
    with pytest.raises(UsageError, match=r"the 5 items .* Got 7 instead"):
        model.scores(Sequences.single(np.array([0]), 7))


@pytest.mark.parametrize("fit", FITS)
def test_a_log_without_items_is_refused(fit):
    log = EventLog.of(["u", "v"], [None, "a"], query=["shoes", ""], behaviour="search")
    with pytest.raises(DataError, match="at least one event with an item"):
        fit(log.take(~log.has_item))


def one(model, *items: int) -> np.ndarray:
    return model.scores(Sequences.single(np.array(items, np.int64), 5))[0]


def test_popularity_counts_and_leaves_ties_equal():
    assert one(Popularity.fit(small_log()), 3).tolist() == [3, 3, 2, -np.inf, 1]


def test_recent_popularity_counts_the_last_days():
    score = one(RecentPopularity.fit(small_log(), days=45))  # days 54 to 99: c (60, 99), z (98)
    np.testing.assert_allclose(score, [0.5, 0.5, 2 + 1 / 3, -np.inf, 1 + 1 / 6], rtol=1e-6)


def test_recent_popularity_without_times_counts_the_ends_of_histories():
    score = one(RecentPopularity.fit(small_log(times=False)))  # last events: b, c, c, z
    np.testing.assert_allclose(score, [0.5, 1.5, 2 + 1 / 3, -np.inf, 1 + 1 / 6], rtol=1e-6)


def test_item_knn_by_hand():
    # n: a 3, b 3, c 2, z 1; together: ab 2, ac 1, az 1, bc 2
    model = ItemKNN.fit(small_log(), shrink=1.0)
    ab, ac, az = 2 / (3 + 1), 1 / (6**0.5 + 1), 1 / (3**0.5 + 1)
    bc = 2 / (6**0.5 + 1)
    np.testing.assert_allclose(one(model, 0), [0, ab, ac, -np.inf, az], rtol=1e-6)
    np.testing.assert_allclose(one(model, 0, 2), [ac, ab + bc, ac, -np.inf, az], rtol=1e-6)


def test_item_knn_keeps_the_nearest_neighbours_of_each_item():
    model = ItemKNN.fit(small_log(), neighbours=1, shrink=1.0)
    # the nearest to a is b (0.5), to b is c (0.58), to c is b, to z is a
    np.testing.assert_allclose(one(model, 0) > 0, [False, False, False, False, True])
    np.testing.assert_allclose(one(model, 1) > 0, [True, False, True, False, False])


def test_item_knn_equals_the_dense_formula():
    log = random_log(5)
    x = Sequences.of(log).matrix().toarray().astype(np.float64)
    n = x.sum(axis=0)
    weight = x.T @ x / (np.sqrt(np.outer(n, n)) + 10)
    np.fill_diagonal(weight, 0)
    scores = ItemKNN.fit(log, neighbours=99).scores(Sequences.of(log))
    np.testing.assert_allclose(scores, x @ weight, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("l2", [0.5, 100.0])
def test_ease_equals_the_dense_formula(l2):
    log = random_log(7)
    x = Sequences.of(log).matrix().toarray().astype(np.float64)
    inverse = np.linalg.inv(x.T @ x + l2 * np.eye(x.shape[1]))
    weight = -inverse / np.diag(inverse)
    np.fill_diagonal(weight, 0)
    model = EASE.fit(log, l2=l2)
    np.testing.assert_allclose(model.weights, weight, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(model.scores(Sequences.of(log)), x @ weight, rtol=1e-3, atol=1e-4)


def test_ease_blocks_do_not_show():
    from recsys.baselines import ease

    rng = np.random.default_rng(2)
    square = rng.random((7, 7)).astype(np.float32)
    expected = np.triu(square) + np.triu(square, 1).T
    for step in (1, 3, 7, 50):
        mirrored = square.copy()
        ease._mirror(mirrored, step)
        np.testing.assert_array_equal(mirrored, expected)


@pytest.mark.parametrize("model", [EASE, ItemKNN])
def test_a_history_of_strangers_is_scored_by_popularity(model):
    popular = [3, 3, 2, -np.inf, 1]
    fitted = model.fit(small_log())
    assert one(fitted).tolist() == popular
    assert one(fitted, 3).tolist() == popular  # the cold item says nothing
    assert one(fitted, 3, 0).tolist() == pytest.approx(one(fitted, 0).tolist())


def test_text_knn_scores_cold_items_and_no_item_without_text():
    text = np.array([[3.0, 1], [1, 3], [0, 0], [6, 2], [2, 2]], np.float32)  # c has none
    model = TextKNN.fit(text, small_log())
    unit = text - text[[0, 1, 4]].mean(axis=0)  # the warm items with a text: a, b, z
    unit[[0, 1, 3]] /= np.linalg.norm(unit[[0, 1, 3]], axis=1, keepdims=True)
    score = one(model, 0)
    np.testing.assert_allclose(score[[0, 1, 3]], unit[[0, 1, 3]] @ unit[0], atol=1e-6)
    assert score[2] == -np.inf
    assert score[3] > score[1]
    np.testing.assert_allclose(one(model, 0, 2), score)  # c adds nothing


def test_text_knn_reads_the_last_items_only():
    log = random_log(3)
    n = len(log.items)
    histories = Sequences.single(np.array([1, 2, 3, 0, 4]), n)  # item 0 has no text
    short = TextKNN.fit(vectors(log), log, last=2)
    unit = short.unit
    np.testing.assert_allclose(
        short.scores(histories)[0, 1:], (unit[1:] @ (unit[3] + unit[4])) / 2, atol=1e-5
    )
    best = TextKNN.fit(vectors(log), log, last=2, how="max").scores(histories)[0]
    np.testing.assert_allclose(best[1:], (unit[1:] @ unit[[3, 4]].T).max(axis=1), atol=1e-5)


def test_text_knn_without_any_text_is_popularity():
    log = small_log()
    model = TextKNN.fit(vectors(log), log)
    assert one(model).tolist() == [-np.inf, 3, 2, 0, 1]
    assert one(model, 0).tolist() == [-np.inf, 3, 2, 0, 1]


def test_misuse_is_named():
    log = small_log()
    with pytest.raises(UsageError, match=r"'l2' of EASE must be above 0. Got 0"):
        EASE.fit(log, l2=0)
    with pytest.raises(UsageError, match=r"'neighbours' >= 1.*Got 0"):
        ItemKNN.fit(log, neighbours=0)
    with pytest.raises(UsageError, match=r"'days' > 0.*Got -1"):
        RecentPopularity.fit(log, days=-1)
    with pytest.raises(UsageError, match=r"must be \[5, D\].*Got \[4, 2\]"):
        TextKNN.fit(np.ones((4, 2)), log)
    with pytest.raises(UsageError, match=r"'mean' or 'max'. Got 20 and 'sum'"):
        TextKNN.fit(np.ones((5, 2)), log, how="sum")


class Broken:
    """Popularity with one promise broken by `spoil(scores, histories)`."""

    name = "broken"

    def __init__(self, log: EventLog, spoil) -> None:
        self.model, self.spoil = Popularity.fit(log), spoil

    def scores(self, histories: Sequences) -> np.ndarray:
        return self.spoil(self.model.scores(histories), histories)


def _by_batch(scores: np.ndarray, histories: Sequences) -> np.ndarray:
    return scores + np.float32(len(histories))


def _by_place(scores: np.ndarray, histories: Sequences) -> np.ndarray:
    return scores + np.arange(len(scores), dtype=np.float32)[:, None]


def _changes_history(scores: np.ndarray, histories: Sequences) -> np.ndarray:
    histories.item[:] = 0
    return scores


def _no_empty(scores: np.ndarray, histories: Sequences) -> np.ndarray:
    scores[histories.lengths == 0] = -np.inf
    return scores


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda scores, _: scores.astype(np.float64), "float32"),
        (lambda scores, _: scores[:, :-1], "must be"),
        (lambda scores, _: np.where(scores > 2, np.float32(np.nan), scores), "NaN"),
        (lambda scores, _: -scores, "[+]inf"),
        (_by_batch, "alone must score as in the batch"),
        (_by_place, "alone must score as in the batch"),
        (_changes_history, "changed item"),
        (_no_empty, "empty history"),
    ],
)
def test_the_contract_catches_a_broken_model(spoil, told):
    log = small_log()
    with pytest.raises(AssertionError, match=told):
        check_recommender(Broken(log, spoil), log)


@pytest.mark.parametrize("signed", [True, False])
@pytest.mark.parametrize("k", [1, 3, 9])
def test_the_largest_entries_of_rows_are_those_of_a_full_sort(k, signed):
    rng = np.random.default_rng(k)
    full = rng.integers(-3, 4, (40, 12)).astype(np.float32)  # many ties
    full[:5] = 0  # and rows without an entry
    found = base.largest_of_rows(sparse.csr_matrix(full), k, signed=signed).toarray()
    for row, kept in zip(full, found, strict=True):
        there = np.flatnonzero(row)
        size = row[there] if signed else np.abs(row[there])
        best = there[np.argsort(-size, kind="stable")[:k]]
        wanted = np.zeros_like(row)
        wanted[best] = row[best]
        np.testing.assert_array_equal(kept, wanted)
