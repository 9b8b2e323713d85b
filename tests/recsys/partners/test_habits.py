"""Habits: what one person's visits with one item say of the next period."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy.special import logit

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.clean import clean
from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import make_split
from kg.storage import Dataset
from recsys import Recommender
from recsys.judging.ablate import masked
from recsys.judging.compare import compare
from recsys.partners.habits import LIFT, HabitConfig, Habits, features, item_facts
from recsys.partners.habits import _window as window
from recsys.training.config import RunConfig
from recsys.training.fit import fit, judge

DAY = 86_400


def rhythms(people=100, days=300, kinds=12, longest=60, seed=0) -> EventLog:
    """Everybody buys half of the items, each at a pace of 5 days to `longest`, almost regularly."""
    rng = np.random.default_rng(seed)
    user, item, time = [], [], []
    for person in range(people):
        for kind in rng.choice(kinds, kinds // 2, replace=False):
            pace = rng.uniform(5, longest)
            at = rng.uniform(0, pace)
            while at < days:
                user.append(f"u{person:02d}")
                item.append(f"i{kind:02d}")
                time.append(int(at * DAY) + 1_600_000_000)
                at += pace * rng.uniform(0.95, 1.05)
    log = EventLog.of(user, item, time=np.array(time))
    return clean(log, log.items)[0]


def history(items, days, num_items=3) -> Sequences:
    items, time = np.array(items), (np.array(days) * DAY).astype(np.int64)
    bounds = np.array([0, len(items)])
    return Sequences(bounds, items, np.zeros(len(items), np.int64), time, num_items)


def test_features_by_hand():
    """Item 1 on days 0, 20 (twice, one visit) and 30; item 2 on day 30; it is day 40."""
    own = history([1, 1, 1, 1, 2], [0, 20, 20, 30, 30])
    row, item, x = features(own, np.zeros((3, 5), np.float32), 40.0 * DAY, 10.0 * DAY)
    assert row.tolist() == [0, 0]
    assert item.tolist() == [1, 2]
    one, two = x
    assert one[0] == pytest.approx(np.log(3))  # three visits with it
    assert one[1] == pytest.approx(0)  # the last visit had it
    assert one[2] == pytest.approx(np.log(1.01))  # a period ago
    assert one[3] == pytest.approx(np.log(1.51))  # 30 days between three visits
    assert (one[4], two[4]) == (0, 1)
    assert one[5] == pytest.approx(np.log(1 / 1.51 + 0.05))
    assert one[7] == pytest.approx(np.log(sum(0.5 ** (n / 0.8) for n in (1, 2, 4)) + 0.01))
    assert one[11] == pytest.approx(np.log(5))
    assert (one[12], two[12]) == pytest.approx((0, np.log(1 / 3)))
    assert one[13] == pytest.approx(np.log(2))  # nobody came for a period


def test_what_came_later_or_of_nobody_says_nothing():
    own = history([0, 2], [0, 1])
    _, item, x = features(own, np.zeros((2, 5), np.float32), 2.0 * DAY, DAY)
    assert item.tolist() == [0]
    _, item, empty = features(
        own.take(np.zeros(0, np.int64)), np.zeros((2, 5), np.float32), DAY, DAY
    )
    assert (len(item), empty.shape) == (0, (0, x.shape[1]))


def test_facts_by_hand():
    log = EventLog.of(["a", "a", "b", "c"], ["x", "x", "x", "y"],
                      time=np.array([0, 2, 3, 4]) * DAY)  # fmt: skip
    facts = item_facts(log)
    assert facts[:, 0] == pytest.approx(np.log([4, 2]))
    assert facts[:, 1] == pytest.approx([2 / 7, 1 / 6])  # one of two came back to x


def test_what_is_due_is_ahead_of_what_was_just_bought():
    log = rhythms()
    habits = Habits.fit(log, 5.0 * DAY, HabitConfig(), 0)
    now, steps = habits.now / DAY, 20 * np.arange(8, -1, -1)
    days = np.concatenate([now - 21 - steps, now - 1 - steps])
    order = np.argsort(days)
    own = history(np.repeat([0, 1], 9)[order], days[order], 12)
    due, fresh = habits.scores(own).toarray()[0, :2]
    assert due > fresh + 1


def test_scores_are_log_odds_that_count_the_next_period_right():
    """Of the pairs that it gives 20 to 50 %, about so many do meet again."""
    log = rhythms(people=200)
    end = float(log.time.max())
    before, then = log.take(log.time <= end - 5 * DAY), log.take(log.time > end - 5 * DAY)
    habits = Habits.fit(before, 5.0 * DAY, HabitConfig(), 0)
    said = habits.scores(Sequences.of(before)).tocoo()
    p = 1 / (1 + np.exp(-(said.data - LIFT)))
    hit = np.isin(said.row * 12 + said.col, then.user * 12 + then.item)
    some = (p > 0.2) & (p < 0.5)
    assert some.sum() > 50
    assert abs(p[some].mean() - hit[some].mean()) < 0.1
    assert p[hit].mean() > 1.5 * p[~hit].mean()
    assert p.mean() == pytest.approx(hit.mean(), abs=0.05)
    assert logit(p.mean()) > -LIFT


def test_a_past_period_is_learned_from_what_came_before_it():
    log = rhythms(people=20)
    end = float(log.time.max())
    x, y = window(log, 10.0 * DAY, 2, 0)
    rng = np.random.default_rng(1)
    item = log.item.copy()
    later = log.time > end - 20 * DAY
    item[later] = rng.permutation(item[later])
    other, changed = window(replace(log, item=item), 10.0 * DAY, 2, 0)
    np.testing.assert_array_equal(x, other)
    assert not np.array_equal(y, changed)
    after = log.time > end - 10 * DAY  # and what came after the period is no label
    item = np.where(after, 0, log.item)
    np.testing.assert_array_equal(y, window(replace(log, item=item), 10.0 * DAY, 2, 0)[1])


def test_periods_in_which_nothing_was_are_no_trouble():
    """All within one day: the windows before it are empty."""
    log = rhythms()
    one = replace(log, time=log.time.max() - np.arange(len(log))[::-1] % DAY)
    assert Habits.fit(one, 5.0 * DAY, HabitConfig(), 0) is None


def test_too_little_and_no_times_are_no_habits():
    log = rhythms(people=3, days=40)
    assert Habits.fit(log, 5.0 * DAY, HabitConfig(), 0) is None
    assert Habits.fit(replace(rhythms(), time=None), 5.0 * DAY, HabitConfig(), 0) is None
    assert Habits.fit(rhythms(), 0.0, HabitConfig(), 0) is None
    habits = Habits.fit(rhythms(), 5.0 * DAY, HabitConfig(), 0)
    bare = Sequences.single(np.array([0, 1, 0]), 12)
    assert habits.scores(bare).nnz == 0


def test_refit_knows_the_later_events_and_draws_alike():
    log = rhythms()
    before = log.take(log.time < log.time.max() - 30 * DAY)
    habits = Habits.fit(before, 5.0 * DAY, HabitConfig(), 7, weight=2.0)
    again = habits.refit(before)
    own = Sequences.of(log)
    np.testing.assert_array_equal(again.scores(own).toarray(), habits.scores(own).toarray())
    later = habits.refit(log)
    assert (later.weight, later.now > habits.now) == (2.0, True)
    assert not np.array_equal(later.facts, habits.facts)


def test_some_people_at_a_time_are_as_all(monkeypatch):
    log = rhythms(people=120)
    habits = Habits.fit(log, 5.0 * DAY, HabitConfig(), 0)
    own = Sequences.of(log)
    whole = habits.scores(own).toarray()
    monkeypatch.setattr("recsys.partners.habits.BLOCK", 7)
    np.testing.assert_allclose(habits.scores(own).toarray(), whole, atol=1e-5)
    one = habits.scores(own.take(np.array([11]))).toarray()
    np.testing.assert_allclose(one[0], whole[11], atol=1e-5)


@pytest.fixture(scope="module")
def fitted():
    log = rhythms(people=60, kinds=60, longest=200)
    catalog = Catalog.of(log.items.ids, [f"Thing {n}" for n in range(len(log.items))])
    data = Dataset(log, catalog, build_graph(log, catalog))
    settings = RunConfig(model={"dim": 8}, train={"max_epochs": 1})
    return fit(data, "hash", settings, hold_out="time")


def test_a_shop_of_rhythms_gets_them(fitted):
    habits = fitted.recommender.partners.habits
    assert habits is not None
    assert habits.now == fitted.recommender.log.time.max()
    whole = judge(fitted.recommender, fitted.split, "test").metrics["ndcg@10"]
    bare = fitted.recommender.beside(fitted.recommender.partners.without("habits"))
    assert whole > judge(bare, fitted.split, "test").metrics["ndcg@10"] + 0.02


def test_it_stands_beside_what_is_hard_to_beat_in_a_shop(fitted):
    rows = compare(fitted.recommender, fitted.split, "test")
    found = {row["model"]: row["ndcg@10"] for row in rows}
    assert {"personal frequency", "TIFU-kNN"} < set(found)
    assert found["kgintent"] > max(found["personal frequency"], found["TIFU-kNN"])


def test_one_all_and_explain_count_them_alike(fitted):
    rec = fitted.recommender
    frame = pl.concat(rec.recommend_all(12, batch=7))
    for user in rec.log.users.ids[:3]:
        found = rec.recommend(user, k=12)
        assert frame.filter(pl.col("user_id") == user)["item_id"].to_list() == [
            r.item for r in found
        ]
        told = rec.explain(user, item=found[0].item)
        assert told.parts["habit"] != 0
        assert told.score == pytest.approx(found[0].score, abs=1e-4)
        assert told.reason == "because you come back to it"


def test_saved_with_the_run_and_masked(fitted, tmp_path):
    rec = fitted.recommender
    rec.save(tmp_path / "run")
    back = Recommender.load(tmp_path / "run")
    user = rec.log.users.ids[3]
    assert back.recommend(user, k=12) == rec.recommend(user, k=12)
    assert back.partners.habits.config == rec.partners.habits.config
    other, _ = masked(rec, fitted.split, "habits", "test", np.random.default_rng(0))
    assert other.partners.habits is None
    assert other.recommend(user, k=12) != rec.recommend(user, k=12)


def test_without_a_test_part_the_last_tenth_judges_where_people_come_back():
    log = rhythms()
    split = make_split(log, "none")
    assert split.by_time
    assert len(split.test) == 0
    assert len(split.valid) == pytest.approx(0.1 * len(log), rel=0.05)
    assert split.train.time.max() < split.valid.time.min()
    one_time = replace(log, time=np.zeros(len(log), np.int64))
    for other in (replace(log, time=None), one_time):
        split = make_split(other, "none")
        assert not split.by_time
        assert len(split.valid) == len(log.users)
    assert not make_split(log, "last").by_time


def test_new_items_beside_habits(fitted):
    rec = fitted.recommender.with_items(Catalog.of(["new"], ["Brand new"]))
    user = rec.log.users.ids[3]
    assert len(rec.recommend(user, k=13)) == 13
