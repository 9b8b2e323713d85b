"""What a step of a text classifier minimises: the labels, and what may stand beside them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

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
        """float32 [B, D] of ids [B, W] and mask bool [B, W]."""

    def logits(self, vector: Tensor) -> Tensor:
        """float32 [B, L], also under autocast; with dropout while training."""

    def words(self) -> nn.Embedding:
        """The embedding of the tokens."""


def make_step(
    network: TextNetwork, carries: np.ndarray, many: bool, config: TextTraining,
    rng: np.random.Generator, penalty: Callable[[], Tensor | None] = lambda: None,
) -> Step:  # fmt: skip
    """The step that the settings ask for; `carries` [n, L] are the labels of all that is learned.

    `penalty` is added to every loss. The network may read in bfloat16 (autocast); all that is made
    of its logits and vectors is float32. All readings of a step mix the same texts. Raises
    `UsageError` for a contrast of texts with several labels each.
    """
    if many and config.contrast:
        raise UsageError("'contrast' needs texts of one label each. Got texts of several: set 0.")
    weight = torch.from_numpy(balanced_weights(carries)) if config.class_weights else None

    def labelled(logits: Tensor, target: Tensor) -> Tensor:
        each = None if weight is None else weight.to(logits.device)
        return classification_loss(logits, target, many, each, config.smoothing).mean()

    twice = bool(config.consistency or config.contrast)

    def loss(ids: Tensor, mask: Tensor, target: Tensor, mix: Mixture | None) -> Tensor:
        def read() -> tuple[Tensor, Tensor]:
            vector = network.vector(ids, mask)
            return vector, network.logits(vector if mix is None else mix(vector))

        vector, logits = read()
        again = read() if twice else None  # another draw of the dropout
        with torch.autocast(ids.device.type, enabled=False):
            wanted = target if mix is None else mix(target)
            total = labelled(logits, wanted)
            if again is not None:
                total = (total + labelled(again[1], wanted)) / 2
                total = total + config.consistency * disagreement(logits, again[1], many)
            if again is not None and config.contrast:  # of the texts as they are, unmixed
                views = torch.cat([vector, again[0]])
                total = total + config.contrast * contrast(views, torch.cat([target, target]))
            extra = penalty()
            return total if extra is None else total + extra

    def step(ids: Tensor, mask: Tensor, target: Tensor, scale: float) -> float:
        mix = Mixture.drawn(target, config.mixup, rng) if config.mixup else None

        def scaled() -> Tensor:
            return scale * loss(ids, mask, target, mix)

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


@dataclass(frozen=True)
class Mixture:
    """λ x_i + (1 - λ) x_π(i) of rows x [B, …], λ ~ Beta(α, α) a row: `share` float32 [B, 1] and
    `other` int64 [B].

    Zhang et al. 2018, arXiv:1710.09412, in the vectors that the head reads and their targets.
    """

    share: Tensor
    other: Tensor

    @classmethod
    def drawn(cls, rows: Tensor, alpha: float, rng: np.random.Generator) -> Self:
        """For so many rows as these, where they are."""
        share = torch.from_numpy(rng.beta(alpha, alpha, (len(rows), 1)).astype(np.float32))
        other = torch.from_numpy(rng.permutation(len(rows)))
        return cls(share.to(rows.device), other.to(rows.device))

    def __call__(self, rows: Tensor) -> Tensor:
        return self.share * rows + (1 - self.share) * rows[self.other]
