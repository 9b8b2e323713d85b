"""The arithmetic of `active` against itself written out."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.intent.distances import clustered, gradient_distances, squared_distances, typicality


@given(st.integers(1, 12), st.integers(2, 5), st.integers(1, 6), st.integers(0, 99))
def test_the_factorised_distance_is_that_of_the_whole_gradients(n, labels, width, seed):
    rng = np.random.default_rng(seed)
    error, x = rng.normal(size=(n, labels)), rng.normal(size=(n, width))
    whole = np.einsum("nl,nd->nld", error, x).reshape(n, -1)
    at = int(rng.integers(n))
    want = squared_distances(whole, whole[at])
    np.testing.assert_allclose(gradient_distances(error, x, at), want, atol=1e-9)
    np.testing.assert_allclose(want, ((whole - whole[at]) ** 2).sum(1))


def test_clusters_of_three_heaps_and_of_equal_rows() -> None:
    x = np.repeat(np.eye(3) * 9, 4, axis=0) + np.random.default_rng(0).normal(size=(12, 3)) * 0.01
    found = clustered(x, 3, np.random.default_rng(0)).reshape(3, 4)
    assert (found == found[:, :1]).all()
    assert len(set(found[:, 0].tolist())) == 3
    assert len(np.unique(clustered(np.ones((5, 2)), 3, np.random.default_rng(0)))) == 1
    assert clustered(np.ones((2, 2)), 9, np.random.default_rng(0)).shape == (2,)


def test_typicality_by_hand() -> None:
    x = np.array([[0.0], [1.0], [3.0], [50.0], [7.0], [7.0]])
    found = typicality(x, np.array([0, 0, 0, 1, 2, 2]))
    np.testing.assert_allclose(found, [1 / 2, 1 / 1.5, 1 / 2.5, 0, np.inf, np.inf])
    np.testing.assert_allclose(typicality(x[:3], np.zeros(3), 1), [1, 1, 1 / 2])
