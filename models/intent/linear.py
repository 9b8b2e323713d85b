"""One linear layer fitted to the end: softmax or sigmoid regression with a ridge."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

STRENGTHS = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
"""What `choose_strength` tries."""
MIDDLE = 10.0
"""Of the strengths, where nothing can be tried."""


def classification_loss(
    logits: Tensor, target: Tensor, many: bool, weight: Tensor | None = None, smoothing: float = 0.0
) -> Tensor:
    """float [n]: what each row loses, for 0/1 or soft targets float [n, L].

    One label: -Σ_l w_l t_l log softmax(z)_l, with (1 - ε) t + ε / L for t where ε = `smoothing`.
    Several: mean_l w_l BCE(z_l, t_l). `weight` float [L] is 1 unless given.
    """
    if many:
        loss = F.binary_cross_entropy_with_logits(logits, target, reduction="none")
        return (loss if weight is None else loss * weight).mean(1)
    if smoothing:
        target = (1 - smoothing) * target + smoothing / target.shape[1]
    loss = -target * logits.log_softmax(1)
    return (loss if weight is None else loss * weight).sum(1)


def balanced_weights(carries: np.ndarray) -> np.ndarray:
    """float32 [L]: n / (L n_l), as scikit-learn's "balanced"; 1 for a label that nobody carries."""
    count = carries.sum(axis=0)
    share = len(carries) / (carries.shape[1] * np.maximum(count, 1))
    return np.where(count > 0, share, 1.0).astype(np.float32)


def fit_linear(
    x: np.ndarray,
    carries: np.ndarray,
    many: bool,
    strength: float = MIDDLE,
    *,
    weight: np.ndarray | None = None,
    mask: np.ndarray | None = None,
    start: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """W float32 [L, D] and b [L] that minimise Σ_rows loss + |W|² / (2 strength), by L-BFGS.

    `x` float32 [n, D], `carries` bool [n, L]; where `many` the loss sums over the labels. `mask`
    bool [L, D] says which entries of W may differ from 0; `start` is a W and b to begin with.
    """
    rows, target = torch.from_numpy(x), torch.from_numpy(carries.astype(np.float32))
    labels, width = target.shape[1], rows.shape[1]
    first = start or (np.zeros((labels, width), "f4"), np.zeros(labels, "f4"))
    w, b = (torch.from_numpy(part.copy()).requires_grad_() for part in first)
    allowed = None if mask is None else torch.from_numpy(mask.astype(np.float32))
    each = None if weight is None else torch.from_numpy(weight)
    scale = labels if many else 1
    optimiser = torch.optim.LBFGS(
        [w, b], max_iter=200, history_size=10, tolerance_grad=1e-6, tolerance_change=1e-6,
        line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure() -> Tensor:
        optimiser.zero_grad()
        used = w if allowed is None else w * allowed
        loss = scale * classification_loss(rows @ used.T + b, target, many, each).sum()
        total = (loss + used.square().sum() / (2 * strength)) / len(rows)
        total.backward()
        return total

    optimiser.step(closure)
    found = w.detach() if allowed is None else w.detach() * allowed
    return found.numpy(), b.detach().numpy()


def loss_of(w: np.ndarray, b: np.ndarray, x: np.ndarray, carries: np.ndarray, many: bool) -> float:
    """The mean `classification_loss` of W x + b on rows x [n, D] that carry bool [n, L]."""
    logits, target = torch.from_numpy(x @ w.T + b), torch.from_numpy(carries.astype(np.float32))
    return classification_loss(logits, target, many).mean().item()


def choose_strength(
    x: np.ndarray, carries: np.ndarray, many: bool, held: np.ndarray,
    weight: np.ndarray | None = None, mask: np.ndarray | None = None,
) -> float:  # fmt: skip
    """The one of `STRENGTHS` with the lowest loss on the rows `held` bool [n], fitted to the rest,
    from the lowest up to where the loss rises; `MIDDLE` where no row is held out.
    """
    if not held.any() or held.all():
        return MIDDLE
    start, best, least = None, MIDDLE, float("inf")
    for strength in STRENGTHS:
        start = fit_linear(
            x[~held], carries[~held], many, strength, weight=weight, mask=mask, start=start
        )
        now = loss_of(*start, x[held], carries[held], many)
        if now >= least:
            break
        best, least = strength, now
    return best
