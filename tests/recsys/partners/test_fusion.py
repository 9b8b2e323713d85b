"""Weights of several scores: likelihood by hand, who is left out, and the climb."""

import numpy as np
import pytest

from kg.events import EventLog
from kg.sequences import Sequences
from recsys.partners import fusion
from recsys.partners.fusion import Choices, climb, draw, likeliest, not_missed

ITEMS = 60


def world(people: int = 300, useful: float = 1.0, seed: int = 0):
    """Histories of one event, scores [3, U, N] of which the third says nothing, and choices drawn
    with the chances of softmax(s_0 + useful * 2 s_1).
    """
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(3, people, ITEMS)).astype(np.float32)
    first = rng.integers(0, ITEMS, people)
    odds = scores[0] + useful * 2 * scores[1]
    odds[np.arange(people), first] = -np.inf
    chance = np.exp(odds - odds.max(1, keepdims=True))
    chance /= chance.sum(1, keepdims=True)
    rows = [rng.choice(ITEMS, 3, replace=False, p=one) for one in chance]
    names, ids = [f"u{u:03d}" for u in range(people)], [f"i{i:02d}" for i in range(ITEMS)]
    users = [name for name in names for _ in range(4)]
    items = [ids[i] for f, three in zip(first, rows, strict=True) for i in (f, *three)]
    log = EventLog.of(users + ["zz"] * ITEMS, items + ids, time=np.arange(4 * people + ITEMS))
    at = np.arange(len(log))
    start = Sequences.of(log).offsets
    before = np.isin(at, start[:-1]) | (log.user == people)
    order = log.items.encode(ids)
    table = np.zeros((3, people + 1, ITEMS), np.float32)
    table[:, :people, order] = scores
    return Sequences.of(log.take(before)), log.take(~before), table


def drawn(parts, mixes=None, masked=True, seed=1):
    histories, target, table = parts
    mixes = np.eye(3) if mixes is None else mixes
    rng = np.random.default_rng(seed)
    return draw(histories, target, lambda rows: table[:, rows], mixes, rng, masked=masked)


def test_alternatives_stand_for_the_whole_catalogue(monkeypatch):
    monkeypatch.setattr(fusion, "HEAD", 5)
    monkeypatch.setattr(fusion, "SAMPLE", 10)
    parts = world(people=20)
    histories, target, table = parts
    found = drawn(parts)
    assert len(found) == 20  # "zz" has no target
    row = found.row
    for person in range(20):
        mine = row == person
        item = found.item[mine]
        assert len(set(item.tolist())) == len(item)
        wanted = target.item[target.user == found.who[person]]
        assert set(item[found.chosen[mine]].tolist()) == set(wanted.tolist())
        own = histories.items_of(int(found.who[person]))
        assert not np.isin(item, own).any()
        assert np.exp(found.stands[mine]).sum() == pytest.approx(ITEMS - len(own))
        scores = table[:, found.who[person]].copy()
        np.testing.assert_array_equal(found.values[mine], scores[:, item].T)
        scores[:, own] = -np.inf
        certain = item[found.stands[mine] == 0]
        assert set(np.argsort(-scores[1])[:5].tolist()) <= set(certain.tolist())
    seen = drawn(parts, masked=False)
    first = histories.item[: histories.offsets[20]]  # each has one
    assert (seen.item == first[seen.row]).any()


def test_blocks_of_people_change_nothing(monkeypatch):
    parts = world(people=30)
    whole = drawn(parts)
    monkeypatch.setattr(fusion, "DENSE", 7 * 3 * ITEMS)
    found = drawn(parts)
    np.testing.assert_array_equal(found.item, whole.item)
    np.testing.assert_array_equal(found.values, whole.values)


def test_the_weights_are_the_likeliest():
    found = drawn(world(people=1500))  # 60 items: all of them are alternatives for certain
    assert (found.stands == 0).all()
    weights, each = likeliest(found, [1, 2])
    assert weights == pytest.approx([1, 2, 0], abs=0.2)

    def mean(tried):
        score = found.values @ tried
        total = np.log(np.bincount(found.row, np.exp(score)))
        return (np.bincount(found.row, found.chosen * score) / 3 - total).mean()

    scale = likeliest(found, [])[0]
    assert scale.tolist() == [1, 0, 0]

    def at_best(tried):  # the first weight is free, before all are divided by it
        return max(mean(scale * np.array(tried)) for scale in np.linspace(0.7, 1.3, 25))

    assert each.mean() >= at_best(weights) - 1e-6
    for step in ([0, 0.2, 0], [0, -0.2, 0], [0, 0, 0.2]):
        assert at_best(weights + step) < each.mean()


def test_what_is_not_missed_is_left_out():
    groups = {"useful": [1], "noise": [2]}
    assert not_missed(drawn(world()), groups) == ["noise"]
    assert set(not_missed(drawn(world(useful=0.0)), groups)) == {"useful", "noise"}
    assert not_missed(drawn(world()), {}) == []


def test_ndcg_is_that_among_all_items():
    parts = world(people=50)
    histories, target, table = parts
    weights = np.array([1.0, 0.7, 0.2])
    found = drawn(parts, np.array([weights]))
    for person in (0, 7, 49):
        user = int(found.who[person])
        scores = np.tensordot(weights, table[:, user], axes=1)
        scores[histories.items_of(user)] = -np.inf
        top = np.argsort(-scores, kind="stable")[:10]
        hits = np.isin(top, target.item[target.user == user])
        gain = 1 / np.log2(np.arange(10) + 2)
        assert found.ndcg(weights)[person] == pytest.approx((hits * gain).sum() / gain[:3].sum())


def test_the_climb_ends_no_lower_and_where_steps_do_not_help():
    parts = world(people=200)
    start = np.array([1.0, 0.3, 0.4])
    asked = []

    def again(mixes: np.ndarray) -> Choices:
        asked.append(mixes)
        return drawn(parts, mixes)

    best = climb(again, start, [[1], [2]])
    judge = drawn(parts, np.array([start, best]))
    assert judge.ndcg(best).mean() > judge.ndcg(start).mean() + 0.02
    assert best[1] > 0.6
    assert best[2] < 0.4
    assert len(asked) <= fusion.ROUNDS
    assert asked[0].tolist()[0] == start.tolist()
    assert [mix[1] for mix in asked[0]] == pytest.approx([0.3, 0, 0.9, 0.3, 0.3])
    np.testing.assert_array_equal(climb(again, start, []), start)


@pytest.mark.parametrize("seed", [0, 2, 4])
def test_two_scores_that_are_about_the_same_thing_are_weighed_together(monkeypatch, seed):
    """The third takes most of what the second says back: where both are too small, one alone does
    not help enough, and steps of one end lower.
    """
    histories, target, table = world(people=150, seed=seed)
    noise = 0.7 * np.random.default_rng(seed).normal(size=table[1].shape)
    table[2] = noise - table[1]

    def again(mixes: np.ndarray) -> Choices:
        return drawn((histories, target, table), mixes)

    start = np.array([1.0, 3.0, 2.5])
    found = climb(again, start, [[1], [2]])
    monkeypatch.setattr(fusion, "BOTH", (1.0,))
    alone = climb(again, start, [[1], [2]])
    judge = again(np.array([start, found, alone]))
    assert judge.ndcg(found).mean() > judge.ndcg(alone).mean() + 0.001


def test_nobody_chooses_nothing():
    histories, target, table = world(people=10)
    none = target.take(np.zeros(0, np.int64))
    found = drawn((histories, none, table))
    assert len(found) == 0
    assert found.values.shape == (0, 3)
