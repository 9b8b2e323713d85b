"""Labels that a classifier is sure of, for texts that nobody labelled: self-training."""

from __future__ import annotations

import numpy as np

from models.intent.contract import one_hot


def shares(rounds: int) -> list[float]:
    """Of the unlabelled texts what share is believed, round by round: .4 at first, .9 at last."""
    return [0.9] if rounds == 1 else np.linspace(0.4, 0.9, rounds).tolist()


def sure_labels(
    p: np.ndarray, many: bool, share: float = 0.9, gate: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Rows int64 [m] of calibrated probabilities p [n, L], and what they carry, bool [m, L].

    The surest `share` of the rows, as far as they are at least `gate` sure: of their most probable
    label, or, where a text may have several, of each yes and each no; one yes there must be.
    Pseudo-labels: Lee 2013; by a share that grows: Cascante-Bonilla et al. 2021, "Curriculum
    labeling", arXiv:2001.06001.
    """
    meant = p >= 0.5 if many else one_hot(p.argmax(axis=1), p.shape[1])
    sure = np.maximum(p, 1 - p).min(axis=1) if many else p.max(axis=1)
    able = np.flatnonzero(meant.any(axis=1) & (sure >= gate))
    most = round(share * len(p))
    rows = np.sort(able[np.argsort(-sure[able], kind="stable")[:most]])
    return rows, meant[rows]
