"""Labels that a classifier is sure of, for texts that nobody labelled: self-training."""

from __future__ import annotations

import numpy as np

from models.intent.contract import one_hot


def sure_labels(p: np.ndarray, many: bool, gate: float = 0.9) -> tuple[np.ndarray, np.ndarray]:
    """Rows int64 [m] of calibrated probabilities p [n, L], and what they carry, bool [m, L].

    One label: the largest is at least `gate`; of each label the surest, at most twice as many as
    labels have on average, so that an easy label does not drown the others. Several: every label is
    sure, at least `gate` or at most 1 - `gate`, and one is meant. Pseudo-labels with a gate: Lee
    2013; Sohn et al. 2020, "FixMatch", arXiv:2001.07685.
    """
    if many:
        meant = p >= gate
        rows = np.flatnonzero((meant | (p <= 1 - gate)).all(axis=1) & meant.any(axis=1))
        return rows, meant[rows]
    label, surest = p.argmax(axis=1), p.max(axis=1)
    able = np.flatnonzero(surest >= gate)
    most = -(-2 * len(able) // p.shape[1])
    order = able[np.lexsort((able, -surest[able], label[able]))]
    place = np.arange(len(order)) - np.searchsorted(label[order], label[order], side="left")
    rows = np.sort(order[place < most])
    return rows, one_hot(label[rows], p.shape[1])
