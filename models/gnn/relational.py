"""An inductive relational graph network on torch-geometric's message passing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.gnn.adjacency import Adjacency, Neighbourhood


class _Multiply(torch.autograd.Function):
    """A @ x with a constant sparse A whose transpose is given, so that nothing is sorted again.

    Sparse products are float32, whatever stands around them.
    """

    @staticmethod
    def forward(ctx: Any, forward: Tensor, backward: Tensor, x: Tensor) -> Tensor:
        ctx.backward_matrix = backward
        with torch.autocast(x.device.type, enabled=False):
            return torch.sparse.mm(forward, x.float())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, None, Tensor]:
        return None, None, torch.sparse.mm(ctx.backward_matrix, grads[0].contiguous())


@cache
def _mean() -> nn.Module:
    """Weighted sums of messages, by torch-geometric; without parameters.

    That is imported by the first message and not before: it takes half of the time of a command
    that only answers, from what the graph has said already.
    """
    from torch_geometric.nn import MessagePassing

    class Mean(MessagePassing):
        def __init__(self) -> None:
            super().__init__(aggr="sum")  # of messages whose weights sum to 1: a mean
            self.fuse = True

        def forward(self, x: Tensor, adjacency: Adjacency) -> Tensor:
            return self.propagate(adjacency.forward, x=x, transposed=adjacency.backward, size=None)

        def message_and_aggregate(
            self, edge_index: Tensor, x: Tensor, transposed: Tensor
        ) -> Tensor:
            return _Multiply.apply(edge_index, transposed, x)

    return Mean()


class RelationalConv(nn.Module):
    """One relation: h_i = g · mean_{j in N(i)} x_j, with one learned gate g per relation.

    A scalar gate in place of RGCN's matrix per relation (Schlichtkrull et al. 2018) keeps rare
    relations from overfitting and can be read off: how much this relation is listened to.

    Shapes: x [N_source, D], adjacency [N_target, N_source] -> [N_target, D].
    """

    def __init__(self, gate: float = 0.3) -> None:
        super().__init__()
        self.gate = nn.Parameter(torch.tensor(float(gate)))

    def forward(self, x: Tensor, adjacency: Adjacency) -> Tensor:
        return self.gate * _mean()(x, adjacency)  # [N_target, D]

    def among(self, x: Tensor, near: Neighbourhood) -> Tensor:
        """The same for a few targets: x [S, D] of their sources -> [R, D]."""
        told = F.embedding_bag(  # a weighted sum per target, without a message per edge in memory
            near.place, x.float(), near.offsets, mode="sum", per_sample_weights=near.weight,
            include_last_offset=True,
        )  # fmt: skip
        return self.gate * told


class RelationalGNN(nn.Module):
    """Two steps over all relations: items tell their neighbours, neighbours tell the items.

    Step 1: h_t = x_t + Σ_{r into t} g_r mean(x_source). Step 2: z_item = Σ_{r into item} g'_r
    mean(h_source); an item as a source speaks with its own features. Only features go in, so a new
    item needs no more than its edges.

    Shapes: states {type: [N_type, D]} -> (hidden states by type, graph vectors [N_item, D]).
    """

    def __init__(self, relations: Sequence[Adjacency]) -> None:
        super().__init__()
        first = {a.key: RelationalConv() for a in relations if a.target != "item"}
        second = {a.key: RelationalConv() for a in relations if a.target == "item"}
        self.to_neighbours = nn.ModuleDict(first)
        self.to_items = nn.ModuleDict(second)

    def hidden(
        self, states: dict[str, Tensor], relations: Sequence[Adjacency]
    ) -> dict[str, Tensor]:
        """h of every type but the items, which keep their own features."""
        out = dict(states)
        for adjacency in relations:
            if adjacency.key in self.to_neighbours:
                told = self.to_neighbours[adjacency.key](states[adjacency.source], adjacency)
                out[adjacency.target] = out[adjacency.target] + told
        return out

    def forward(self, states: dict[str, Tensor], relations: Sequence[Adjacency]) -> Tensor:
        hidden = self.hidden(states, relations)
        return self.read_items(hidden, relations, states["item"])

    def read_items(
        self, hidden: dict[str, Tensor], relations: Sequence[Adjacency], like: Tensor
    ) -> Tensor:
        """z [N_item, D] from frozen hidden states: also how a new item gets its graph vector."""
        if not relations:
            return torch.zeros_like(like)
        rows = next((a.forward.shape[0] for a in relations if a.target == "item"), len(like))
        out = like.new_zeros((rows, like.shape[1]))
        for adjacency in relations:
            if adjacency.key in self.to_items:
                out = out + self.to_items[adjacency.key](hidden[adjacency.source], adjacency)
        return out

    def items_among(
        self, rows: Tensor, relations: Sequence[Adjacency], hidden: Callable[[str, Tensor], Tensor]
    ) -> Tensor:
        """z of the items `rows` int64 [R] alone, [R, D]: a training step needs no others.

        `hidden(type, nodes)` gives h [S, D] of some nodes, int64 [S] in ascending order; it is
        asked once per type, for all that stand next to the rows. At least one relation must lead
        to the items.
        """
        near = {a.key: a.into(rows) for a in relations if a.key in self.to_items}
        out: Tensor | None = None
        for kind in sorted({a.source for a in relations if a.key in near}):
            found = [a.key for a in relations if a.key in near and a.source == kind]
            nodes = torch.unique(torch.cat([near[key].sources for key in found]))
            state = hidden(kind, nodes)  # [S, D]
            for key in found:
                conv = self.to_items[key]
                assert isinstance(conv, RelationalConv)
                place = torch.searchsorted(nodes, near[key].sources)
                z = conv.among(state[place], near[key])
                out = z if out is None else out + z
        assert out is not None
        return out
