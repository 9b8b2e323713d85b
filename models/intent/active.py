"""Which texts to label next, so that few labels teach most.

Every strategy has one contract: probabilities [n, L] of the pool's texts (rows of a softmax), their
vectors [n, D] or None, how many, a generator, and the vectors [m, D] of what is labelled already;
it returns int64 [k], different positions of the pool, best first. Equal texts go by position.

    at = STRATEGIES["badge"](probabilities, vectors, 20, np.random.default_rng(0))

What to take (no rule holds everywhere; `learning_curve` tells on your data): with hardly a label
`typical`; later `margin_diverse`, which on banking77 needed about half of the labels that random
ones did, `margin` and `badge` .6 to .7 (benchmarks/RESULTS.md); one text at a time, `margin`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kg.errors import DataError, UsageError
from models.intent.distances import clustered, gradient_distances, squared_distances, typicality

Positions = NDArray[np.int64]
Labelled = np.ndarray | None
Model = Callable[[np.ndarray], np.ndarray]  # vectors [n, D] to probabilities [n, L]


class Strategy(Protocol):
    """How the next texts are chosen."""

    def __call__(
        self, probabilities: np.ndarray, vectors: np.ndarray | None, k: int,
        rng: np.random.Generator, labelled: Labelled = None,
    ) -> Positions: ...  # fmt: skip


def random(
    probabilities: np.ndarray, vectors: np.ndarray | None, k: int, rng: np.random.Generator,
    labelled: Labelled = None,
) -> Positions:  # fmt: skip
    """Drawn evenly: what every other strategy has to beat."""
    p, k = _checked(probabilities, k)
    return rng.choice(len(p), k, replace=False).astype(np.int64)


def least_confident(
    probabilities: np.ndarray, vectors: np.ndarray | None, k: int, rng: np.random.Generator,
    labelled: Labelled = None,
) -> Positions:  # fmt: skip
    """Lowest max_l p_l (Lewis & Gale 1994, arXiv:cmp-lg/9407020)."""
    p, k = _checked(probabilities, k)
    return _lowest(p.max(1), k)


def margin(
    probabilities: np.ndarray, vectors: np.ndarray | None, k: int, rng: np.random.Generator,
    labelled: Labelled = None,
) -> Positions:  # fmt: skip
    """Lowest p_(1) - p_(2), the two best labels (Scheffer et al. 2001)."""
    p, k = _checked(probabilities, k)
    return _lowest(_margins(p), k)


def entropy(
    probabilities: np.ndarray, vectors: np.ndarray | None, k: int, rng: np.random.Generator,
    labelled: Labelled = None,
) -> Positions:  # fmt: skip
    """Highest -Σ_l p_l log p_l (Settles 2009)."""
    p, k = _checked(probabilities, k)
    return _lowest((p * np.log(np.where(p > 0, p, 1))).sum(1), k)


def core_set(
    probabilities: np.ndarray, vectors: np.ndarray | None, k: int, rng: np.random.Generator,
    labelled: Labelled = None,
) -> Positions:  # fmt: skip
    """Each time the text farthest from all that are labelled or chosen: greedy k-centre
    (Sener & Savarese 2018, arXiv:1708.00489). Without labelled vectors the first is drawn evenly.
    """
    p, k = _checked(probabilities, k)
    x = _needed(vectors, len(p), "core_set")
    far = np.full(len(x), np.inf)
    for row in _seen(labelled, x):
        far = np.minimum(far, squared_distances(x, row))  # [n]
    chosen: list[int] = []
    while len(chosen) < k:
        at = int(rng.integers(len(x))) if np.isinf(far).all() else int(far.argmax())
        far = np.minimum(far, squared_distances(x, x[at]))
        chosen.append(at)
        far[chosen] = -1.0
    return np.array(chosen, np.int64)


def badge(
    probabilities: np.ndarray, vectors: np.ndarray | None, k: int, rng: np.random.Generator,
    labelled: Labelled = None,
) -> Positions:  # fmt: skip
    """k-means++ over g = (p - e_ŷ) ⊗ x, the gradient of the last layer if the best label ŷ were
    true (Ash et al. 2020, arXiv:1906.03671): uncertain and unlike each other.

    The first has the longest gradient, each further one is drawn with a chance proportional to the
    squared distance to the nearest chosen. [n, L·D] is never built (`gradient_distances`).
    """
    p, k = _checked(probabilities, k)
    x = _needed(vectors, len(p), "badge")
    error = p.copy()
    error[np.arange(len(p)), p.argmax(1)] -= 1  # [n, L]
    chosen: list[int] = []
    far = np.einsum("nl,nl->n", error, error) * np.einsum("nd,nd->n", x, x)
    while len(chosen) < k:
        at = int(far.argmax()) if not chosen else _drawn(far, chosen, rng)
        near = gradient_distances(error, x, at)  # [n]
        far = near if not chosen else np.minimum(far, near)
        chosen.append(at)
        far[chosen] = 0.0
    return np.array(chosen, np.int64)


def typical(
    probabilities: np.ndarray, vectors: np.ndarray | None, k: int, rng: np.random.Generator,
    labelled: Labelled = None,
) -> Positions:  # fmt: skip
    """The densest text of each cluster, the clusters with the fewest labels first, then the largest
    (Hacohen et al. 2022, "TypiClust", arXiv:2202.02794): good while there are hardly any labels.

    Clusters: k-means into m + k, at most 500. Density: one over the mean distance to the nearest 20
    of the cluster. Where clusters run out, each gives its next densest.
    """
    p, k = _checked(probabilities, k)
    x = _needed(vectors, len(p), "typical")
    seen = _seen(labelled, x)
    every = np.concatenate([x, seen])  # [n + m, D]
    cluster = clustered(every, min(len(seen) + k, 500), rng)
    dense = typicality(every, cluster)[: len(x)]
    count = cluster.max(initial=0) + 1
    labels = np.bincount(cluster[len(x) :], minlength=count)
    left = np.bincount(cluster[: len(x)], minlength=count)
    queue = [np.flatnonzero(cluster[: len(x)] == c) for c in range(count)]
    queue = [at[_lowest(-dense[at], len(at))] for at in queue]
    chosen: list[int] = []
    for _ in range(k):
        c = min(np.flatnonzero(left).tolist(), key=lambda c: (labels[c], -left[c], c))
        chosen.append(int(queue[c][len(queue[c]) - left[c]]))
        labels[c] += 1
        left[c] -= 1
    return np.array(chosen, np.int64)


def margin_diverse(
    probabilities: np.ndarray, vectors: np.ndarray | None, k: int, rng: np.random.Generator,
    labelled: Labelled = None,
) -> Positions:  # fmt: skip
    """The lowest margin of each of k clusters of the 10 · k texts with the lowest margins
    (Zhdanov 2019, arXiv:1901.05954, there with weighted k-means); if clusters are fewer, the next
    lowest margins fill up."""
    p, k = _checked(probabilities, k)
    x = _needed(vectors, len(p), "margin_diverse")
    pool = _lowest(_margins(p), min(len(p), 10 * k))
    cluster = clustered(x[pool], k, rng)
    first = np.unique(cluster, return_index=True)[1]  # the lowest margin of each
    rest = np.setdiff1d(np.arange(len(pool)), first)
    return pool[np.concatenate([np.sort(first), rest])[:k]]


STRATEGIES: Mapping[str, Strategy] = {
    "random": random,
    "least_confident": least_confident,
    "margin": margin,
    "entropy": entropy,
    "core_set": core_set,
    "badge": badge,
    "typical": typical,
    "margin_diverse": margin_diverse,
}


def learning_curve(
    vectors: np.ndarray,
    labels: np.ndarray,
    fit: Callable[[np.ndarray, np.ndarray], Model],
    score: Callable[[Model], float],
    strategy: Strategy,
    start: int,
    step: int,
    rounds: int,
    rng: np.random.Generator,
    first: Strategy = typical,
) -> Iterator[tuple[int, float]]:
    """(labels used, score) after the `start` texts that `first` takes, and after each of `rounds`
    further `step` texts that `strategy` takes; ends early when all of vectors [n, D] are used.

    labels [n] or [n, L] are read for chosen texts only. `fit(vectors, labels)` gives a model, a
    function from vectors to probabilities; `score(model)` looks at texts that are not among these.
    """
    blank = np.full((len(vectors), 2), 0.5)  # nothing is known before the first labels
    chosen = first(blank, vectors, start, rng)
    for done in range(rounds + 1):
        model = fit(vectors[chosen], labels[chosen])
        yield len(chosen), float(score(model))
        left = np.setdiff1d(np.arange(len(vectors)), chosen)
        if done == rounds or not len(left):
            return
        count = min(step, len(left))
        at = strategy(model(vectors[left]), vectors[left], count, rng, vectors[chosen])
        chosen = np.concatenate([chosen, left[at]])


def _checked(probabilities: np.ndarray, k: int) -> tuple[np.ndarray, int]:
    """float64 [n, L] and k; the errors of every strategy."""
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 2 or p.shape[1] < 2:
        raise UsageError(
            f"The 'probabilities' of a strategy must be [n, L] with L >= 2. Got {list(p.shape)}."
        )
    if np.isnan(p).any():
        row = int(np.isnan(p).any(1).argmax())
        raise DataError(f"The 'probabilities' of a strategy must not be NaN. Row {row} is.")
    if not 1 <= k <= len(p):
        raise UsageError(
            f"The 'k' of a strategy must be in [1, {len(p)}], the texts of the pool. Got {k}."
        )
    return p, k


def _needed(vectors: np.ndarray | None, count: int, where: str) -> np.ndarray:
    """float64 [n, D], or `UsageError` for None or another number of rows."""
    if vectors is None:
        raise UsageError(
            f"The strategy {where} compares vectors, which a method with an encoder has. Take one, "
            "such as frozen, or another strategy, such as margin."
        )
    found = list(np.shape(vectors))
    if len(np.shape(vectors)) != 2 or len(vectors) != count:
        raise UsageError(f"The 'vectors' of {where} must be [{count}, D]. Got {found} instead.")
    if not np.isfinite(vectors).all():
        row = int((~np.isfinite(vectors)).any(1).argmax())
        raise DataError(f"The 'vectors' of {where} must be finite. Row {row} is not.")
    return np.asarray(vectors, np.float64)


def _seen(labelled: Labelled, x: np.ndarray) -> np.ndarray:
    """float64 [m, D]: what is labelled already; m = 0 for None."""
    return np.zeros((0, x.shape[1])) if labelled is None else np.asarray(labelled, np.float64)


def _lowest(values: np.ndarray, k: int) -> Positions:
    return np.argsort(values, kind="stable")[:k].astype(np.int64)


def _margins(p: np.ndarray) -> np.ndarray:
    best = np.partition(p, -2, axis=1)
    return best[:, -1] - best[:, -2]


def _drawn(far: np.ndarray, chosen: list[int], rng: np.random.Generator) -> int:
    """A position with a chance proportional to `far` [n]; if all are 0, the first not chosen."""
    if far.sum() > 0:
        return int(rng.choice(len(far), p=far / far.sum()))
    return int(np.setdiff1d(np.arange(len(far)), chosen)[0])
