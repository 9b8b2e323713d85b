"""RP3beta by hand and against the dense product of transition matrices."""

import numpy as np
import pytest

from kg.errors import UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from recsys.baselines import RP3beta, base

A, B, C, COLD, Z = range(5)


def small_log() -> EventLog:
    """u1 a b, u2 a b c, u3 b c, u4 a z; item e (number 3) only in the vocabulary."""
    log = EventLog.of([*"1122233449"], [*"ababcbcaze"])
    return log.take(log.user < 4)


def random_log(seed: int, users: int = 30, items: int = 15) -> EventLog:
    rng = np.random.default_rng(seed)
    who, what = rng.integers(users, size=200), (items * rng.random(200) ** 2).astype(int)
    return EventLog.of([f"u{u:02}" for u in who], [f"i{i:02}" for i in what])


def one(model: RP3beta, *items: int) -> np.ndarray:
    return model.scores(Sequences.single(np.array(items, np.int64), 5))[0]


def test_by_hand():
    # n: a 3, b 3, c 2, z 1; users of 2, 3, 2, 2 items
    model = RP3beta.fit(small_log(), alpha=1.0, beta=0.5)
    ab, ac, az = (1 / 2 + 1 / 3) / 3 / 3**0.5, 1 / 3 / 3 / 2**0.5, 1 / 2 / 3
    np.testing.assert_allclose(one(model, A), [0, ab, ac, -np.inf, az], rtol=1e-6)
    cb = (1 / 3 + 1 / 2) / 2 / 3**0.5
    np.testing.assert_allclose(one(model, A, C)[B], ab + cb, rtol=1e-6)


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 0.0), (0.6, 0.4), (1.7, 1.0)])
def test_scores_rank_as_the_product_of_transition_matrices(alpha, beta):
    log = random_log(3)
    x = Sequences.of(log).matrix().toarray().astype(np.float64)
    to_item = (x / x.sum(axis=1, keepdims=True)) ** alpha  # [U, N]
    to_user = (x.T / x.sum(axis=0)[:, None]) ** alpha  # [N, U]
    walk = to_user @ to_item / x.sum(axis=0) ** beta
    np.fill_diagonal(walk, 0)
    scores = RP3beta.fit(log, alpha, beta, neighbours=99).scores(Sequences.of(log))
    length = x.sum(axis=1, keepdims=True)  # the first step, the same for all items of a history
    np.testing.assert_allclose(scores * length**-alpha, to_item @ walk, rtol=1e-4, atol=1e-6)


def test_only_the_largest_weights_into_each_item_are_kept():
    model = RP3beta.fit(small_log(), alpha=1.0, beta=0.0, neighbours=1)
    # into a: from z 1/2; into b: from c 5/12 over a 5/18; into c: from b 5/18; into z: from a
    kept = model.weights.toarray() > 0
    assert sorted(zip(*np.nonzero(kept), strict=True)) == [(A, Z), (B, C), (C, B), (Z, A)]


@pytest.mark.parametrize("cells", [1, 45])
def test_blocks_do_not_show(monkeypatch, cells):
    log = random_log(4)
    whole = RP3beta.fit(log, neighbours=3).weights.toarray()
    monkeypatch.setattr(base, "BLOCK", cells)
    np.testing.assert_array_equal(RP3beta.fit(log, neighbours=3).weights.toarray(), whole)


def test_a_history_of_strangers_is_scored_by_popularity():
    model = RP3beta.fit(small_log())
    assert one(model).tolist() == [3, 3, 2, -np.inf, 1]
    assert one(model, COLD).tolist() == [3, 3, 2, -np.inf, 1]
    np.testing.assert_array_equal(one(model, COLD, A), one(model, A))


@pytest.mark.parametrize("wrong", [{"neighbours": 0}, {"alpha": -1}, {"beta": float("nan")}])
def test_misuse_is_named(wrong):
    with pytest.raises(UsageError, match=rf"'neighbours' >= 1.*Got .*{next(iter(wrong.values()))}"):
        RP3beta.fit(small_log(), **wrong)
