"""From logits to probabilities that mean what they say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, log_softmax, softmax

from models.text.encoder import Vectors


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
    """The pair of the lowest log loss on rows that nothing was fitted to; 1 and 0 without rows.

    logits [n, L], carries bool [n, L]; rows that carry nothing are left out unless `many`. What is
    true counts 1 - e and what is not e (shared by all others of one label), e = 1 / (n + 2), as in
    Platt's targets: n rows that are all right do not make it sure.
    """
    told = np.ones(len(carries), bool) if many else carries.any(axis=1)
    z, y = logits[told].astype(np.float64), carries[told]
    if not len(z):
        return Calibration(many)

    doubt = 1 / (len(z) + 2)
    target = np.where(y, 1 - doubt, doubt if many else doubt / max(z.shape[1] - 1, 1))

    def loss(p: np.ndarray) -> float:
        scaled = np.exp(p[0]) * z
        if many:
            scaled = scaled + p[1]
            return float((np.logaddexp(0.0, scaled) - target * scaled).mean())
        return float(-(target * log_softmax(scaled, axis=1)).sum(axis=1).mean())

    found = minimize(loss, np.zeros(2 if many else 1), method="Nelder-Mead")
    scale = float(np.exp(np.clip(found.x[0], -7, 7)))
    return Calibration(many, scale, float(found.x[1]) if many else 0.0)
