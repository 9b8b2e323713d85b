"""Whitening: unit variance on what it was fitted to, and nothing learned from other rows."""

from dataclasses import replace

import numpy as np

from models.whitening import Whitening


def skewed(rng, rows=400, dim=6):
    mix = rng.normal(size=(dim, dim))
    return (rng.normal(size=(rows, dim)) @ mix + 3).astype(np.float32)


def test_training_rows_get_mean_zero_and_unit_variance():
    vectors = skewed(np.random.default_rng(0))
    rows = np.arange(300)
    white = Whitening.fit(vectors, rows, dim=4)
    out = white.apply(vectors[rows])
    assert (white.dim, out.shape, out.dtype) == (4, (300, 4), np.float32)
    np.testing.assert_allclose(out.mean(0), 0, atol=1e-3)
    np.testing.assert_allclose(np.cov(out, rowvar=False), np.eye(4), atol=1e-3)


def test_rows_without_text_stay_zero_and_are_not_learned_from():
    vectors = skewed(np.random.default_rng(1))
    vectors[:50] = 0
    white = Whitening.fit(vectors, np.arange(300), dim=6)
    assert not white.apply(vectors)[:50].any()
    assert white.apply(vectors)[50:].any(axis=1).all()
    without = Whitening.fit(vectors, np.arange(50, 300), dim=6)
    np.testing.assert_array_equal(white.basis, without.basis)


def test_an_untrained_row_changes_nothing():
    vectors = skewed(np.random.default_rng(2))
    other = vectors.copy()
    other[300:] *= -100
    a, b = Whitening.fit(vectors, np.arange(300), 4), Whitening.fit(other, np.arange(300), 4)
    np.testing.assert_array_equal(a.mean, b.mean)
    np.testing.assert_array_equal(a.basis, b.basis)
    other[7] += 1
    assert (Whitening.fit(other, np.arange(300), 4).mean != a.mean).any()


def test_too_few_or_equal_texts_are_not_blown_up():
    vectors = np.eye(5, dtype=np.float32)
    for rows in (np.array([], np.int64), np.array([2])):
        np.testing.assert_array_equal(
            Whitening.fit(vectors, rows, 3).apply(vectors), vectors[:, :3]
        )
    vectors[1] = vectors[2] = vectors[0]
    out = Whitening.fit(vectors, np.arange(3), 3).apply(vectors)
    assert np.abs(out).max() < 10
    one_wide = np.array([[1.0], [3.0], [2.0]], np.float32)
    np.testing.assert_allclose(Whitening.fit(one_wide, np.arange(3)).apply(one_wide).std(ddof=1), 1)


def test_a_direction_that_is_mere_noise_is_not_made_as_loud_as_the_others():
    vectors = skewed(np.random.default_rng(3), dim=2)
    vectors = np.concatenate([vectors, 1e-5 * vectors[:, :1] ** 2], axis=1).astype(np.float32)
    out = Whitening.fit(vectors, np.arange(len(vectors)), 3).apply(vectors)
    assert out[:, 2].std() < 0.1


def test_another_domain_is_seen_from_its_own_mean_in_the_same_directions():
    whitening = Whitening.fit(skewed(np.random.default_rng(4)), np.arange(300), 4)
    other = skewed(np.random.default_rng(5)) + 3
    other[9] = 0  # no text
    found = whitening.centred_on(other, np.arange(20))
    assert found.basis is whitening.basis
    has = np.delete(np.arange(20), 9)
    np.testing.assert_allclose(found.apply(other)[has].mean(0), 0, atol=1e-4)
    assert not found.apply(other)[9].any()
    everything = whitening.centred_on(other, np.array([], np.int64)).mean
    np.testing.assert_allclose(everything, np.delete(other, 9, 0).mean(0), atol=1e-5)
    assert whitening.centred_on(np.zeros_like(other), np.arange(20)) is whitening


def test_a_text_unlike_all_others_is_no_longer_than_the_longest():
    """Of few items nearly all directions are kept, and what none of them says would be blown up."""
    rng = np.random.default_rng(3)
    few = (rng.normal(size=(30, 4)) @ rng.normal(size=(4, 40))).astype(np.float32)
    few += 0.01 * rng.normal(size=few.shape).astype(np.float32)
    white = Whitening.fit(few, np.arange(30), dim=29)
    lengths = np.linalg.norm(white.apply(few), axis=1)
    other = rng.normal(size=(5, 40)).astype(np.float32)
    free = replace(white, longest=np.inf).apply(other)
    assert (np.linalg.norm(free, axis=1) > 3 * lengths.max()).all()
    found = white.apply(other)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), lengths.max(), rtol=1e-3)
    np.testing.assert_allclose(found, free * (found[:, :1] / free[:, :1]), rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(white.apply(few), replace(white, longest=np.inf).apply(few))
    moved = white.centred_on(few + 1, np.arange(30))
    np.testing.assert_allclose(moved.apply(few + 1), white.apply(few), atol=1e-2)
