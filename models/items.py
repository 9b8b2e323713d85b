"""The item tower: one vector per item from its text, its place in the graph, and its id.

v = text + graph + s(n)·δ. δ is an id embedding, s(n) = n / (n + k) grows with the item's count of
training events n and is 0 for a new item, so that a new item starts from content and moves to
what people do with it without a cliff. In training δ is masked at random (DropoutNet, Volkovs
et al. 2017), so that content alone is trained for the task too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.dropout import Dropout
from models.gnn.adjacency import Adjacency
from models.gnn.relational import RelationalGNN


@dataclass(frozen=True)
class ItemParts:
    """What an item vector is made of: text, graph, id float32 [N, D]; their sum is the vector."""

    text: Tensor
    graph: Tensor
    id: Tensor

    @property
    def vector(self) -> Tensor:
        """float32 [N, D]."""
        return self.text + self.graph + self.id


class ItemTower(nn.Module):
    """Text [N, T], counts int64 [N] and relations -> `ItemParts` of every item."""

    text: Tensor
    counts: Tensor

    def __init__(
        self,
        text: Tensor,
        counts: Tensor,
        relations: Sequence[Adjacency],
        num_nodes: dict[str, int],
        *,
        dim: int,
        dropout: float,
        id_dropout: float,
        warm_count: float,
    ) -> None:
        super().__init__()
        self.dim, self.warm_count = dim, warm_count
        self.id_dropout = id_dropout
        self.register_buffer("text", text, persistent=False)
        self.register_buffer("counts", counts.float(), persistent=False)
        self.relations = list(relations)
        self.project = nn.Linear(text.shape[1], dim, bias=False)
        self.dropout = Dropout(dropout)
        self.delta = nn.Embedding(len(text), dim)
        linked = {a.source for a in relations} | {a.target for a in relations}
        self.node_types = sorted(linked - {"item", "user"})
        self.nodes = nn.ModuleDict(
            {_key(t): nn.Embedding(num_nodes[t], dim) for t in self.node_types}
        )
        self.num_users = num_nodes.get("user", 0)
        self.gnn = RelationalGNN(relations)
        self.text_gate = nn.Parameter(torch.tensor(1.0))
        self.graph_gate = nn.Parameter(torch.tensor(1.0))
        nn.init.normal_(self.delta.weight, std=0.02)
        nn.init.normal_(self.project.weight, std=0.02)
        for table in self.nodes.values():
            assert isinstance(table, nn.Embedding)
            nn.init.normal_(table.weight, std=0.02)

    def id_share(self, counts: Tensor) -> Tensor:
        """s(n) = n / (n + k), [N]."""
        return counts / (counts + self.warm_count)

    def states(self) -> dict[str, Tensor]:
        """Features of every node type before any message: users start from nothing (inductive)."""
        out = {"item": self.project(self.text)}  # [N, D]
        out |= {kind: self.nodes[_key(kind)].weight for kind in self.node_types}
        if self.num_users:
            out["user"] = out["item"].new_zeros((self.num_users, self.dim))
        return out

    def forward(self) -> ItemParts:
        states = self.states()
        graph = self.gnn(states, self.relations)
        share = self.id_share(self.counts)
        if self.training and self.id_dropout > 0:
            share = share * (torch.rand_like(share) >= self.id_dropout)
        return ItemParts(
            self.text_gate * self.dropout(states["item"]),
            self.graph_gate * self.dropout(graph),
            share[:, None] * self.delta.weight,
        )

    @torch.no_grad()
    def new_items(self, text: Tensor, relations: Sequence[Adjacency]) -> ItemParts:
        """Parts of M items unseen in training; `relations` lead from old nodes to them.

        text [M, T]; every hidden state of the graph stays as it is.
        """
        hidden = self.gnn.hidden(self.states(), self.relations)
        projected = self.project(text)
        graph = self.gnn.read_items(hidden, relations, projected)
        return ItemParts(
            self.text_gate * projected, self.graph_gate * graph, torch.zeros_like(projected)
        )


def _key(kind: str) -> str:
    """A node type as a module key: ModuleDict takes neither "type" nor a name with a dot."""
    return "of " + kind.replace("%", "%25").replace(".", "%2E")
