"""The item tower: one vector per item from what is known of it, its place in the graph, its id.

v = Σ_m g_m·P_m x_m + graph + id, id = s(n)·δ. x_m are its text and any other whitened vectors (an
image, a sound), each with its own projection P_m and gate g_m; where one is missing, x_m is 0 and
adds exactly nothing. δ is an id embedding, s(n) = n / (n + k) grows with the item's count of
training events n and is 0 for a new item, so that a new item starts from content and moves to
what people do with it without a cliff. In training δ is masked at random (DropoutNet, Volkovs
et al. 2017), so that content alone is trained for the task too. After the training, an item
without an event has as its id the δ that a ridge regression on the trained items expects of its
other parts, if that explains enough of held-out ones.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.dropout import Dropout
from models.gnn.adjacency import Adjacency
from models.gnn.relational import RelationalConv, RelationalGNN
from models.ridge import Ridge

Counts = TypeVar("Counts", Tensor, np.ndarray)
WORTH = 0.1
"""The least share of the held-out variance of δ for which content speaks before the first event.
Where it explained .22, lists of new items gained by it; where .07, they lost (benchmarks)."""


@dataclass(frozen=True)
class ItemParts:
    """What an item vector is made of: text, graph, id and extras float32 [N, D]; their sum is it.

    `extras` has one part for each named vector beside the text.
    """

    text: Tensor
    graph: Tensor
    id: Tensor
    extras: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def vector(self) -> Tensor:
        """float32 [N, D]."""
        out = self.text + self.graph + self.id
        for part in self.extras.values():
            out = out + part
        return out

    @property
    def told(self) -> Tensor:
        """float32 [N, P·D], all parts but the id side by side."""
        return torch.cat([self.text, self.graph, *self.extras.values()], 1)


class ItemTower(nn.Module):
    """Text [N, T], counts int64 [N] and relations -> `ItemParts` of every item.

    `extras` are other whitened vectors float32 [N, W_m] by name, a row of zeros where one is
    missing. Text and extras stand side by side in `content` [N, T + Σ W_m], T' in all: what an
    item tells the graph is the projection of them all.
    """

    content: Tensor
    counts: Tensor
    expect_weight: Tensor
    expect_base: Tensor

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
        extras: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.dim, self.warm_count = dim, warm_count
        self.id_dropout = id_dropout
        extras = extras or {}
        self.extra_names = tuple(extras)
        self.widths = [text.shape[1], *(x.shape[1] for x in extras.values())]
        self.register_buffer("content", _side_by_side(text, extras), persistent=False)
        self.register_buffer("counts", counts.float(), persistent=False)
        self.relations = list(relations)
        self.project = nn.Linear(sum(self.widths), dim, bias=False)
        self.dropout = Dropout(dropout)
        self.delta = nn.Embedding(len(text), dim)
        self.register_buffer("expect_weight", torch.zeros((1 + len(self.widths)) * dim, dim))
        self.register_buffer("expect_base", torch.zeros(dim))
        linked = {a.source for a in relations} | {a.target for a in relations}
        self.node_types = sorted(linked - {"item", "user"})
        self.nodes = nn.ModuleDict(
            {_key(t): nn.Embedding(num_nodes[t], dim) for t in self.node_types}
        )
        self.num_users = num_nodes.get("user", 0)
        self._means: dict[str, Tensor] = {}
        self.gnn = RelationalGNN(relations)
        self.text_gate = nn.Parameter(torch.tensor(1.0))
        self.graph_gate = nn.Parameter(torch.tensor(1.0))
        self.extra_gates = nn.Parameter(torch.ones(len(extras))) if extras else None
        nn.init.normal_(self.delta.weight, std=0.02)
        nn.init.normal_(self.project.weight, std=0.02)
        for table in self.nodes.values():
            assert isinstance(table, nn.Embedding)
            nn.init.normal_(table.weight, std=0.02)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """`to` takes the relations along, which are no buffers."""
        super()._apply(fn, recurse)
        place = self.counts.device
        self.relations = [adjacency.to(place) for adjacency in self.relations]
        self._means = {key: mean.to(place) for key, mean in self._means.items()}
        return self

    def id_share(self, counts: Counts) -> Counts:
        """s(n) = n / (n + k), [N]."""
        return counts / (counts + self.warm_count)

    def feature(self, kind: str, nodes: Tensor | None = None) -> Tensor:
        """x of every node of a type, or of some, before any message: [N_type, D] or [S, D].

        Users start from nothing, so that new ones need no training.
        """
        if kind == "item":
            return self.project(self.content if nodes is None else self.content[nodes])
        if kind == "user":
            return self.content.new_zeros(
                (self.num_users if nodes is None else len(nodes), self.dim)
            )
        table = self.nodes[_key(kind)]
        assert isinstance(table, nn.Embedding)
        return table.weight if nodes is None else table(nodes)

    def states(self, item: Tensor | None = None) -> dict[str, Tensor]:
        """`feature` of every node type that has nodes; that of the items may be given, [N, D]."""
        kinds = [*self.node_types] + (["user"] if self.num_users else [])
        out = {"item": self.feature("item") if item is None else item}
        return out | {kind: self.feature(kind) for kind in kinds}

    def project_text(self, text: Tensor) -> Tensor:
        """Whitened texts [n, T] of anything as what an item of such a text gets from it, [n, D]."""
        weight = self.project.weight[:, : self.widths[0]]
        return self.text_gate * F.linear(text * self.widths[0] ** -0.5, weight)

    def _told(self, content: Tensor) -> list[Tensor]:
        """Text and each extra projected by themselves, [R, D] each, from `content` [R, T']."""
        if not self.extra_names:
            return [self.project(content)]
        blocks = zip(content.split(self.widths, 1), self.project.weight.split(self.widths, 1),
                     strict=True)  # fmt: skip
        return [F.linear(x, weight) for x, weight in blocks]

    def _parts(self, told: list[Tensor], graph: Tensor, own: Tensor) -> ItemParts:
        """Each part through its gate, and in training through dropout."""
        extras: dict[str, Tensor] = {}
        if self.extra_gates is not None:
            for n, name in enumerate(self.extra_names):
                extras[name] = self.extra_gates[n] * self.dropout(told[n + 1])
        text = self.text_gate * self.dropout(told[0])
        return ItemParts(text, self.graph_gate * self.dropout(graph), own, extras)

    def expected(self, told: Tensor) -> Tensor:
        """float32 [n, D], the id that goes with `ItemParts.told` [n, P·D]; 0 where nothing is told,
        and everywhere before `expect`.
        """
        found = told @ self.expect_weight + self.expect_base
        return found * told.any(1, keepdim=True)

    @torch.no_grad()
    def expect(self) -> None:
        """Learn what is `expected` from the trained items: δ from the other parts, where each item
        counts as much as it has of its δ; nothing, where that explains less than `WORTH`.

        Gantner et al., Learning attribute-to-feature mappings for cold-start recommendations, 2010,
        for vectors that have a content already.
        """
        self.eval()
        parts, trained = self(), self.counts > 0
        share = self.id_share(self.counts[trained]).numpy(force=True)
        told, delta = (x[trained].numpy(force=True) for x in (parts.told, self.delta.weight))
        found = Ridge.fit(told, delta, share)
        self.expect_weight.zero_()
        self.expect_base.zero_()
        if found is not None and found.worth >= WORTH:
            self.expect_weight.copy_(torch.from_numpy(found.weight))
            self.expect_base.copy_(torch.from_numpy(found.base - found.centre @ found.weight))

    def forward(self, rows: Tensor | None = None) -> ItemParts:
        """Parts of all items, or of `rows` int64 [R], which cost what R items cost."""
        if rows is None:
            told = self._told(self.content)
            graph = self.gnn(self.states(_sum(told)), self.relations)
            counts, delta = self.counts, self.delta.weight
        else:
            told = self._told(self.content[rows])
            graph = self._graph_of(rows, told[0])
            counts, delta = self.counts[rows], self.delta(rows)
        share = self.id_share(counts)
        if self.training and self.id_dropout > 0:
            share = share * (torch.rand_like(share) >= self.id_dropout)
        parts = self._parts(told, graph, share[:, None] * delta)
        return parts if self.training else self._with_expected(parts, counts == 0)

    def _with_expected(self, parts: ItemParts, new: Tensor) -> ItemParts:
        return replace(parts, id=parts.id + new[:, None] * self.expected(parts.told))

    def _graph_of(self, rows: Tensor, like: Tensor) -> Tensor:
        if not any(a.target == "item" for a in self.relations):
            return torch.zeros_like(like)
        return self.gnn.items_among(rows, self.relations, self._hidden)

    def _hidden(self, kind: str, nodes: Tensor) -> Tensor:
        """h [S, D] of some nodes: their own features and what their neighbours tell them.

        What items tell is a projection of their mean content, which never changes and is kept;
        the relations are summed first, and projected once.
        """
        out = self.feature(kind, nodes)
        if kind == "item":
            return out
        places, means = [], []
        for adjacency in self.relations:
            if adjacency.target != kind:
                continue
            gate = self.gnn.to_neighbours[adjacency.key].get_parameter("gate")
            if adjacency.source == "item":
                place = torch.nonzero(adjacency.degree[nodes]).ravel()  # few know most relations
                places.append(place)
                means.append(gate * self._mean_content(adjacency)[nodes[place]])  # [P, T']
            else:
                conv, near = self.gnn.to_neighbours[adjacency.key], adjacency.into(nodes)
                assert isinstance(conv, RelationalConv)
                out = out + conv.among(self.feature(adjacency.source, near.sources), near)
        if not means:
            return out
        mean = self.content.new_zeros((len(nodes), self.content.shape[1]))
        return out + self.project(mean.index_add(0, torch.cat(places), torch.cat(means)))

    def _mean_content(self, adjacency: Adjacency) -> Tensor:
        """float32 [N_target, T']: the mean content of the items next to each node."""
        if adjacency.key not in self._means:
            with torch.autocast(self.content.device.type, enabled=False):
                mean = torch.sparse.mm(adjacency.forward, self.content)
            self._means[adjacency.key] = mean
        return self._means[adjacency.key]

    @torch.no_grad()
    def new_items(
        self, text: Tensor, relations: Sequence[Adjacency],
        extras: Mapping[str, Tensor] | None = None,
    ) -> ItemParts:  # fmt: skip
        """Parts of M items unseen in training; `relations` lead from old nodes to them.

        text [M, T], extras [M, W_m], of which any may be left out; every hidden state of the graph
        stays as it is. Not for training.
        """
        given = extras or {}
        known = {
            name: given.get(name, text.new_zeros((len(text), width)))
            for name, width in zip(self.extra_names, self.widths[1:], strict=True)
        }
        told = self._told(_side_by_side(text, known))
        graph = torch.zeros_like(told[0])
        if any(a.key in self.gnn.to_items for a in relations):
            graph = self.gnn.items_among(torch.arange(len(text)), relations, self._hidden)
        parts = self._parts(told, graph, torch.zeros_like(told[0]))
        return self._with_expected(parts, torch.ones(len(text), dtype=torch.bool))


def _side_by_side(text: Tensor, extras: Mapping[str, Tensor]) -> Tensor:
    """float32 [N, T'].

    Adam moves every weight by about the learning rate, so that W whitened numbers would move their
    vector W times as far in a step as an id moves, and drown it: each block enters at 1 / sqrt(W).
    """
    return torch.cat([x * x.shape[1] ** -0.5 for x in (text, *extras.values())], 1)


def _sum(parts: list[Tensor]) -> Tensor:
    out = parts[0]
    for part in parts[1:]:
        out = out + part
    return out


def _key(kind: str) -> str:
    """A node type as a module key: ModuleDict takes neither "type" nor a name with a dot."""
    return "of " + kind.replace("%", "%25").replace(".", "%2E")
