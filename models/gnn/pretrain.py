"""Items' texts and facts learn to tell each other before a single event is read.

    masked facts   which node does this item have in relation r? From its text and its facts in
                   other relations, each of these hidden half of the time (Hu et al. 2020,
                   arXiv:1905.12265, attribute masking)
    contrast       is this the neighbourhood of this text? InfoNCE over a batch of items between the
                   projected text and the mean of the nodes around it (van den Oord et al. 2018,
                   arXiv:1807.03748)

Both compare directions, so that the lengths with which the training begins stay about as they are.
What learns is the projection of the texts and the nodes: the start of the graph network.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from models.device import drawing
from models.gnn.adjacency import Adjacency
from models.items import ItemTower

BATCH, RATE, TEMPERATURE, HIDDEN = 256, 1e-3, 0.1, 0.5
MANY = 5000
"""Of a type with more nodes than this only those of the batch are told apart."""


def pretrain_graph(tower: ItemTower, epochs: int, rng: np.random.Generator) -> list[float]:
    """Learn in place; the mean loss of each epoch, [] where there is no text or no fact."""
    around = [a for a in tower.relations if a.target == "item" and a.source in tower.node_types]
    content = tower.content[:, : tower.widths[0]]
    rows = torch.nonzero(content.any(1) & _linked(around, len(content))).ravel().cpu()
    if not len(rows) or not around:
        return []
    learned = [tower.project.weight, *tower.nodes.parameters()]
    optimiser = torch.optim.AdamW(learned, lr=RATE, weight_decay=0.0)
    losses = []
    with drawing(int(rng.integers(2**31)), content.device):
        for _ in range(epochs):
            found = []
            order = rng.permutation(len(rows))
            for part in np.array_split(order, max(1, len(order) // BATCH)):
                loss = _loss(tower, around, rows[part].to(content.device))
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                found.append(loss.item())
            losses.append(float(np.mean(found)))
    return losses


def _linked(around: list[Adjacency], items: int) -> Tensor:
    """bool [N]: items with a fact."""
    if not around:
        return torch.zeros(items, dtype=torch.bool)
    return torch.stack([adjacency.degree > 0 for adjacency in around]).any(0)


def _loss(tower: ItemTower, around: list[Adjacency], rows: Tensor) -> Tensor:
    """Of the items `rows` int64 [B]."""
    weight = tower.project.weight[:, : tower.widths[0]]
    text = F.linear(tower.content[rows, : tower.widths[0]], weight)  # [B, D]
    means, drawn = [], []
    for adjacency in around:
        near = adjacency.into(rows)
        nodes = tower.feature(adjacency.source, near.sources)
        means.append(F.embedding_bag(
            near.place, nodes, near.offsets, mode="sum", per_sample_weights=near.weight,
            include_last_offset=True,
        ))  # fmt: skip
        degree = near.offsets.diff()
        has = torch.nonzero(degree).ravel()
        at = near.offsets[has] + (torch.rand_like(degree[has], dtype=torch.float32)
                                  * degree[has]).long()  # fmt: skip
        drawn.append((has, near.sources[near.place[at]]))
    told = torch.stack(means)  # [R, B, D]
    losses = [_contrast(text, told.sum(0))]
    for number, (has, node) in enumerate(drawn):
        if len(has):
            shown = torch.rand(len(around), len(rows), 1, device=rows.device) >= HIDDEN
            shown[number] = False
            context = text + (told * shown).sum(0)
            losses.append(_masked(tower, around[number].source, context[has], node))
    return torch.stack(losses).mean()


def _contrast(one: Tensor, other: Tensor) -> Tensor:
    scores = F.normalize(one, dim=1) @ F.normalize(other, dim=1).T / TEMPERATURE
    right = torch.arange(len(one), device=one.device)
    return (F.cross_entropy(scores, right) + F.cross_entropy(scores.T, right)) / 2


def _masked(tower: ItemTower, kind: str, context: Tensor, node: Tensor) -> Tensor:
    """Cross-entropy of the nodes int64 [K] given contexts [K, D]."""
    table = tower.feature(kind)
    if len(table) > MANY:
        candidates, node = torch.unique(node, return_inverse=True)
        table = tower.feature(kind, candidates)
    scores = F.normalize(context, dim=1) @ F.normalize(table, dim=1).T / TEMPERATURE
    return F.cross_entropy(scores, node)
