"""Embeddings smoothed over the graph of who touched what, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Self

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse
from torch import Tensor, nn

from kg.events import EventLog
from kg.sequences import Sequences
from models.device import drawing
from models.gnn.adjacency import to_csr
from models.losses import draw, sampled_softmax
from recsys.baselines.learned.fitting import FitConfig, LearnedFromLog, Steps, TrainedItems
from recsys.baselines.learned.pairs import Pairs, bpr, history_sum

DEFAULTS = FitConfig(learning_rate=1e-3, batch=2048)


class LightGCNConfig(BaseModel):
    """Depth, loss and penalty."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    dim: int = Field(64, ge=1)
    layers: int = Field(3, ge=1)
    loss: Literal["bpr", "softmax"] = Field("bpr", description="softmax: over shared negatives.")
    negatives: int = Field(500, ge=1, description="Of the softmax, shared by a step.")
    l2: float = Field(1e-4, ge=0, description="On the layer-0 vectors of the pairs of a step.")
    user_vectors: bool = Field(True, description="Learned, as in the paper; else they are 0.")


class _Product(torch.autograd.Function):
    """A x with a constant sparse A whose transpose is at hand for the gradient."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, transposed: Tensor, x: Tensor) -> Tensor:
        ctx.transposed = transposed
        return torch.sparse.mm(matrix, x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, None, Tensor]:
        return None, None, torch.sparse.mm(ctx.transposed, grads[0].contiguous())


class LightGCNNetwork(nn.Module):
    """Layers 0 to K of all users [U, D] and items [M, D].

    user^(k+1) = R item^(k), item^(k+1) = Rᵀ user^(k), R_ui = 1 / sqrt(|N_u| |N_i|) at the pairs of
    the log: no weights, no activation, no self-loop. Users and items without pairs stay 0.
    """

    def __init__(self, matrix: sparse.csr_matrix, config: LightGCNConfig) -> None:
        super().__init__()
        self.depth = config.layers
        self.item = nn.Parameter(torch.randn(matrix.shape[1], config.dim) * 0.1)
        user = torch.zeros(matrix.shape[0], config.dim)
        learned = torch.randn(user.shape) * 0.1
        self.user = nn.Parameter(learned) if config.user_vectors else nn.Buffer(user)
        of_user, of_item = (np.maximum(matrix.getnnz(axis=a), 1.0) ** -0.5 for a in (1, 0))
        normal = (sparse.diags(of_user) @ matrix @ sparse.diags(of_item)).tocsr()
        self.to_users, self.to_items = to_csr(normal), to_csr(normal.T.tocsr())
        self.of_item = torch.from_numpy(of_item.astype(np.float32))  # [M], 1 / sqrt(|N_i|)

    def forward(self) -> tuple[list[Tensor], list[Tensor]]:
        users: list[Tensor] = [self.user]
        items: list[Tensor] = [self.item]
        for _ in range(self.depth):
            user = _Product.apply(self.to_users, self.to_items, items[-1])
            items.append(_Product.apply(self.to_items, self.to_users, users[-1]))
            users.append(user)
        return users, items


@dataclass(frozen=True, eq=False)
class LightGCN(LearnedFromLog[LightGCNNetwork, LightGCNConfig]):
    """score_j = u · mean_k item_j^(k), layers k = 0 to K.

    u is what the network makes of a user with this history and a layer-0 vector of 0:
    u = 1 / (K + 1) Σ_{k < K} Σ_{i in H} item_i^(k) / sqrt(|H| |N_i|), from the item layers of the
    training graph. So a history says the same whoever's it is; for a training user it is the
    trained vector less its own layer 0, which no stranger has (`user_vectors=False` trains
    without it, too). Learned by BPR, or a sampled softmax, over the pairs of the log, plus
    l2 / 2 (|user_u^(0)|² + |item_i^(0)|² + |item_j^(0)|²) a pair. -inf for an item without training
    events; a history without a known item is scored by popularity. He et al., LightGCN:
    Simplifying and powering graph convolution network for recommendation, 2020.
    """

    defaults = DEFAULTS
    name: str = "LightGCN"

    @classmethod
    def untrained(cls, log: EventLog, config: LightGCNConfig | None = None, seed: int = 0) -> Self:
        """The model at its first weights: `train` or `network.load_state_dict` gives it others."""
        items, config = TrainedItems.of(log), config or LightGCNConfig()
        matrix = items.encode(Sequences.of(log)).matrix()
        with drawing(seed):
            return cls(LightGCNNetwork(matrix, config), items, config)

    def steps(self, sequences: Sequences, batch: int) -> Steps:
        return partial(_steps, self, Pairs.of(sequences), batch)

    @torch.inference_mode()
    def scores(self, histories: Sequences) -> np.ndarray:
        """float32 [U, N]."""
        known, network = self.items.encode(histories), self.network
        _, layers = network()
        told = torch.stack(layers[:-1]).sum(0) * network.of_item[:, None] / len(layers)
        query = history_sum(known, told, 0.5)
        return self.items.scores(query, torch.stack(layers).mean(0), known.lengths == 0)


def _steps(model: LightGCN, pairs: Pairs, batch: int, rng: np.random.Generator) -> Iterator[Tensor]:
    """The loss of each batch of one epoch, pairs in random order."""
    network, config = model.network, model.config
    owner = pairs.user
    order = rng.permutation(len(owner))
    for start in range(0, len(order), batch):
        pick = order[start : start + batch]
        user, good = torch.from_numpy(owner[pick]), torch.from_numpy(pairs.item[pick])
        users, items = (torch.stack(layers).mean(0) for layers in network())
        query = users[user]  # [P, D]
        first = [network.user[user], network.item[good]]
        if config.loss == "bpr":
            bad = torch.from_numpy(pairs.negatives(owner[pick], rng))
            loss = bpr((query * items[good]).sum(1), (query * items[bad]).sum(1))
            first.append(network.item[bad])
        else:
            bad = draw(config.negatives, len(items), rng)
            loss = sampled_softmax(query, items, good, bad, len(items))
        size = sum(vectors.square().sum() for vectors in first) / len(pick)
        yield loss + config.l2 / 2 * size
