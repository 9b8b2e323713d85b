"""From logits to probabilities that mean what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, log_softmax, softmax

from models.text.encoder import Vectors

SMALLEST, LARGEST = np.exp(-7.0), np.exp(7.0)
"""A scale lies between these."""


@dataclass(frozen=True)
class Calibration:
    """p = softmax(scale · z), or where `many` p = sigmoid(scale · z + shift), one pair for all
    labels, so that rare labels are not fitted to noise.

    Temperature scaling (Guo et al. 2017, arXiv:1706.04599, scale = 1/T) and Platt 1999.
    """

    many: bool
    scale: float = 1.0
    shift: float = 0.0

    def probabilities(self, logits: np.ndarray) -> Vectors:
        """float32 [n, L]."""
        z = self.scale * logits.astype(np.float64) + self.shift
        return (expit(z) if self.many else softmax(z, axis=1)).astype(np.float32)


def calibrated(logits: np.ndarray, carries: np.ndarray, many: bool) -> Calibration:
    """Of the lowest log loss on rows that nothing was fitted to; 1 and 0 without rows.

    logits [n, L], carries bool [n, L]; see `best_scales`.
    """
    (scale,), shift = best_scales([logits], carries, many)
    return Calibration(many, scale, shift)


def best_scales(
    logits: Sequence[np.ndarray], carries: np.ndarray, many: bool
) -> tuple[list[float], float]:
    """The positive a_m and, where `many`, the b of the lowest log loss of Σ_m a_m z_m + b.

    Each z_m is [n, L], carries bool [n, L]; rows that carry nothing are left out unless `many`, and
    without a row all a_m are 1. What is true counts 1 - e and what is not e (shared by all others
    of one label), e = 1 / (n + 2), as in Platt's targets: n rows that are all right do not make it
    sure. Several m: a logarithmic opinion pool (Genest & Zidek 1986).
    """
    told = np.ones(len(carries), bool) if many else carries.any(axis=1)
    z, y = np.stack(logits)[:, told].astype(np.float64), carries[told]  # [M, n, L]
    parts = len(z)
    if not len(y):
        return [1.0] * parts, 0.0
    doubt = 1 / (len(y) + 2)
    target = np.where(y, 1 - doubt, doubt if many else doubt / max(y.shape[1] - 1, 1))
    rows = y.size if many else len(y)

    def loss(p: np.ndarray) -> tuple[float, np.ndarray]:
        scaled = np.tensordot(p[:parts], z, 1) + (p[parts] if many else 0.0)
        if many:
            value = (np.logaddexp(0.0, scaled) - target * scaled).sum()
            wrong = expit(scaled) - target
        else:
            log_p = log_softmax(scaled, axis=1)
            value = -(target * log_p).sum()
            wrong = np.exp(log_p) - target
        slope = np.tensordot(z, wrong, 2)
        return value / rows, np.append(slope, wrong.sum() if many else []) / rows

    bounds = [(SMALLEST, LARGEST)] * parts + [(None, None)] * many
    from scipy.optimize import minimize  # half a second that answering does not need

    found = minimize(loss, [1.0] * parts + [0.0] * many, jac=True, bounds=bounds).x.tolist()
    return found[:parts], found[parts] if many else 0.0
