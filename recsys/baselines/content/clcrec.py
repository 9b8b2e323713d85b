"""Contrast: an item's id with its content, and a person with items of which half are content."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kg.events import EventLog
from kg.sequences import Sequences
from models.device import drawing
from recsys.baselines.content.base import check, scored
from recsys.baselines.content.learning import learn, unit_scale
from recsys.baselines.learned.fitting import TrainedItems
from recsys.baselines.learned.pairs import Pairs, history_sum

PAIRS, NEGATIVES = 1024, 512
"""A step learns from about so many pairs, against so many drawn items that they share."""


class CLCNetwork(nn.Module):
    """p [M, D], how an item speaks in a history; q [M, D], its id; e(content) [I, D]."""

    def __init__(self, items: int, dim: int, content: int) -> None:
        super().__init__()
        self.source = nn.Parameter(torch.randn(items, dim) * dim**-0.5)
        self.target = nn.Parameter(torch.randn(items, dim) * dim**-0.5)
        self.content = nn.Sequential(nn.Linear(content, 256), nn.LeakyReLU(), nn.Linear(256, dim))


@dataclass(frozen=True, eq=False)
class CLCRec:
    """score_j = u · q_j, or u · e(c_j) for a new item; u = Σ p_i / |H|^.5 over the history.

    Trained by share · L1 + (1 - share) · L2. L1: the cosine of q_i and e(c_i) against those of q_i
    and e of drawn items; L2: u · x_i against u · x of drawn items, where x is e(c) for a drawn half
    of them and q for the others; both -log softmax of scores / temperature. Wei et al., Contrastive
    learning for cold-start recommendation, ACM MM 2021. Their free vector per person could not
    score a history, so a person is a history without i (as in `BPRMF`); drawn items are shared by
    a step. Items without events and content are -inf; a history without a known item is scored by
    popularity. items: float32 [N, D].
    """

    known: TrainedItems
    network: CLCNetwork
    items: np.ndarray
    told: np.ndarray
    counts: np.ndarray
    name: str = "CLCRec"

    @classmethod
    def fit(
        cls, content: np.ndarray, log: EventLog, rng: np.random.Generator, *, dim: int = 64,
        share: float = 0.5, temperature: float = 0.2, steps: int = 2000, rate: float = 1e-3,
        decay: float = 0.01,
    ) -> CLCRec:  # fmt: skip
        told = check("CLCRec", content, log)
        content = unit_scale(content, told)
        known = TrainedItems.of(log)
        with drawing(int(rng.integers(2**31))):
            network = CLCNetwork(len(known), dim, content.shape[1])
        pairs = Pairs.of(known.encode(Sequences.of(log)))
        at = known.known
        losses = _losses(network, pairs, content[at], told[at], share, temperature, rng)
        learn(network, losses, rng, steps=steps, rate=rate, decay=decay)
        with torch.inference_mode():
            items = network.content(torch.from_numpy(content))
            items[torch.from_numpy(at)] = network.target
        counts = log.item_counts()
        return cls(known, network, items.numpy(), told | (counts > 0), counts)

    @torch.inference_mode()
    def scores(self, histories: Sequences) -> np.ndarray:
        """float32 [U, N]."""
        own = self.known.encode(histories)
        user = history_sum(own, self.network.source, 0.5).numpy()
        return scored(user, self.items, self.told, own.lengths == 0, self.counts)


def _losses(
    network: CLCNetwork, pairs: Pairs, content: np.ndarray, told: np.ndarray, share: float,
    temperature: float, rng: np.random.Generator,
) -> Iterator[Tensor]:  # fmt: skip
    text, has = torch.from_numpy(content), torch.from_numpy(told)
    while (pairs.counts >= 2).any():
        for held in pairs.held_out(PAIRS, rng):
            drawn = torch.from_numpy(rng.integers(0, pairs.num_items, NEGATIVES))
            item = torch.cat([held.item, drawn])
            written, ids = network.content(text[item]), network.target[item]
            half = torch.from_numpy(rng.random(len(item)) < 0.5) & has[item]
            user = held.others(network.source, 0.5)
            first = len(held.item)
            same = held.item[:, None] == drawn
            alike = _contrast(F.normalize(ids[:first], dim=1), F.normalize(written, dim=1), same,
                              temperature)  # fmt: skip
            liked = _contrast(user, torch.where(half[:, None], written, ids), same, temperature)
            there = has[held.item]
            yield share * (alike * there).mean() + (1 - share) * liked.mean()


def _contrast(anchor: Tensor, items: Tensor, same: Tensor, temperature: float) -> Tensor:
    """[P]: -log softmax of anchor [P, D] · its own item, the first P of `items`, against all the
    later ones, without those that are the `same` (bool [P, K]).
    """
    own = (anchor * items[: len(anchor)]).sum(1, keepdim=True) / temperature
    others = (anchor @ items[len(anchor) :].T / temperature).masked_fill(same, -torch.inf)
    return torch.cat([own, others], 1).logsumexp(1) - own[:, 0]
