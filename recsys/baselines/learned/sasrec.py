"""Self-attention over the history, trained by a softmax over all items: hard to beat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from kg.errors import UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from models.batch import history_batches, training_batches
from models.device import drawing
from models.dropout import Dropout
from models.losses import draw, sampled_softmax
from models.sequence import causal_attention
from recsys.baselines.learned.fitting import FitConfig, LearnedFromLog, Steps, TrainedItems

DEFAULTS = FitConfig(learning_rate=5e-4, batch=3072)
"""About 512 histories of amazon-beauty a step."""


class SASRecConfig(BaseModel):
    """The shape of the network; the values are of a published run on amazon-beauty."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    dim: int = Field(64, ge=1)
    blocks: int = Field(2, ge=1)
    heads: int = Field(1, ge=1, description="Must divide dim.")
    dropout: float = Field(0.6, ge=0, lt=1)
    max_length: int = Field(50, ge=1, description="Last events that are read.")
    negatives: int = Field(0, ge=0, description="Of a sampled softmax; 0: over all items.")


class SASRecBlock(nn.Module):
    """x <- x + A(LN(x), x, x); y = LN(x); x <- y + drop(W2 relu(drop(W1 y))).

    A is causal attention, its weights dropped, of queries from LN(x) and keys and values from x, as
    in the code of the paper. Shapes: [B, L, D] -> [B, L, D].
    """

    def __init__(self, config: SASRecConfig) -> None:
        super().__init__()
        dim, self.heads, self.rate = config.dim, config.heads, config.dropout
        self.query, self.key_value = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim)
        self.out, self.up, self.down = (nn.Linear(dim, dim) for _ in range(3))
        self.norm1, self.norm2 = nn.LayerNorm(dim, eps=1e-8), nn.LayerNorm(dim, eps=1e-8)
        self.dropout = Dropout(config.dropout)
        none = torch.zeros(config.heads, config.max_length)  # distance itself says nothing here
        self.register_buffer("distance", none, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, dim = x.shape
        q = self.query(self.norm1(x)).view(batch, length, self.heads, -1).transpose(1, 2)
        k, v = self.key_value(x).view(batch, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        rate = self.rate if self.training else 0.0
        mixed = causal_attention(q, k, v, self.get_buffer("distance"), rate)
        y = self.norm2(x + self.out(mixed.transpose(1, 2).reshape(batch, length, dim)))
        return y + self.dropout(self.down(F.relu(self.dropout(self.up(y)))))


class SASRecNetwork(nn.Module):
    """Item codes and mask [B, L] to the state after each event, [B, L, D].

    The event that is a-th from the end enters as sqrt(D) item + place_a. That is what absolute
    places under padding on the left come to; here padding stands on the right, where a causal
    attention never looks, so that no padding key has to be masked.
    """

    def __init__(self, items: int, config: SASRecConfig) -> None:
        super().__init__()
        if config.dim % config.heads:
            raise UsageError(
                f"The 'dim' of SASRec must be a multiple of its 'heads'. "
                f"Got {config.dim} and {config.heads} instead."
            )
        self.item = nn.Embedding(items, config.dim)
        self.place = nn.Embedding(config.max_length, config.dim)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(SASRecBlock(config) for _ in range(config.blocks))
        self.norm = nn.LayerNorm(config.dim, eps=1e-8)
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.xavier_normal_(module.weight)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward(self, item: Tensor, mask: Tensor) -> Tensor:
        from_end = mask.sum(1, keepdim=True) - 1 - torch.arange(item.shape[1])  # [B, L]
        x = self.item(item) * self.item.embedding_dim**0.5 + self.place(from_end.clamp(min=0))
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


@dataclass(frozen=True, eq=False)
class SASRec(LearnedFromLog[SASRecNetwork, SASRecConfig]):
    """score_j = h · v_j: h is the state after the last event, v_j the input vector of item j.

    Learned by the mean of -log softmax(h_l V')[next item] over all events l of all histories
    (`negatives` > 0: a sampled softmax). A history longer than `max_length` gives its last window,
    or half of the time a random one. -inf for an item without training events; a history without a
    known item is scored by popularity. Kang and McAuley, Self-attentive sequential recommendation,
    2018; the loss after Klenitskiy and Vasilev, Turning dross into gold loss, 2023.
    """

    defaults = DEFAULTS
    name: str = "SASRec"

    @classmethod
    def untrained(cls, log: EventLog, config: SASRecConfig | None = None, seed: int = 0) -> Self:
        """The model at its first weights: `train` or `network.load_state_dict` gives it others."""
        items, config = TrainedItems.of(log), config or SASRecConfig()
        with drawing(seed):
            return cls(SASRecNetwork(len(items), config).eval(), items, config)

    def steps(self, sequences: Sequences, batch: int) -> Steps:
        return partial(_steps, self, sequences, batch)

    @torch.inference_mode()
    def scores(self, histories: Sequences) -> np.ndarray:
        """float32 [U, N]."""
        known = self.items.encode(histories)
        query = torch.zeros(len(known), self.config.dim)
        for rows, batch in history_batches(known, self.config.max_length, 256):
            states = self.network(batch.item, batch.mask)
            query[torch.from_numpy(rows)] = states[torch.arange(len(rows)), batch.last]
        return self.items.scores(query, self.network.item.weight, known.lengths == 0)


def _steps(
    model: SASRec, sequences: Sequences, targets: int, rng: np.random.Generator
) -> Iterator[Tensor]:
    """The loss of each batch of one epoch."""
    network, count = model.network, model.config.negatives
    for batch in training_batches(sequences, model.config.max_length, targets, rng):
        positive = batch.wanted.item  # int64 [P]
        query = network(batch.item, batch.mask)[batch.target]  # [P, D]
        weight = network.item.weight  # [M, D]
        if count == 0:
            yield F.cross_entropy(query @ weight.T, positive)
        else:
            negative = draw(count, len(weight), rng)
            yield sampled_softmax(query, weight, positive, negative, len(weight))
