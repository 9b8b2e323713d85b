"""What a step of a text classifier minimises: the labels, and what may stand beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kg.errors import UsageError
from models.intent.adversarial import fgm, free_lb, pgd
from models.intent.linear import balanced_weights, classification_loss
from models.intent.settings import TextTraining

Step = Callable[[Tensor, Tensor, Tensor, float], float]
"""(ids [B, W], mask [B, W], target [B, L], scale): adds scale times the gradients; the loss."""


class TextNetwork(Protocol):
    """What learns by a `Step`: token ids to vectors, vectors to logits."""

    def vector(self, ids: Tensor, mask: Tensor) -> Tensor:
        """[B, D] of ids [B, W] and mask bool [B, W]."""

    def logits(self, vector: Tensor) -> Tensor:
        """[B, L], with dropout while training."""

    def words(self) -> nn.Embedding:
        """The embedding of the tokens."""


def make_step(
    network: TextNetwork, carries: np.ndarray, many: bool, config: TextTraining,
    rng: np.random.Generator, penalty: Callable[[], Tensor | None] = lambda: None,
) -> Step:  # fmt: skip
    """The step that the settings ask for; `carries` [n, L] are the labels of all that is learned.

    `penalty` is added to every loss. Raises `UsageError` for a contrast of texts with several
    labels each.
    """
    if many and config.contrast:
        raise UsageError("'contrast' needs texts of one label each. Got texts of several: set 0.")
    weight = torch.from_numpy(balanced_weights(carries)) if config.class_weights else None

    def labelled(logits: Tensor, target: Tensor) -> Tensor:
        each = None if weight is None else weight.to(logits.device)
        return classification_loss(logits, target, many, each, config.smoothing).mean()

    def loss(ids: Tensor, mask: Tensor, target: Tensor) -> Tensor:
        vector = network.vector(ids, mask)
        if config.mixup:
            vector, target = mixed_up(vector, target, config.mixup, rng)
        logits = network.logits(vector)
        total = labelled(logits, target)
        if config.consistency or config.contrast:
            other = network.vector(ids, mask)  # another draw of the dropout
            again = network.logits(other)
            total = (total + labelled(again, target)) / 2
            total = total + config.consistency * disagreement(logits, again, many)
            if config.contrast:
                views = torch.cat([vector, other])
                total = total + config.contrast * contrast(views, torch.cat([target, target]))
        extra = penalty()
        return total if extra is None else total + extra

    def step(ids: Tensor, mask: Tensor, target: Tensor, scale: float) -> float:
        def scaled() -> Tensor:
            return scale * loss(ids, mask, target)

        epsilon, kind = config.epsilon, config.adversarial
        if kind == "freelb":
            found = free_lb(network.words(), scaled, mask, rng, epsilon, epsilon / 3)
            return found.item() / scale
        clean = scaled()
        clean.backward()
        if kind == "fgm":
            fgm(network.words(), scaled, mask, epsilon)
        elif kind == "pgd":
            pgd(network.words(), scaled, mask, epsilon, epsilon / 3)
        return clean.item() / scale

    return step


def disagreement(one: Tensor, other: Tensor, many: bool) -> Tensor:
    """(KL(p | q) + KL(q | p)) / 2 of two readings of the same texts, logits [B, L], the mean over
    texts; where `many` over each label's yes and no, the mean over labels.

    R-Drop, Wu et al. 2021, arXiv:2106.14448.
    """
    if many:
        gap = (one.sigmoid() - other.sigmoid()) * (one - other)  # KL + KL of two Bernoullis
        return gap.mean() / 2
    gap = (one.softmax(1) - other.softmax(1)) * (one.log_softmax(1) - other.log_softmax(1))
    return gap.sum(1).mean() / 2


def contrast(vectors: Tensor, target: Tensor, temperature: float = 0.1) -> Tensor:
    """-mean_i mean_{j ∈ P(i)} log( exp(v_i·v_j / τ) / Σ_{k ≠ i} exp(v_i·v_k / τ) ), v of length 1.

    vectors [B, D], target 0/1 [B, L]; P(i) are the others of the same label; rows without any are
    left out. Supervised contrastive loss, Khosla et al. 2020, arXiv:2004.11362.
    """
    unit = F.normalize(vectors, dim=1)
    alike = unit @ unit.T / temperature
    alone = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    log_p = alike - alike.masked_fill(alone, -torch.inf).logsumexp(1, keepdim=True)
    same = ((target @ target.T) > 0) & ~alone
    count = same.sum(1)
    each = (log_p * same).sum(1)[count > 0] / count[count > 0]
    return -each.mean() if len(each) else vectors.sum() * 0


def mixed_up(
    vector: Tensor, target: Tensor, alpha: float, rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """λ x_i + (1 - λ) x_π(i) of vectors [B, D] and targets [B, L], λ ~ Beta(α, α) a row.

    Zhang et al. 2018, arXiv:1710.09412, in the vectors that the head reads.
    """
    share = torch.from_numpy(rng.beta(alpha, alpha, (len(vector), 1))).to(vector)
    other = torch.from_numpy(rng.permutation(len(vector))).to(vector.device)
    return (
        share * vector + (1 - share) * vector[other],
        share * target + (1 - share) * target[other],
    )
