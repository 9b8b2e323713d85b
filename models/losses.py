"""Losses as pure functions; each docstring has the formula that is really computed."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.repeat import Repeats
from models.segments import segment_logsumexp


def full_softmax(
    query: Tensor,
    items: Tensor,
    positive: Tensor,
    allowed: Tensor,
    repeats: Repeats | None = None,
    weight: Tensor | None = None,
    row: Tensor | None = None,
) -> Tensor:
    """Mean over K of -log( exp(s+) / Σ_{j allowed} exp(s_j) ), s_j = q·v_j + b_j.

    query [P, D], items [N, D], positive int64 [K] of the queries `row` int64 [K] (None: K = P, one
    each), allowed bool [N] (cold items are no negatives). b are those of `repeats`, 0 for all other
    items. With `weight` [K] it is the weighted mean.
    """
    row = torch.arange(len(query), device=query.device) if row is None else row
    scores = (query @ items.T).float()  # [P, N]
    if repeats is not None:
        at = (repeats.row, repeats.item)
        scores = scores.index_put(at, repeats.bonus, accumulate=True)
    scores = scores.masked_fill(~allowed, -math.inf)
    return mean(scores.logsumexp(1)[row] - scores[row, positive], weight)


def mean(loss: Tensor, weight: Tensor | None = None) -> Tensor:
    """Σ w_k l_k / Σ w_k over K; 0 where all weights are."""
    if weight is None:
        return loss.mean()
    return (loss * weight).sum() / weight.sum().clamp(min=1e-6)


def draw(count: int, total: int, rng: np.random.Generator) -> Tensor:
    """int64 [min(count, total)]: different numbers below `total`, drawn evenly."""
    return torch.from_numpy(rng.choice(total, min(count, total), replace=False))


def sampled_softmax(
    query: Tensor,
    items: Tensor,
    positive: Tensor,
    negative: Tensor,
    num_allowed: int,
    repeats: Repeats | None = None,
    weight: Tensor | None = None,
    row: Tensor | None = None,
) -> Tensor:
    """`full_softmax` with the sum over the allowed items estimated from a sample of them.

    negative int64 [S], S different items, is shared by the batch. What a row is known to need, its
    positives and the items of its `repeats`, stands in the sum by itself; all others for N / S of
    them each, N = `num_allowed` (scaled cross-entropy; Xu et al. 2024, arXiv:2402.06216). So the
    estimate of the sum has no bias, and with all allowed items as the sample it is the sum.
    """
    row = torch.arange(len(query), device=query.device) if row is None else row
    size = len(items)
    key = row * size + positive  # int64 [K]
    bonus = query.new_zeros(len(key), dtype=torch.float32)
    if repeats is not None:
        key = torch.cat([key, repeats.row * size + repeats.item])
        bonus = torch.cat([bonus, repeats.bonus.float()])
    known, at = torch.unique(key, return_inverse=True)  # [Q] pairs
    own, item = known // size, known % size
    score = (query[own] * items[item]).sum(-1).float().index_add(0, at, bonus)  # [Q]

    column = negative.new_full((size,), -1)
    column[negative] = torch.arange(len(negative), device=negative.device)
    drawn = column[item] >= 0
    bad = (query @ items[negative].T).float() + math.log(num_allowed / len(negative))  # [P, S]
    hidden = bad.new_full((int(drawn.sum()),), -1e9)  # not -inf: a row may have nothing else
    bad = bad.index_put((own[drawn], column[item[drawn]]), hidden)
    total = torch.logaddexp(bad.logsumexp(1), segment_logsumexp(score, own, len(query)))  # [P]
    return mean(total[row] - score[at[: len(row)]], weight)


def multi_label(logits: Tensor, target: Tensor) -> Tensor:
    """Mean binary cross-entropy over [n, L] logits and 0/1 targets."""
    return F.binary_cross_entropy_with_logits(logits, target)
