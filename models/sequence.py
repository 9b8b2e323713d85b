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

    Place enters as one learned number per head and distance, added to the attention scores (the
    relative bias of T5, Raffel et al. 2020, without its buckets): how long ago an event was counts,
    not how long the history is, and every prefix of a history is encoded as if it were the whole.
    Shapes: [B, L, D] -> [B, L, D]; position l sees positions <= l only; L <= `max_length`.
    """

    def __init__(self, dim: int, heads: int, dropout: float, max_length: int) -> None:
        super().__init__()
        self.heads, self.rate = heads, dropout
        self.distance = nn.Parameter(torch.zeros(heads, max_length))
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.up = nn.Linear(dim, 4 * dim)
        self.down = nn.Linear(4 * dim, dim)
        self.dropout = Dropout(dropout)
        self.norm1, self.norm2 = nn.LayerNorm(dim), nn.LayerNorm(dim)

    def forward(self, x: Tensor, at: Tensor | None = None) -> Tensor:
        """With `at` int64 [B] only what stands at that place of each row, [B, 1, D]."""
        batch, length, _ = x.shape
        q, k, v = self.qkv(x).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        if at is None:
            mixed = causal_attention(q, k, v, self.distance, self.rate if self.training else 0.0)
        else:
            row = torch.arange(batch, device=x.device)
            mixed = attention_at(q[row, :, at][:, :, None], k, v, self.distance, at)
            x = x[row, at][:, None]
        mixed = mixed.transpose(1, 2).reshape(x.shape)  # [B, L, D]
        x = self.norm1(x + self.dropout(self.out(mixed)))
        return self.norm2(x + self.dropout(self.down(F.gelu(self.up(x)))))


def causal_attention(q: Tensor, k: Tensor, v: Tensor, distance: Tensor, rate: float) -> Tensor:
    """softmax(q kᵀ / √d + bias, positions <= l only), its weights dropped at `rate`, times v.

    q, k, v [B, H, L, d], distance [H, >= L] -> [B, H, L, d]; bias[h, l, m] = distance[h, l - m].
    """
    place = torch.arange(q.shape[-2], device=q.device)
    apart = place[:, None] - place  # [L, L], negative where the key is later
    bias = distance[:, apart.clamp(min=0)].masked_fill(apart < 0, -math.inf)  # [H, L, L]
    if rate == 0:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2) + bias  # [B, H, L, L]
    return dropout(scores.softmax(-1), rate) @ v


def attention_at(q: Tensor, k: Tensor, v: Tensor, distance: Tensor, at: Tensor) -> Tensor:
    """`causal_attention` from one place of each row, int64 [B], without dropout.

    q [B, H, 1, d], k, v [B, H, L, d] -> [B, H, 1, d].
    """
    apart = at[:, None] - torch.arange(k.shape[-2], device=q.device)  # [B, L]
    bias = distance[:, apart.clamp(min=0)].masked_fill(apart < 0, -math.inf)  # [H, B, L]
    mask = bias.transpose(0, 1)[:, :, None].to(q.dtype)  # [B, H, 1, L]
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


class CausalTransformer(nn.Module):
    """Event vectors to query vectors: item + behaviour + time gap, then blocks.

    Padding stands at the end, where causal attention of real events never looks. Where the order
    of events means nothing (not `ordered`), how far apart they stand means nothing either.
    Shapes: batch of [B, L], item vectors [N, D] -> [B, L, D].
    """

    def __init__(
        self, dim: int, layers: int, heads: int, dropout: float, max_length: int, behaviours: int,
        ordered: bool = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.behaviour = nn.Embedding(behaviours, dim)
        self.gap = nn.Embedding(NUM_GAPS, dim)
        self.norm = nn.LayerNorm(dim)
        self.dropout = Dropout(dropout)
        self.blocks = nn.ModuleList(Block(dim, heads, dropout, max_length) for _ in range(layers))
        for table in (self.behaviour, self.gap):
            nn.init.normal_(table.weight, std=0.02)
        for block in self.blocks:
            block.distance.requires_grad_(ordered)  # it begins with zeros

    def forward(
        self,
        batch: Batch,
        items: Tensor,
        searches: Tensor | None = None,
        at: Tensor | None = None,
    ) -> Tensor:
        """`searches` float32 [B, L, D] stand in for items where an event is a search.

        With `at` int64 [B] only what follows from the events up to that one, [B, 1, D]; for
        serving, as no attention is dropped.
        """
        x = F.embedding(batch.item, items)  # [B, L, D]
        if searches is not None and batch.query is not None:
            x = torch.where((batch.query >= 0)[..., None], searches, x)
        x = x + self.behaviour(batch.behaviour) + self.gap(batch.gap)
        x = self.dropout(self.norm(x))
        for block in self.blocks[:-1]:
            x = block(x)
        return self.blocks[-1](x, at)
