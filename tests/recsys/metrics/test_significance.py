"""Paired bootstrap against all resamples, scipy and known truths; Holm against its definition."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap

from kg.errors import DataError, UsageError
from recsys.metrics import significance
from recsys.metrics.significance import holm, paired_bootstrap, sure_weight


def test_bootstrap_equals_all_resamples_of_a_few_users():
    a, b = np.array([0.9, 0.4, 0.7, 0.2, 0.8]), np.array([0.1, 0.5, 0.3, 0.3, 0.2])
    means = np.array([np.mean(draw) for draw in itertools.product(a - b, repeat=5)])
    told = paired_bootstrap(a, b, np.random.default_rng(0), 200_000)
    assert told.difference == pytest.approx((0.8 - 0.1 + 0.4 - 0.1 + 0.6) / 5)
    np.testing.assert_allclose(
        [told.low, told.high], np.percentile(means, [2.5, 97.5]), atol=0.011
    )  # the means of 5 users lie on a coarse grid
    assert told.p == pytest.approx(2 * (means <= 1e-12).mean(), rel=0.1)


def test_interval_agrees_with_scipy():
    rng = np.random.default_rng(1)
    a, b = rng.random(300), rng.random(300) * 0.9
    told = paired_bootstrap(a, b, rng, 20_000)
    theirs = bootstrap(
        (a - b,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    np.testing.assert_allclose([told.low, told.high], [theirs.low, theirs.high], atol=2e-3)
    half = 1.96 * (a - b).std(ddof=1) / np.sqrt(300)
    assert told.high - told.low == pytest.approx(2 * half, rel=0.05)


def test_p_falls_with_the_difference_and_is_one_without_any():
    rng = np.random.default_rng(3)
    b = rng.random(200)
    noise = rng.normal(0, 0.2, 200)
    noise -= noise.mean()
    p = [paired_bootstrap(b + noise + shift, b, rng).p for shift in (0.0, 0.02, 0.04, 0.2)]
    assert p == sorted(p, reverse=True)
    assert p[0] > 0.9
    assert p[-1] == pytest.approx(2 / 10_001)
    assert paired_bootstrap(b, b, rng) == (0.0, 0.0, 0.0, 1.0)


def test_pairing_finds_what_the_spread_of_users_hides():
    rng = np.random.default_rng(4)
    b = rng.random(100) * 100
    a = b + 0.1 + rng.normal(0, 0.01, 100)
    assert paired_bootstrap(a, b, rng).p < 0.01
    assert paired_bootstrap(a, rng.permutation(b), rng).p > 0.1


def test_p_is_false_as_often_as_it_says():
    rng = np.random.default_rng(5)
    p = [paired_bootstrap(rng.normal(0, 1, 80), np.zeros(80), rng, 400).p for _ in range(400)]
    assert 0.02 < np.mean(np.array(p) < 0.05) < 0.1


def test_both_ways_round_are_mirror_images():
    a, b = np.arange(40) / 40, np.arange(40)[::-1] / 50
    one = paired_bootstrap(a, b, np.random.default_rng(6), 50_000)
    two = paired_bootstrap(b, a, np.random.default_rng(7), 50_000)
    assert one.difference == pytest.approx(-two.difference)
    np.testing.assert_allclose([one.low, one.high], [-two.high, -two.low], atol=5e-3)
    assert one.p == pytest.approx(two.p, abs=0.02)


def test_blocks_change_nothing_that_matters(monkeypatch):
    rng = np.random.default_rng(8)
    a, b = rng.random(50), rng.random(50)
    whole = paired_bootstrap(a, b, np.random.default_rng(9), 999)
    monkeypatch.setattr(significance, "BLOCK", 120)
    assert paired_bootstrap(a, b, np.random.default_rng(9), 999) == pytest.approx(whole)


def test_holm_by_hand():
    # the textbook's four: 4 * .005, 3 * .01, 2 * .03, and .04 may not fall below .06
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm(np.array([0.6, 0.7])), [1.0, 1.0])
    assert holm(np.array([0.03])).tolist() == [0.03]
    assert holm(np.zeros(0)).tolist() == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closure_of_bonferroni(values):
    """A test is rejected if every set of tests that holds it is rejected by Bonferroni."""
    m = len(values)
    sets = [s for k in range(1, m + 1) for s in itertools.combinations(range(m), k)]
    expected = [
        max(min(1.0, len(s) * min(values[j] for j in s)) for s in sets if i in s) for i in range(m)
    ]
    np.testing.assert_allclose(holm(np.array(values)), expected)


def test_misuse_is_named():
    rng, two = np.random.default_rng(0), np.zeros(2)
    with pytest.raises(UsageError, match=r"both be \[U\].*\[2\] and \[3\]"):
        paired_bootstrap(two, np.zeros(3), rng)
    with pytest.raises(UsageError, match=r"'rounds'.*at least 1.*Got 0"):
        paired_bootstrap(two, two, rng, 0)
    with pytest.raises(DataError, match=r"at least 2 users\. Got 1"):
        paired_bootstrap(two[:1], two[:1], rng)
    with pytest.raises(DataError, match="must be finite"):
        paired_bootstrap(np.array([0.0, np.nan]), two, rng)
    with pytest.raises(UsageError, match=r"must be \[M\]"):
        holm(np.zeros((2, 2)))
    for wrong in (-0.1, 1.1, np.nan):
        with pytest.raises(DataError, match=r"must lie in \[0, 1\]"):
            holm(np.array([0.5, wrong]))


def test_a_weight_is_taken_where_it_is_surely_better_than_none():
    asked = []

    def score(weight):
        asked.append(weight)
        return 0.5 + 0.01 * np.arange(50) + {0.0: 0.0, 1.0: 0.2, 2.0: 0.3, 4.0: 0.3}[weight]

    assert sure_weight((1.0, 2.0, 4.0), score) == 2.0  # the first of equals
    assert sorted(asked) == [0.0, 1.0, 2.0, 4.0]  # each once
    noise = np.random.default_rng(0).normal(0, 1, 50)
    assert sure_weight((1.0,), lambda w: w * (noise - noise.mean() + 0.1)) == 0.0
    assert sure_weight((1.0,), lambda w: w * (noise - noise.mean() + 0.5)) == 1.0


def test_a_seed_is_as_good_as_a_generator():
    a, b = np.arange(9.0), np.arange(9.0)[::-1]
    assert paired_bootstrap(a, b, 0) == paired_bootstrap(a, b, np.random.default_rng(0))
    with pytest.raises(UsageError, match="a numpy Generator or a seed"):
        paired_bootstrap(a, b, None)
