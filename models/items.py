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
from models.gnn.relational import RelationalConv, RelationalGNN


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
        # Adam moves every weight by about the learning rate, so that whitened texts of T numbers
        # would move their vector T times as far in a step as an id moves, and drown it
        self.text_scale = text.shape[1] ** -0.5
        self.register_buffer("text", text * self.text_scale, persistent=False)
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
        self._mean_texts: dict[str, Tensor] = {}
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

    def feature(self, kind: str, nodes: Tensor | None = None) -> Tensor:
        """x of every node of a type, or of some, before any message: [N_type, D] or [S, D].

        Users start from nothing, so that new ones need no training.
        """
        if kind == "item":
            return self.project(self.text if nodes is None else self.text[nodes])
        if kind == "user":
            return self.text.new_zeros((self.num_users if nodes is None else len(nodes), self.dim))
        table = self.nodes[_key(kind)]
        assert isinstance(table, nn.Embedding)
        return table.weight if nodes is None else table(nodes)

    def states(self) -> dict[str, Tensor]:
        """`feature` of every node type that has nodes."""
        kinds = ["item", *self.node_types] + (["user"] if self.num_users else [])
        return {kind: self.feature(kind) for kind in kinds}

    def forward(self, rows: Tensor | None = None) -> ItemParts:
        """Parts of all items, or of `rows` int64 [R], which cost what R items cost."""
        if rows is None:
            states = self.states()
            text, graph = states["item"], self.gnn(states, self.relations)
            counts, delta = self.counts, self.delta.weight
        else:
            text = self.project(self.text[rows])
            graph = self._graph_of(rows, text)
            counts, delta = self.counts[rows], self.delta(rows)
        share = self.id_share(counts)
        if self.training and self.id_dropout > 0:
            share = share * (torch.rand_like(share) >= self.id_dropout)
        return ItemParts(
            self.text_gate * self.dropout(text),
            self.graph_gate * self.dropout(graph),
            share[:, None] * delta,
        )

    def _graph_of(self, rows: Tensor, like: Tensor) -> Tensor:
        if not any(a.target == "item" for a in self.relations):
            return torch.zeros_like(like)
        return self.gnn.items_among(rows, self.relations, self._hidden)

    def _hidden(self, kind: str, nodes: Tensor) -> Tensor:
        """h [S, D] of some nodes: their own features and what their neighbours tell them.

        What items tell is a projection of their mean text, which never changes and is kept; the
        relations are summed first, and projected once.
        """
        out = self.feature(kind, nodes)
        if kind == "item":
            return out
        places, texts = [], []
        for adjacency in self.relations:
            if adjacency.target != kind:
                continue
            gate = self.gnn.to_neighbours[adjacency.key].get_parameter("gate")
            if adjacency.source == "item":
                place = torch.nonzero(adjacency.degree[nodes]).ravel()  # few know most relations
                places.append(place)
                texts.append(gate * self._mean_text(adjacency)[nodes[place]])  # [P, T]
            else:
                conv, near = self.gnn.to_neighbours[adjacency.key], adjacency.into(nodes)
                assert isinstance(conv, RelationalConv)
                out = out + conv.among(self.feature(adjacency.source, near.sources), near)
        if not texts:
            return out
        text = self.text.new_zeros((len(nodes), self.text.shape[1]))
        return out + self.project(text.index_add(0, torch.cat(places), torch.cat(texts)))

    def _mean_text(self, adjacency: Adjacency) -> Tensor:
        """float32 [N_target, T]: the mean text of the items next to each node."""
        if adjacency.key not in self._mean_texts:
            self._mean_texts[adjacency.key] = torch.sparse.mm(adjacency.forward, self.text)
        return self._mean_texts[adjacency.key]

    @torch.no_grad()
    def new_items(self, text: Tensor, relations: Sequence[Adjacency]) -> ItemParts:
        """Parts of M items unseen in training; `relations` lead from old nodes to them.

        text [M, T]; every hidden state of the graph stays as it is.
        """
        hidden = self.gnn.hidden(self.states(), self.relations)
        projected = self.project(text * self.text_scale)
        graph = self.gnn.read_items(hidden, relations, projected)
        return ItemParts(
            self.text_gate * projected, self.graph_gate * graph, torch.zeros_like(projected)
        )


def _key(kind: str) -> str:
    """A node type as a module key: ModuleDict takes neither "type" nor a name with a dot."""
    return "of " + kind.replace("%", "%25").replace(".", "%2E")
