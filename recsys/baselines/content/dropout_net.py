"""A network that reads factors and content, and must do without the factors half of the time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from torch import Tensor, nn

from kg.events import EventLog
from kg.sequences import Sequences
from models.device import drawing
from recsys.baselines.base import training_matrix
from recsys.baselines.content.base import Factors, check
from recsys.baselines.content.learning import Transformed, learn, unit_scale

USERS, ITEMS = 256, 512
"""A step compares so many people with so many items they touched and as many drawn ones."""


class DropoutNetwork(nn.Module):
    """f_U(w) and f_V(h, content), a hidden layer each: [U, D] and [I, D]."""

    def __init__(self, dim: int, content: int, hidden: int) -> None:
        super().__init__()
        self.user = nn.Sequential(nn.Linear(dim, hidden), nn.Tanh(), nn.Linear(hidden, dim))
        self.item = nn.Sequential(
            nn.Linear(dim + content, hidden), nn.Tanh(), nn.Linear(hidden, dim)
        )


@dataclass(frozen=True, eq=False)
class DropoutNet(Transformed):
    """score = f_U(w) · f_V(h_j, c_j), w and h factors of iALS, c the content; h = 0 for new items.

    Trained to give the scores of the factorisation, mean of (f_U · f_V - w · h)², with h = 0 for a
    drawn half of the items of each step (`dropout`). Volkovs, Yu and Poutanen, DropoutNet:
    addressing cold start in recommender systems, NeurIPS 2017. People are never cold here, so
    theirs are not dropped.
    """

    name: str = "DropoutNet"

    @classmethod
    def fit(
        cls, content: np.ndarray, log: EventLog, rng: np.random.Generator, *, dim: int = 64,
        regularisation: float = 0.003, hidden: int = 256, dropout: float = 0.5,
        steps: int = 1500, rate: float = 1e-3,
    ) -> DropoutNet:  # fmt: skip
        told = check("DropoutNet", content, log)
        content = unit_scale(content, told)
        factors = Factors.fit(log, rng, dim, regularisation)
        with drawing(int(rng.integers(2**31))):
            network = DropoutNetwork(dim, content.shape[1], hidden)
        known = factors.model.known
        losses = _losses(network, factors, content[known], training_matrix(log), dropout, rng)
        learn(network, losses, rng, steps=steps, rate=rate)
        own = np.zeros((len(content), dim), np.float32)
        own[known] = factors.items / factors.scale
        with torch.inference_mode():
            items = network.item(torch.from_numpy(np.hstack([own, content]))).numpy()
        counts = log.item_counts()
        return cls(factors, network, items, told | (counts > 0), counts)


def _losses(
    network: DropoutNetwork, factors: Factors, content: np.ndarray, log: sparse.csr_matrix,
    dropout: float, rng: np.random.Generator,
) -> Iterator[Tensor]:  # fmt: skip
    touched = log[:, factors.model.known]
    touched = touched[touched.getnnz(axis=1) > 0]
    users = factors.users(_rows(touched, len(factors.model.popularity), factors.model.known))[0]
    while True:
        some = rng.choice(len(users), min(USERS, len(users)), replace=False)
        met = np.unique(touched[some].indices)
        item = np.concatenate([
            rng.choice(met, min(ITEMS, len(met)), replace=False),
            rng.integers(0, len(content), ITEMS),
        ])  # fmt: skip
        wanted = torch.from_numpy(users[some] @ factors.items[item].T)
        own = torch.from_numpy(factors.items[item] / factors.scale)
        own = own * torch.from_numpy(rng.random(len(item)) >= dropout)[:, None]
        asked = network.user(torch.from_numpy(users[some] / factors.scale))
        found = network.item(torch.cat([own, torch.from_numpy(content[item])], 1))
        yield (asked @ found.T - wanted).square().mean()


def _rows(touched: sparse.csr_matrix, num_items: int, known: np.ndarray) -> Sequences:
    """The rows [U, M] as histories over all items."""
    item = known[touched.indices]
    return Sequences(touched.indptr.astype(np.int64), item, np.zeros_like(item), None, num_items)
