"""top_k against a full sort; evaluate_scores against a slow obvious loop."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import leave_one_out
from recsys.baselines import Popularity
from recsys.hits import Hits
from recsys.judging.evaluate import EvalReport, evaluate_queries, evaluate_scores, top_k

FLOATS = st.sampled_from([-np.inf, -2.5, -1.0, -0.0, 0.0, 1e-30, 1.0, 3.5, np.inf]) | st.floats(
    allow_nan=False, width=32
)


def slow_top_k(row: np.ndarray, k: int) -> list[int]:
    order = sorted((i for i in range(len(row)) if row[i] > -np.inf), key=lambda i: (-row[i], i))
    return (order + [-1] * k)[:k]


@given(
    arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=FLOATS),
    st.integers(1, 12),
)
def test_top_k_equals_a_full_sort(scores, k):
    before = scores.copy()
    hits = top_k(scores, k)
    assert hits.index.tolist() == [slow_top_k(row, k) for row in scores]
    for row, index, score in zip(scores, hits.index, hits.score, strict=True):
        assert [row[i] if i >= 0 else -np.inf for i in index] == score.tolist()
    assert (hits.index.dtype, hits.score.dtype) == (np.int64, np.float32)
    np.testing.assert_array_equal(scores, before)


def test_ties_go_to_the_smaller_index_at_the_cut_too():
    hits = top_k(np.array([[1, 2, 1, 2, 1, 2]], np.float32), 4)
    assert hits.index.tolist() == [[1, 3, 5, 0]]


def test_top_k_refuses_nan_and_no_k():
    with pytest.raises(DataError, match="NaN"):
        top_k(np.array([[np.nan]], np.float32), 1)
    with pytest.raises(UsageError, match=r"k >= 1. Got \[1, 1\] and 0"):
        top_k(np.zeros((1, 1), np.float32), 0)


def test_hits_check_themselves():
    score = np.array([[2.0, -np.inf]], np.float32)
    assert Hits(np.array([[3, -1]]), score).mask.tolist() == [[True, False]]
    with pytest.raises(DataError, match="-inf exactly"):
        Hits(np.array([[3, 4]]), score)
    with pytest.raises(DataError, match="must not rise"):
        Hits(np.array([[3, 4]]), np.array([[1.0, 2.0]], np.float32))
    with pytest.raises(DataError, match=r"\[B, K\]"):
        Hits(np.array([[3]]), score)


def world(seed: int = 0) -> tuple[Sequences, EventLog, np.ndarray]:
    """20 users, 12 items; some without history, some without target, targets of up to 4 items."""
    rng = np.random.default_rng(seed)
    log = EventLog.of(
        [f"u{u:02}" for u in [*range(20), *rng.integers(20, size=120)]],
        [f"i{i:02}" for i in [*range(12), *rng.integers(12, size=128)]],
    )
    side = rng.integers(0, 3, len(log))
    side[log.user == 3], side[log.user == 5] = 0, 1
    before, target = log.take(side > 0), log.take(side == 0)
    scores = rng.integers(0, 6, (20, 12)).astype(np.float32)  # many ties
    scores[:, 7] = -np.inf
    return Sequences.of(before), target, scores


def by_row(scores: np.ndarray, histories: Sequences):
    """A score function that knows its users by the order in which they come."""
    asked: list[int] = []

    def fn(part: Sequences) -> np.ndarray:
        start = sum(asked)
        asked.append(len(part))
        return scores[start : start + len(part)]

    return fn


@pytest.mark.parametrize("filter_seen", [True, False])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_equals_the_slow_loop(seed, filter_seen):
    histories, target, scores = world(seed)
    users = np.unique(target.user)
    before = scores.copy()
    report = evaluate_scores(
        by_row(scores[users], histories), histories, target, ks=(3, 20), filter_seen=filter_seen,
        batch=7,
    )  # fmt: skip
    np.testing.assert_array_equal(scores, before)
    assert report.user.tolist() == users.tolist()
    assert 3 in users  # an empty history is scored
    assert 5 not in users  # no target is not
    for k in (3, 20):
        for row, user in enumerate(users.tolist()):
            line = scores[user].copy()
            if filter_seen:
                line[histories.items_of(user)] = -np.inf
            truth = set(target.item[target.user == user].tolist())
            hit = [i in truth for i in slow_top_k(line, k)]
            gain = sum(1 / np.log2(r + 2) for r in range(k) if hit[r])
            ideal = sum(1 / np.log2(r + 2) for r in range(min(k, len(truth))))
            assert report.per_user[f"ndcg@{k}"][row] == pytest.approx(gain / ideal)
            assert report.per_user[f"recall@{k}"][row] == pytest.approx(sum(hit) / len(truth))
            assert report.per_user[f"precision@{k}"][row] == pytest.approx(sum(hit) / k)
            assert report.per_user[f"hr@{k}"][row] == any(hit)
    assert report.metrics["ndcg@3"] == pytest.approx(report.per_user["ndcg@3"].mean())


def test_minus_infinity_is_never_a_hit():
    log = EventLog.of(["u", "u", "v"], ["a", "b", "a"])
    target = log.take(np.array([1]))
    report = evaluate_scores(
        lambda part: np.full((len(part), 2), -np.inf, np.float32), Sequences.of(log.take(
            np.array([0, 2]))), target, ks=(5,)
    )  # fmt: skip
    assert report.metrics["hr@5"] == 0
    assert np.isnan(report.metrics["novelty@5"])
    assert report.metrics["coverage@5"] == 0


def test_search_events_and_repeats_in_the_target_count_once():
    log = EventLog.of(["u"] * 3 + ["v"], ["a", "a", None, "b"], behaviour="view")
    empty = Sequences.of(log.take(np.zeros(len(log), bool)))
    report = evaluate_scores(
        lambda part: np.tile(np.float32([2, 1]), (len(part), 1)), empty, log, ks=(1, 2)
    )
    assert report.per_user["recall@1"].tolist() == [1, 0]
    assert report.per_user["recall@2"].tolist() == [1, 1]


def test_a_known_item_in_the_target_cannot_be_hit_but_counts():
    log = EventLog.of(["u", "u"], ["a", "b"])
    histories = Sequences.of(log.take(np.array([0])))
    fn = lambda part: np.tile(np.float32([2, 1]), (len(part), 1))  # noqa: E731
    assert evaluate_scores(fn, histories, log, ks=(2,)).metrics["recall@2"] == 0.5
    assert evaluate_scores(fn, histories, log, ks=(2,), filter_seen=False).metrics["hr@2"] == 1


def report() -> EvalReport:
    rng = np.random.default_rng(0)
    log = EventLog.of(np.arange(400) % 40, rng.integers(0, 30, 400))
    split = leave_one_out(log)
    known = split.before_test()
    return evaluate_scores(Popularity.fit(known).scores, Sequences.of(known), split.test, ks=(5, 9))


def test_report_reads_well():
    made = report()
    assert made.users == len(made.user) == 40
    names = ("ndcg", "hr", "recall", "precision", "mrr", "map", "novelty", "coverage", "gini")
    assert set(made.metrics) == {f"{name}@{k}" for name in names for k in (5, 9)}
    text = str(made)
    assert text.startswith("40 users\nndcg@5")
    assert "coverage@9" in text
    frame = made.to_frame()
    assert frame.columns == ["metric", "k", "value", "low", "high"]
    assert frame.height == len(made.metrics)
    assert frame.filter(frame["metric"] == "gini")["low"].null_count() == 2


def test_interval_is_the_normal_approximation():
    made = report()
    values = made.per_user["hr@5"]
    told = {"ndcg@5": [1, 1, 0.9], "mrr@5": [0, 0, 0.3], "novelty@5": [0, 0, 9]}
    few = EvalReport({}, {name: np.array(x, float) for name, x in told.items()}, np.arange(3))
    assert few.interval("ndcg@5")[1] == 1
    assert few.interval("mrr@5")[0] == 0
    assert few.interval("novelty@5")[0] < 0
    assert few.interval("novelty@5")[1] > 1
    low, high = made.interval("hr@5")
    half = 1.959964 * values.std(ddof=1) / np.sqrt(len(values))
    assert (low, high) == (pytest.approx(values.mean() - half), pytest.approx(values.mean() + half))
    with pytest.raises(UsageError, match=r"Got 'gini@5' instead"):
        made.interval("gini@5")
    one = EvalReport({"hr@1": 1.0}, {"hr@1": np.ones(1)}, np.zeros(1, np.int64))
    assert np.isnan(one.interval("hr@1")).all()
    assert "hr@1" in str(one)


def test_novelty_reads_the_counts_it_is_given():
    log = EventLog.of(["u", "v"], ["a", "b"])
    histories = Sequences.of(log.take(np.array([0])))  # only u has a history, of a
    fn = lambda part: np.tile(np.float32([2, 1]), (len(part), 1))  # noqa: E731
    target = log.take(np.array([1]))
    assert evaluate_scores(fn, histories, target, ks=(2,)).metrics["novelty@2"] == 1
    counts = np.array([2, 1])
    told = evaluate_scores(fn, histories, target, ks=(2,), item_counts=counts)
    assert told.metrics["novelty@2"] == 0.5


def test_misuse_is_named():
    histories, target, scores = world()
    fn = by_row(scores, histories)
    with pytest.raises(UsageError, match=r"20 users, 12 items.*Got 1 and 12"):
        evaluate_scores(fn, histories.take(np.array([0])), target)
    with pytest.raises(UsageError, match=r"'item_counts' must be \[12\]. Got \[3\]"):
        evaluate_scores(fn, histories, target, item_counts=np.ones(3))
    with pytest.raises(UsageError, match="'ks' and 'batch'"):
        evaluate_scores(fn, histories, target, ks=(0,))
    with pytest.raises(DataError, match="at least one event with an item"):
        evaluate_scores(fn, histories, target.take(np.zeros(len(target), bool)))
    with pytest.raises(DataError, match=r"must return \[.*, 12\].*Got \[1, 1\]"):
        evaluate_scores(lambda part: np.zeros((1, 1)), histories, target)


def test_an_empty_history_is_scored_by_what_strangers_get():
    target = EventLog.of(["a", "b"], ["x", "y"])
    empty = Sequences(np.array([0, 1, 1]), np.array([0]), np.array([0]), None, 2)
    queries, items = np.array([[1.0], [0.0]], np.float32), np.array([[1.0], [0.5]], np.float32)
    strangers = np.array([0.0, 9.0], np.float32)
    told = evaluate_queries(
        queries, items, empty, target, ks=(1,), filter_seen=False, strangers=strangers
    )
    assert told.per_user["hr@1"].tolist() == [1.0, 1.0]
    plain = evaluate_queries(queries, items, empty, target, ks=(1,), filter_seen=False)
    assert plain.per_user["hr@1"].tolist() == [1.0, 0.0]


def test_reports_are_compared_by_who_the_people_are():
    rng = np.random.default_rng(1)
    user, item = np.repeat([f"u{n:02d}" for n in range(30)], 12), rng.integers(0, 20, 360)

    def judged(keep):
        log = EventLog.of(user[keep], item[keep])
        split = leave_one_out(log)
        known = split.before_test()
        return evaluate_scores(Popularity.fit(known).scores, Sequences.of(known), split.test)

    one, other = judged(user != "u00"), judged(user != "u29")
    assert (one.user == other.user).all()  # the numbers are those of other people
    with pytest.raises(UsageError, match="29 and 29, of whom 28 are in both"):
        one.gain(other)
    assert one.gain(one) == (0, 0, 0, 1)
    shuffled = replace(
        one, ids=one.ids[::-1], per_user={k: v[::-1] for k, v in one.per_user.items()}
    )
    assert one.gain(shuffled, "hr@10").difference == 0
    half = replace(one, per_user={k: v / 2 for k, v in one.per_user.items()})
    assert one.gain(half, "mrr@10").difference == pytest.approx(one.metrics["mrr@10"] / 2)
    with pytest.raises(UsageError, match="Did you mean 'mrr@10'"):
        one.gain(half, "mrr10")
