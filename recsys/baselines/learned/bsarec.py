"""Self-attention beside a filter that keeps the slow part of a history."""

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
from models.device import drawing
from models.dropout import Dropout, dropout
from recsys.baselines.learned.fitting import FitConfig, LearnedFromLog, Steps, TrainedItems

DEFAULTS = FitConfig(learning_rate=5e-4, batch=256)
"""The authors' settings for amazon-beauty."""
UNSEEN = -1e4
"""Added to the attention score of padding and of later events."""


class BSARecConfig(BaseModel):
    """The shape of the network; the values are the authors' for amazon-beauty."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    dim: int = Field(64, ge=1)
    blocks: int = Field(2, ge=1)
    heads: int = Field(1, ge=1, description="Must divide dim.")
    dropout: float = Field(0.5, ge=0, lt=1, description="Of states and of attention weights.")
    max_length: int = Field(50, ge=1, description="Last events that are read.")
    alpha: float = Field(0.7, ge=0, le=1, description="Share of the filter; the rest: attention.")
    cutoff: int = Field(5, ge=0, description="c: the c // 2 + 1 lowest frequencies pass.")


def low_pass(length: int, cutoff: int) -> Tensor:
    """float32 [L, L]: times x [L, D], what is left of x with the c // 2 + 1 lowest frequencies.

    P = irfft(keep · rfft(I)) along time. The filter is linear, so one small matrix does the work
    of two transforms, and one row of it gives one place.
    """
    spectrum = torch.fft.rfft(torch.eye(length, dtype=torch.float64), dim=0)
    spectrum[cutoff // 2 + 1 :] = 0
    return torch.fft.irfft(spectrum, n=length, dim=0).float()


class BSARecBlock(nn.Module):
    """h = alpha F(x) + (1 - alpha) A(x), then LN(h + drop(W2 gelu(W1 h))).

    F(x) = LN(x + drop(P x + beta (x - P x))), beta = b² per dimension, P of `low_pass`;
    A(x) = LN(x + drop(attention(x))). Shapes: [B, L, D], score offsets [B, 1, L, L] -> [B, R, D]:
    R = L, or only the last place where no other is asked for.
    """

    def __init__(self, config: BSARecConfig) -> None:
        super().__init__()
        dim, self.heads, self.rate = config.dim, config.heads, config.dropout
        self.alpha = config.alpha
        self.register_buffer("low", low_pass(config.max_length, config.cutoff), persistent=False)
        self.root_beta = nn.Parameter(torch.randn(dim))
        self.query, self.key_value = nn.Linear(dim, dim), nn.Linear(dim, 2 * dim)
        self.out = nn.Linear(dim, dim)
        self.up, self.down = nn.Linear(dim, 4 * dim), nn.Linear(4 * dim, dim)
        self.dropout = Dropout(config.dropout)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(dim, eps=1e-12) for _ in range(3))

    def forward(self, x: Tensor, offset: Tensor, last: bool = False) -> Tensor:
        here = slice(-1, None) if last else slice(None)
        filtered = self.norm1(x[:, here] + self.dropout(self.filtered(x, here)))
        attended = self.norm2(x[:, here] + self.dropout(self.attended(x, offset, here)))
        h = self.alpha * filtered + (1 - self.alpha) * attended
        return self.norm3(h + self.dropout(self.down(F.gelu(self.up(h)))))

    def filtered(self, x: Tensor, here: slice) -> Tensor:
        """P x + beta (x - P x) at some places: [B, L, D] -> [B, R, D]."""
        low = self.get_buffer("low")[here] @ x
        return low + self.root_beta**2 * (x[:, here] - low)

    def attended(self, x: Tensor, offset: Tensor, here: slice) -> Tensor:
        """softmax(q kᵀ / √d + offset) v, weights dropped: [B, L, D] -> [B, R, D]."""
        batch, length, dim = x.shape
        q = self.query(x[:, here]).view(batch, -1, self.heads, dim // self.heads).transpose(1, 2)
        k, v = self.key_value(x).view(batch, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2) + offset[:, :, here]
        mixed = dropout(scores.softmax(-1), self.rate, self.training) @ v  # [B, H, R, d]
        return self.out(mixed.transpose(1, 2).flatten(2))


class BSARecNetwork(nn.Module):
    """Item codes and mask [B, max_length], padded on the left, to the last state, [B, D].

    Padding has no item vector but a place like any other, and the filter hears it. As in the
    authors' code a padding place, which sees nothing that it may attend to, attends to everything.
    """

    def __init__(self, items: int, config: BSARecConfig) -> None:
        super().__init__()
        if config.dim % config.heads:
            raise UsageError(
                f"The 'dim' of BSARec must be a multiple of its 'heads'. "
                f"Got {config.dim} and {config.heads} instead."
            )
        self.item = nn.Embedding(items, config.dim)
        self.place = nn.Embedding(config.max_length, config.dim)
        self.norm = nn.LayerNorm(config.dim, eps=1e-12)
        self.dropout = Dropout(config.dropout)
        self.blocks = nn.ModuleList(BSARecBlock(config) for _ in range(config.blocks))
        for module in self.modules():
            if isinstance(module, nn.Linear | nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
            if isinstance(module, nn.Linear):
                nn.init.zeros_(module.bias)

    def forward(self, item: Tensor, mask: Tensor) -> Tensor:
        x = self.item(item) * mask[:, :, None] + self.place.weight
        x = self.dropout(self.norm(x))
        seen = mask[:, None, None] & torch.ones(mask.shape[1], mask.shape[1]).tril().bool()
        offset = torch.where(seen, 0.0, UNSEEN)  # [B, 1, L, L]
        for number, block in enumerate(self.blocks, 1):
            x = block(x, offset, last=number == len(self.blocks))
        return x[:, -1]


@dataclass(frozen=True, eq=False)
class BSARec(LearnedFromLog[BSARecNetwork, BSARecConfig]):
    """score_j = h · v_j: h is the state at the last event, v_j the input vector of item j.

    Learned by the mean of -log softmax(h V')[next item] over all prefixes of the last `max_length`
    training events of each history. -inf for an item without training events; a history without a
    known item is scored by popularity. Shin, Choi, Wi and Park, An attentive inductive bias for
    sequential recommendation beyond the self-attention, 2024.
    """

    defaults = DEFAULTS
    name: str = "BSARec"

    @classmethod
    def untrained(cls, log: EventLog, config: BSARecConfig | None = None, seed: int = 0) -> Self:
        """The model at its first weights: `train` or `network.load_state_dict` gives it others."""
        items, config = TrainedItems.of(log), config or BSARecConfig()
        with drawing(seed):
            return cls(BSARecNetwork(len(items), config).eval(), items, config)

    def steps(self, sequences: Sequences, batch: int) -> Steps:
        return partial(_steps, self, sequences, batch)

    @torch.inference_mode()
    def scores(self, histories: Sequences) -> np.ndarray:
        """float32 [U, N]."""
        known = self.items.encode(histories)
        query = torch.zeros(len(known), self.config.dim)
        some = np.flatnonzero(known.lengths)
        for start in range(0, len(some), 256):
            rows = some[start : start + 256]
            first, stop = known.offsets[rows], known.offsets[rows + 1]
            item, mask = padded(known.item, first, stop, self.config.max_length)
            query[torch.from_numpy(rows)] = self.network(item, mask)
        return self.items.scores(query, self.network.item.weight, known.lengths == 0)


def padded(
    item: np.ndarray, first: np.ndarray, stop: np.ndarray, length: int
) -> tuple[Tensor, Tensor]:
    """Codes int64 and mask bool [B, L]: the last events of item[first:stop], padded on the left."""
    at = stop[:, None] - length + np.arange(length)
    mask = at >= first[:, None]
    codes = item[np.where(mask, at, 0)] if len(item) else np.zeros(mask.shape, np.int64)
    return torch.from_numpy(np.where(mask, codes, 0)), torch.from_numpy(mask)


def prefixes(sequences: Sequences, length: int) -> tuple[np.ndarray, np.ndarray]:
    """(first, target) int64 [S]: from item[first:target] predict item[target].

    Every event but the first of the last `length` events of each history is a target once.
    """
    first = sequences.offsets[1:] - np.minimum(sequences.lengths, length)
    count = np.maximum(sequences.offsets[1:] - first - 1, 0)
    begin = np.repeat(first, count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return begin, begin + 1 + within


def _steps(
    model: BSARec, sequences: Sequences, batch: int, rng: np.random.Generator
) -> Iterator[Tensor]:
    """The loss of each batch of one epoch, prefixes in random order."""
    first, target = prefixes(sequences, model.config.max_length)
    order = rng.permutation(len(target))
    for start in range(0, len(order), batch):
        pick = order[start : start + batch]
        item, mask = padded(sequences.item, first[pick], target[pick], model.config.max_length)
        positive = torch.from_numpy(sequences.item[target[pick]])
        query = model.network(item, mask)  # [B, D]
        yield F.cross_entropy(query @ model.network.item.weight.T, positive)
