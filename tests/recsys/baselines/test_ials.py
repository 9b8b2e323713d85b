"""iALS against plain normal equations, its own loss and a world with two groups."""

import numpy as np
import pytest
from scipy import sparse

from kg.errors import UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from recsys.baselines import IALS, ials
from recsys.baselines.ials import solve

L2, ALPHA, NU = 0.05, 0.2, 0.8


def random_log(seed: int = 0, users: int = 30, items: int = 15) -> EventLog:
    rng = np.random.default_rng(seed)
    who, what = rng.integers(users, size=200), (items * rng.random(200) ** 2).astype(int)
    return EventLog.of([f"u{u:02}" for u in who], [f"i{i:02}" for i in what])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def penalties(x: np.ndarray) -> np.ndarray:
    return L2 * (x.sum(axis=1) + ALPHA * x.shape[1]) ** NU


def slow_solve(x: np.ndarray, other: np.ndarray) -> np.ndarray:
    """One system a row, over all cells: weight 1 + a where touched, a elsewhere, target 1 / (1 + a)
    or 0, which differs from the loss by a constant."""
    out = np.zeros((len(x), other.shape[1]))
    for r, (row, penalty) in enumerate(zip(x, penalties(x), strict=True)):
        weight = row + ALPHA
        left = other.T @ (weight[:, None] * other) + penalty * np.eye(other.shape[1])
        out[r] = np.linalg.solve(left, other.T @ row)
    return out


def loss(x: np.ndarray, users: np.ndarray, items: np.ndarray) -> float:
    y = users @ items.T
    ridge = penalties(x) @ (users**2).sum(axis=1) + penalties(x.T) @ (items**2).sum(axis=1)
    return float((x * (y - 1) ** 2).sum() + ALPHA * (y**2).sum() + ridge)


@pytest.mark.parametrize("dim", [1, 5, 40])  # longer, mixed and shorter rows than vectors
def test_solve_equals_the_normal_equations(dim):
    x = (rng(1).random((25, 30)) < 0.2).astype(np.float32)
    x[3] = 0
    other = rng(2).standard_normal((30, dim)).astype(np.float32)
    fast = solve(sparse.csr_matrix(x), other, L2, ALPHA, NU)
    assert fast.dtype == np.float32
    np.testing.assert_allclose(fast, slow_solve(x, other), rtol=2e-3, atol=2e-4)


def test_solve_finds_the_least_of_the_loss():
    x = (rng(3).random((8, 12)) < 0.4).astype(np.float64)
    items = rng(4).standard_normal((12, 3))
    users = solve(sparse.csr_matrix(x.astype(np.float32)), items.astype(np.float32), L2, ALPHA, NU)
    best = loss(x, users, items)
    for _ in range(50):
        other = users + 0.01 * rng(5).standard_normal(users.shape)
        assert loss(x, other, items) > best


def test_blocks_do_not_show(monkeypatch):
    x = sparse.csr_matrix((rng(6).random((40, 20)) < 0.3).astype(np.float32))
    other = rng(7).standard_normal((20, 6)).astype(np.float32)
    whole = solve(x, other, L2, ALPHA, NU)
    monkeypatch.setattr(ials, "BLOCK", 1)
    np.testing.assert_allclose(solve(x, other, L2, ALPHA, NU), whole, rtol=1e-4, atol=1e-6)


def test_fit_takes_turns_from_a_random_start():
    log = random_log(8)
    x = Sequences.of(log).matrix().toarray()
    items = rng().normal(0, 0.1 / np.sqrt(4), (15, 4))
    losses = []
    for _ in range(3):
        users = slow_solve(x, items)
        items = slow_solve(x.T, users)
        losses.append(loss(x, users, items))
    assert losses == sorted(losses, reverse=True)
    model = IALS.fit(log, rng(), dim=4, regularisation=L2, unobserved_weight=ALPHA, epochs=3, nu=NU)
    np.testing.assert_allclose(model.items, items, rtol=0.02, atol=1e-3)
    expected = slow_solve(x, items) @ items.T
    np.testing.assert_allclose(model.scores(Sequences.of(log)), expected, rtol=0.02, atol=1e-3)


def test_two_groups_are_told_apart_for_a_new_history():
    groups = [(f"u{u}", f"{'ab'[u % 2]}{i}") for u in range(20) for i in rng(u).permutation(6)[:4]]
    log = EventLog.of(*zip(*groups, strict=True))
    model = IALS.fit(log, rng(), dim=2, regularisation=0.1)
    score = model.scores(Sequences.single(np.array([0, 1]), 12))[0]
    assert score[:6].min() > score[6:].max()  # items a0 to a5, then b0 to b5


def test_the_generator_decides():
    log = random_log()
    first = IALS.fit(log, rng(1), dim=3).items
    np.testing.assert_array_equal(IALS.fit(log, rng(1), dim=3).items, first)
    assert not np.allclose(IALS.fit(log, rng(2), dim=3).items, first)


def test_users_and_items_without_events_change_nothing():
    log = random_log()
    n = len(log)
    more = EventLog.of(
        [*log.users.decode(log.user), "u99", "u99"], [*log.items.decode(log.item), None, "i99"]
    )
    more = more.take(np.arange(n + 1))  # u99 searched; i99 is only in the vocabulary
    items = IALS.fit(log, rng(), dim=3).items
    np.testing.assert_allclose(IALS.fit(more, rng(), dim=3).items, items, rtol=1e-4, atol=1e-6)


def test_a_history_of_strangers_is_scored_by_popularity():
    log = EventLog.of([*"112239"], [*"ababce"])
    model = IALS.fit(log.take(log.user < 3), rng(), dim=2)
    for items in ([], [3]):
        scores = model.scores(Sequences.single(np.array(items, np.int64), 4))
        assert scores[0].tolist() == [2, 2, 1, -np.inf]


def test_misuse_is_named():
    for name in ("dim", "epochs"):
        with pytest.raises(UsageError, match=r"'dim' and 'epochs' of IALS.*Got .*0"):
            IALS.fit(random_log(), rng(), **{name: 0})
    for name, value in (("regularisation", 0), ("unobserved_weight", -1), ("nu", float("nan"))):
        with pytest.raises(UsageError, match=rf"'regularisation' > 0.*Got .*{value}"):
            IALS.fit(random_log(), rng(), **{name: value})
