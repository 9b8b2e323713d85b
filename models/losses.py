"""Losses as pure functions; each docstring has the formula that is really computed."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def full_softmax(query: Tensor, items: Tensor, positive: Tensor, allowed: Tensor) -> Tensor:
    """Mean over P of -log( exp(q·v+) / Σ_{j allowed} exp(q·v_j) ).

    query [P, D], items [N, D], positive int64 [P], allowed bool [N] (cold items are no negatives).
    """
    scores = query @ items.T  # [P, N]
    return F.cross_entropy(scores.masked_fill(~allowed, -math.inf), positive)


def sampled_softmax(
    query: Tensor, items: Tensor, positive: Tensor, negative: Tensor, num_allowed: int
) -> Tensor:
    """Mean over P of -log( exp(s+) / (exp(s+) + c Σ_k exp(s_k)) ), s = q·v.

    negative int64 [K] is shared by the batch and drawn evenly; c = (num_allowed - 1) / K scales the
    sampled part of the partition sum up to the whole (scaled cross-entropy; Xu et al. 2024,
    arXiv:2402.06216). A negative that is the row's own positive is left out; since it may be
    drawn, the estimate is too small by the share 1 / num_allowed.
    """
    good = (query * items[positive]).sum(-1, keepdim=True)  # [P, 1]
    bad = query @ items[negative].T  # [P, K]
    bad = bad + math.log(max(num_allowed - 1, 1) / len(negative))
    bad = bad.masked_fill(positive[:, None] == negative[None], -math.inf)
    return (torch.logsumexp(torch.cat([good, bad], 1), 1) - good.squeeze(1)).mean()


def multi_label(logits: Tensor, target: Tensor) -> Tensor:
    """Mean binary cross-entropy over [n, L] logits and 0/1 targets."""
    return F.binary_cross_entropy_with_logits(logits, target)
