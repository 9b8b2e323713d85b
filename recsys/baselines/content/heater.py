"""Content becomes factors by a mixture of experts, and is taken in place of them at random."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from kg.events import EventLog
from kg.sequences import Sequences
from models.device import drawing
from recsys.baselines.content.base import Factors, check
from recsys.baselines.content.learning import Transformed, learn, unit_scale
from recsys.baselines.learned.pairs import Pairs

PAIRS, NEGATIVES = 512, 5
"""A step learns from so many pairs, and as many times that of items not touched."""


class HeaterNetwork(nn.Module):
    """e(content) [I, D] by K experts and a gate; f_U and f_V, a hidden layer each."""

    def __init__(self, dim: int, content: int, experts: int) -> None:
        super().__init__()
        self.dim, self.experts = dim, experts
        self.gate = nn.Linear(content, experts)
        self.expert = nn.Linear(content, experts * dim)
        self.user = nn.Sequential(nn.Linear(dim, dim), nn.Tanh(), nn.Linear(dim, dim))
        self.item = nn.Sequential(nn.Linear(dim, dim), nn.Tanh(), nn.Linear(dim, dim))

    def expected(self, content: Tensor) -> Tensor:
        """sum over k of tanh(gate_k) expert_k, [I, D]."""
        each = self.expert(content).view(-1, self.experts, self.dim)
        return (torch.tanh(self.gate(content))[:, :, None] * each).sum(1)


@dataclass(frozen=True, eq=False)
class Heater(Transformed):
    """score = f_U(w) · f_V(h_j), w and h factors of iALS; a new item has e(c_j) in place of h_j.

    Trained on pairs of the log (1) and drawn items that the person did not touch (0): mean of
    (f_U · f_V - r)², where a drawn share `swap` of the items enters as e(c), plus `alpha` times
    the mean of |e(c) - h|² over their width. Zhu et al., Recommendation for new users and new items
    via randomized training and mixture-of-experts transformation, SIGIR 2020. The factors are
    scaled to a deviation of 1 here, so no tanh stands behind the mixture; no batch normalisation.
    """

    name: str = "Heater"

    @classmethod
    def fit(
        cls, content: np.ndarray, log: EventLog, rng: np.random.Generator, *, dim: int = 64,
        regularisation: float = 0.003, experts: int = 5, swap: float = 0.5, alpha: float = 0.1,
        steps: int = 1500, rate: float = 1e-3, decay: float = 1e-4,
    ) -> Heater:  # fmt: skip
        told = check("Heater", content, log)
        content = unit_scale(content, told)
        factors = Factors.fit(log, rng, dim, regularisation)
        with drawing(int(rng.integers(2**31))):
            network = HeaterNetwork(dim, content.shape[1], experts)
        known = factors.model.known
        losses = _losses(network, factors, content[known], told[known], log, swap, alpha, rng)
        learn(network, losses, rng, steps=steps, rate=rate, decay=decay)
        with torch.inference_mode():
            mixed = network.expected(torch.from_numpy(content))
            mixed[torch.from_numpy(known)] = torch.from_numpy(factors.items / factors.scale)
            items = network.item(mixed).numpy()
        counts = log.item_counts()
        return cls(factors, network, items, told | (counts > 0), counts)


def _losses(
    network: HeaterNetwork, factors: Factors, content: np.ndarray, told: np.ndarray,
    log: EventLog, swap: float, alpha: float, rng: np.random.Generator,
) -> Iterator[Tensor]:  # fmt: skip
    histories, known = Sequences.of(log), factors.model.known
    code = np.zeros(len(log.items), np.int64)
    code[known] = np.arange(len(known))
    users = torch.from_numpy(factors.users(histories)[0] / factors.scale)
    own = torch.from_numpy(factors.items / factors.scale)
    text, has = torch.from_numpy(content), torch.from_numpy(told)
    pairs = Pairs.of(histories)
    pairs = Pairs(pairs.offsets, code[pairs.item], len(known))  # as ascending as they were
    who = pairs.user
    while True:
        at = rng.integers(0, len(who), PAIRS)
        user = np.tile(who[at], 1 + NEGATIVES)
        item = np.concatenate([pairs.item[at], pairs.negatives(user[PAIRS:], rng)])
        wanted = torch.zeros(len(user))
        wanted[:PAIRS] = 1
        rows = torch.from_numpy(item)
        mixed, there = network.expected(text[rows]), has[rows]
        taken = torch.from_numpy(rng.random(len(item)) < swap) & there
        asked = network.user(users[torch.from_numpy(user)])
        found = network.item(torch.where(taken[:, None], mixed, own[rows]))
        near = ((mixed - own[rows]).square().mean(1) * there).mean()
        yield ((asked * found).sum(1) - wanted).square().mean() + alpha * near
