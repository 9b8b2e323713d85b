"""When a text is none of the intents that were learned: how sure must one be?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import logsumexp
from sklearn.covariance import ledoit_wolf

from models.intent.contract import Reading
from models.text.encoder import Vectors

Sureness = Literal["probability", "energy", "joint_energy", "nearness"]
REJECTED = 0.01
"""Share of rightly recognised texts that may be taken for strangers."""
_SURE = 1e-7
"""A float32 probability is no nearer to 1."""


@dataclass(frozen=True)
class Nearness:
    """Squared Mahalanobis distance to the nearest label's mean, with one covariance for all.

    means [L, K] and `basis` [K, D] so that |basis v - mean|² is the distance: Podolskiy et al.
    2021, arXiv:2101.03778, with the covariance shrunk as by Ledoit & Wolf 2004.
    """

    means: Vectors
    basis: Vectors

    @classmethod
    def of(cls, vectors: Vectors, code: np.ndarray) -> Nearness:
        """From the vectors [n, D] of texts and their labels' numbers [n]."""
        known = np.unique(code)
        means = np.stack([vectors[code == label].mean(axis=0) for label in known])
        inside = vectors - means[np.searchsorted(known, code)]
        covariance, _ = ledoit_wolf(inside.astype(np.float64), assume_centered=True)
        value, direction = np.linalg.eigh(covariance)
        scale = 1 / np.sqrt(np.maximum(value, 1e-9 * value.max() + 1e-12))
        basis = (direction * scale).T.astype(np.float32)
        return cls((means @ basis.T).astype(np.float32), basis)

    def distance(self, vectors: Vectors) -> np.ndarray:
        """float64 [n]."""
        x = (vectors @ self.basis.T).astype(np.float64)  # [n, K]
        means = self.means.astype(np.float64)
        cross = x @ means.T
        return (np.square(x).sum(1)[:, None] + np.square(means).sum(1) - 2 * cross).min(1)


def crossed_distances(vectors: Vectors, code: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """float64 [n]: the distance of each text by `Nearness` of the texts of all other folds.

    With hardly more texts than dimensions those that it is made of lie far nearer than any other.
    """
    out = np.zeros(len(vectors))
    for number in np.unique(fold):
        mine = fold == number
        out[mine] = Nearness.of(vectors[~mine], code[~mine]).distance(vectors[mine])
    return out


@dataclass(frozen=True)
class Scope:
    """A text is out of scope where its confidence is below `threshold`.

    The confidence is the largest probability; `by` "energy" log Σ_l exp(z_l), which hears how much
    speaks for any label at all (Liu et al. 2020, arXiv:2010.03759: the energy, negated); `by`
    "joint_energy" -Σ_l log(1 - p_l), which is Σ_l log(1 + exp(z_l)) of calibrated logits: the same
    where each label is its own yes or no (Wang et al. 2021, arXiv:2109.14162); `by` "nearness" the
    distance that `near` tells, negated.
    """

    threshold: float = -np.inf
    by: Sureness = "probability"
    near: Nearness | None = None

    def confidence(self, reading: Reading, probabilities: Vectors) -> np.ndarray:
        """float64 [n]: the higher, the surer."""
        if self.near is not None and reading.vectors is not None:
            return -self.near.distance(reading.vectors)
        if self.by == "energy":
            return logsumexp(reading.logits.astype(np.float64), axis=1)
        if self.by == "joint_energy":
            p = np.minimum(probabilities.astype(np.float64), 1 - _SURE)
            return -np.log1p(-p).sum(axis=1)
        return probabilities.max(axis=1).astype(np.float64)


def auroc(inside: np.ndarray, outside: np.ndarray) -> float:
    """P(a text in scope is surer than one that is not), ties counting half; nan without both."""
    if not len(inside) or not len(outside):
        return float("nan")
    order = np.sort(outside)
    below = np.searchsorted(order, inside, "left") + np.searchsorted(order, inside, "right")
    return float(below.mean() / (2 * len(outside)))


def best_threshold(
    inside: np.ndarray, right: np.ndarray, outside: np.ndarray, reject: float = REJECTED
) -> float:
    """The highest threshold that costs at most a share `reject` of the rightly recognised texts.

    inside float [n] with right bool [n], outside float [m]. Where that is empty nothing says how
    strangers look, and the threshold is at most .5: below it no intent is likelier than not.
    -inf where no text is right.
    """
    sure = np.sort(inside[right])
    if not len(sure):
        return float("-inf")
    allowed = int(reject * len(sure))
    top = float(sure[min(allowed, len(sure) - 1)])
    if not len(outside):
        return min(top, 0.5)
    stranger = outside[outside < top]
    # as low as refuses the same strangers: halfway between the last of them and the next text
    return top if not len(stranger) else float((stranger.max() + top) / 2)
