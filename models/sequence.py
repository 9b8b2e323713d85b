"""A causal transformer over event vectors: what the history says about the next event."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.batch import NUM_GAPS, Batch
from models.dropout import Dropout, dropout


class Block(nn.Module):
    """Attention and feed-forward, each with dropout, residual and layer norm after (BERT's order).

    Shapes: [B, L, D] -> [B, L, D]; position l sees positions <= l only.
    """

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.rate = heads, dropout
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.up = nn.Linear(dim, 4 * dim)
        self.down = nn.Linear(4 * dim, dim)
        self.dropout = Dropout(dropout)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        batch, length, dim = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = causal_attention(q, k, v, self.rate if self.training else 0.0)
        mixed = mixed.transpose(1, 2).reshape(batch, length, dim)  # [B, L, D]
        x = self.norm1(x + self.dropout(self.out(mixed)))
        return self.norm2(x + self.dropout(self.down(F.gelu(self.up(x)))))


def causal_attention(q: Tensor, k: Tensor, v: Tensor, rate: float) -> Tensor:
    """softmax(q kᵀ / √d, positions <= l only), its weights dropped at `rate`, times v.

    q, k, v [B, H, L, d] -> [B, H, L, d]. Torch's own kernel serves where nothing is dropped.
    """
    if rate == 0:
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    later = torch.ones(q.shape[-2], q.shape[-2], dtype=torch.bool, device=q.device).triu(1)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)  # [B, H, L, L]
    weights = scores.masked_fill_(later, -math.inf).softmax(-1)
    return dropout(weights, rate) @ v


class CausalTransformer(nn.Module):
    """Event vectors to query vectors: item + position + behaviour + time gap, then blocks.

    Padding stands at the end, where causal attention of real events never looks.
    Shapes: batch of [B, L], item vectors [N, D] -> [B, L, D].
    """

    def __init__(
        self, dim: int, layers: int, heads: int, dropout: float, max_length: int, behaviours: int
    ) -> None:
        super().__init__()
        self.max_length = max_length
        self.position = nn.Embedding(max_length, dim)
        self.behaviour = nn.Embedding(behaviours, dim)
        self.gap = nn.Embedding(NUM_GAPS, dim)
        self.norm = nn.LayerNorm(dim)
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(Block(dim, heads, dropout) for _ in range(layers))
        for table in (self.position, self.behaviour, self.gap):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, batch: Batch, items: Tensor) -> Tensor:
        length = batch.item.shape[1]
        place = torch.arange(length)
        x = F.embedding(batch.item, items) + self.position(place)  # [B, L, D]
        x = x + self.behaviour(batch.behaviour) + self.gap(batch.gap)
        x = self.dropout(self.norm(x))
        for block in self.blocks:
            x = block(x)
        return x
