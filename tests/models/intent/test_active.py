"""One contract for all strategies; each one's choice by hand; and a curve that rises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.errors import DataError, UsageError
from models.intent.active import STRATEGIES, learning_curve, random, typical

NEED_VECTORS = ["core_set", "badge", "typical", "margin_diverse"]
P = np.array([[0.5, 0.5, 0.0], [0.4, 0.3, 0.3], [0.9, 0.05, 0.05], [0.45, 0.55, 0.0]])


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def pool(n: int, seed: int = 0, labels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    return rng(seed).dirichlet(np.ones(labels), n), rng(seed + 1).normal(size=(n, 4))


@pytest.mark.parametrize("name", STRATEGIES)
@given(n=st.integers(1, 25), seed=st.integers(0, 50), data=st.data())
def test_k_different_positions_and_the_same_under_the_same_seed(name, n, seed, data):
    k = data.draw(st.integers(1, n))
    same = data.draw(st.booleans())  # equal texts must not be taken twice
    p, x = pool(n, seed)
    x = np.ones_like(x) if same else x
    labelled = data.draw(st.sampled_from([None, x[: n // 2]]))
    found = STRATEGIES[name](p, x, k, rng(seed), labelled)
    assert (found.dtype, found.shape) == (np.int64, (k,))
    assert len(set(found.tolist())) == k
    assert found.min() >= 0
    assert found.max() < n
    np.testing.assert_array_equal(found, STRATEGIES[name](p, x, k, rng(seed), labelled))


@pytest.mark.parametrize("name", STRATEGIES)
def test_misuse_is_named(name: str) -> None:
    p, x = pool(4)
    for k in (0, 5):
        with pytest.raises(UsageError, match=rf"must be in \[1, 4\].*Got {k}"):
            STRATEGIES[name](p, x, k, rng())
    with pytest.raises(UsageError, match=r"\[n, L\] with L >= 2. Got \[4, 1\]"):
        STRATEGIES[name](p[:, :1], x, 1, rng())
    p[2, 1] = np.nan
    with pytest.raises(DataError, match=r"must not be NaN\. Row 2"):
        STRATEGIES[name](p, x, 1, rng())


@pytest.mark.parametrize("name", NEED_VECTORS)
def test_missing_or_short_vectors_are_named(name: str) -> None:
    with pytest.raises(
        UsageError, match=f"{name} compares vectors, which a method with an encoder"
    ):
        STRATEGIES[name](P, None, 1, rng())
    with pytest.raises(UsageError, match=rf"'vectors' of {name} must be \[4, D\]"):
        STRATEGIES[name](P, np.ones((2, 3)), 1, rng())
    broken = np.ones((4, 3))
    broken[1, 2] = np.nan
    with pytest.raises(DataError, match=rf"'vectors' of {name} must be finite\. Row 1"):
        STRATEGIES[name](P, broken, 1, rng())


@pytest.mark.parametrize(
    ("name", "want"),
    [
        ("least_confident", [1, 0, 3, 2]),
        ("margin", [0, 1, 3, 2]),
        ("entropy", [1, 0, 3, 2]),
    ],
)
def test_uncertainty_by_hand(name: str, want: list[int]) -> None:
    assert STRATEGIES[name](P, None, 4, rng()).tolist() == want


@pytest.mark.parametrize("name", ["least_confident", "margin", "entropy"])
def test_ties_go_by_position(name: str) -> None:
    same = np.full((30, 3), 1 / 3)
    assert STRATEGIES[name](same, None, 30, rng()).tolist() == list(range(30))


def test_random_is_even() -> None:
    p = np.full((5, 2), 0.5)
    seen = np.bincount([random(p, None, 1, rng(s))[0] for s in range(500)], minlength=5)
    assert seen.min() > 60


def test_core_set_goes_to_the_farthest() -> None:
    x = np.array([[0.0], [1.0], [10.0], [4.0]])
    p = np.full((4, 2), 0.5)
    found = STRATEGIES["core_set"](p, x, 3, rng(), np.array([[0.0]]))
    assert found.tolist() == [2, 3, 1]
    for seed in range(5):  # whatever the first, the far one is among two
        assert 2 in STRATEGIES["core_set"](p, x, 2, rng(seed))


def test_badge_starts_with_the_longest_gradient_and_avoids_its_like() -> None:
    p = np.array([[0.5, 0.5], [0.5, 0.5], [0.55, 0.45], [1.0, 0.0]])
    x = np.array([[2.0, 0], [2.0, 0], [0, 2.0], [9.0, 9.0]])  # the last is sure: gradient 0
    for seed in range(20):
        found = STRATEGIES["badge"](p, x, 2, rng(seed)).tolist()
        assert found[0] == 0
        assert found[1] in {2, 3}
    drawn = [STRATEGIES["badge"](p, x, 2, rng(s))[1] for s in range(200)]
    lengths = np.array([0.5**2 * 2 * 4 + 0.45**2 * 2 * 4, 0.5**2 * 2 * 4])  # |g_0 - g_i|²
    assert abs(np.mean(np.array(drawn) == 2) - lengths[0] / lengths.sum()) < 0.1


def test_typical_takes_the_middle_of_the_largest_cluster_without_labels() -> None:
    heaps = [np.array([[0.0], [1.0], [2.0]]), np.array([[50.0], [51.0], [52.0], [54.0]])]
    x = np.concatenate(heaps)
    p = np.full((7, 2), 0.5)
    assert typical(p, x, 2, rng()).tolist() in ([4, 1], [5, 1])
    found = typical(p, x, 1, rng(), np.array([[51.0]]))  # the second heap is labelled
    assert found.tolist() == [1]


def test_margin_diverse_takes_one_of_each_cluster() -> None:
    x = np.array([[0.0], [0.1], [9.0], [9.1]])
    p = np.array([[0.5, 0.5], [0.52, 0.48], [0.7, 0.3], [0.6, 0.4]])
    assert STRATEGIES["margin_diverse"](p, x, 2, rng()).tolist() == [0, 3]
    assert STRATEGIES["margin_diverse"](p, np.ones((4, 1)), 3, rng()).tolist() == [0, 1, 3]


def centroids(vectors: np.ndarray, labels: np.ndarray):
    """The nearest mean of 3 labels, as probabilities."""
    means = np.stack([vectors[labels == c].mean(0) if (labels == c).any() else np.full(2, 99.0)
                      for c in range(3)])  # fmt: skip

    def predict(x: np.ndarray) -> np.ndarray:
        far = ((x[:, None] - means) ** 2).sum(-1)  # [n, 3]
        p = np.exp(-(far - far.min(1, keepdims=True)))
        return p / p.sum(1, keepdims=True)

    return predict


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_learning_curve_counts_labels_and_ends_well(name: str) -> None:
    middle = np.array([[0, 0], [4, 0], [0, 4]])
    labels = rng(1).integers(0, 3, 60)
    x = middle[labels] + rng(2).normal(size=(60, 2)) * 0.5

    def score(predict) -> float:
        return float((predict(x).argmax(1) == labels).mean())

    def curve() -> list[tuple[int, float]]:
        return list(learning_curve(x, labels, centroids, score, STRATEGIES[name], 3, 5, 4, rng(0)))

    assert [used for used, _ in curve()] == [3, 8, 13, 18, 23]
    assert curve()[0][1] > 0.9  # `typical` starts with one of each heap
    assert curve()[-1][1] > 0.95
    assert curve() == curve()


def test_a_learning_curve_stops_when_all_is_labelled_and_can_start_at_random() -> None:
    x, labels = rng().normal(size=(7, 2)), np.array([0, 1, 2, 0, 1, 2, 0])
    seen = []

    def fit(vectors, chosen):
        seen.append(len(np.unique(vectors, axis=0)))
        return centroids(vectors, chosen)

    score = lambda predict: 0.5  # noqa: E731
    curve = learning_curve(x, labels, fit, score, random, 2, 3, 9, rng(), first=random)
    assert next(curve) == (2, 0.5)
    assert seen == [2]  # nothing is done before it is asked for
    assert [used for used, _ in curve] == [5, 7]
    assert seen == [2, 5, 7]
