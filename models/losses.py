"""Losses as pure functions; each docstring has the formula that is really computed."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def full_softmax(
    query: Tensor,
    items: Tensor,
    positive: Tensor,
    allowed: Tensor,
    repeats: tuple[Tensor, ...] | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """Mean over P of -log( exp(s+) / Σ_{j allowed} exp(s_j) ), s_j = q·v_j + b_j.

    query [P, D], items [N, D], positive int64 [P], allowed bool [N] (cold items are no negatives).
    `repeats` are the items of each row's history, int64 [P, L] (-1: none), and their b [P, L];
    b is 0 for all other items. With `weight` [P] it is the weighted mean.
    """
    scores = (query @ items.T).float()  # [P, N]
    if repeats is not None:
        own, bonus = repeats
        row, event = torch.nonzero(own >= 0, as_tuple=True)
        at = (row, own[row, event])
        scores = scores.index_put(at, bonus[row, event], accumulate=True)
    scores = scores.masked_fill(~allowed, -math.inf)
    if weight is None:
        return F.cross_entropy(scores, positive)
    return weighted_mean(F.cross_entropy(scores, positive, reduction="none"), weight)


def weighted_mean(loss: Tensor, weight: Tensor) -> Tensor:
    """Σ w_p l_p / Σ w_p over P; 0 where all weights are."""
    return (loss * weight).sum() / weight.sum().clamp(min=1e-6)


def sampled_softmax(
    query: Tensor,
    items: Tensor,
    positive: Tensor,
    negative: Tensor,
    num_allowed: int,
    repeats: tuple[Tensor, ...] | None = None,
    weight: Tensor | None = None,
) -> Tensor:
    """Mean over P of -log( exp(s+) / (exp(s+) + c Σ_k exp(s_k) + Σ_{own} exp(s_j)) ), s = q·v + b.

    negative int64 [K] is shared by the batch and drawn evenly; c = (num_allowed - 1) / K scales the
    sampled part of the partition sum up to the whole (scaled cross-entropy; Xu et al. 2024,
    arXiv:2402.06216). A negative that is the row's own positive is left out; since it may be
    drawn, the estimate is too small by the share 1 / num_allowed. `repeats` are the items of each
    row's history, int64 [P, L] (-1: none), their q·v [P, L] and b [P, L]: they stand beside the
    sample, each once, and b is 0 for all others; one that is drawn too counts twice. With
    `weight` [P] it is the weighted mean.
    """
    shift = math.log(max(num_allowed - 1, 1) / len(negative))  # taken from all but the sample
    good = (query * items[positive]).sum(-1, keepdim=True) - shift  # [P, 1]
    bad = (query @ items[negative].T).float()  # [P, K]
    bad = bad.masked_fill_(positive[:, None] == negative[None], -math.inf)
    parts = [good, bad]
    if repeats is not None:
        own, score, bonus = repeats
        again = own == positive[:, None]  # [P, L], at most one a row
        good = good + (bonus * again).sum(-1, keepdim=True)
        beside = (score + bonus - shift).masked_fill(again | (own < 0), -math.inf)
        parts = [good, bad, beside]
    first = torch.zeros_like(positive)
    loss = F.cross_entropy(torch.cat(parts, 1), first, reduction="none")  # [P]
    return loss.mean() if weight is None else weighted_mean(loss, weight)


def multi_label(logits: Tensor, target: Tensor) -> Tensor:
    """Mean binary cross-entropy over [n, L] logits and 0/1 targets."""
    return F.binary_cross_entropy_with_logits(logits, target)
