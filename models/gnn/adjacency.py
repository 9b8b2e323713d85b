"""Relations of the knowledge graph as row-normalised sparse matrices, in both directions."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from scipy import sparse
from torch import Tensor
from torch.nn import functional as F

from kg.graph import KnowledgeGraph


@dataclass(frozen=True)
class Neighbourhood:
    """The edges of one relation into R chosen targets.

    sources int64 [S], nodes in ascending order, of which the edges begin at those of place int64
    [E]; offsets int64 [R + 1]: the edges of target i are offsets[i]:offsets[i + 1]; weight float32
    [E], which sum to 1 per target that has an edge.
    """

    sources: Tensor
    place: Tensor
    offsets: Tensor
    weight: Tensor


@dataclass(frozen=True)
class Adjacency:
    """Messages from `source` to `target` nodes: `forward` CSR [N_target, N_source], rows sum to 1.

    `backward` is its transpose, kept because the gradient needs it at every step.
    """

    source: str
    relation: str
    target: str
    forward: Tensor
    backward: Tensor

    def to(self, device: torch.device) -> Adjacency:
        """The same on a device."""
        if self.forward.device == device:
            return self
        return replace(self, forward=self.forward.to(device), backward=self.backward.to(device))

    @cached_property
    def degree(self) -> Tensor:
        """int64 [N_target]: edges into each target."""
        return self.forward.crow_indices().diff()

    def into(self, rows: Tensor) -> Neighbourhood:
        """The edges into some targets, int64 [R], and nothing else.

        Where they are more than the nodes at their beginning, all those nodes are `sources`.
        """
        first = self.forward.crow_indices()[rows]
        degree = self.forward.crow_indices()[rows + 1] - first  # [R]
        offsets = F.pad(degree.cumsum(0), (1, 0))
        shift = torch.repeat_interleave(first - offsets[:-1], degree)  # [E]
        at = shift + torch.arange(len(shift), device=shift.device)
        place, weight = self.forward.col_indices()[at], self.forward.values()[at]
        if (num_sources := self.forward.shape[1]) <= len(place):
            sources = torch.arange(num_sources, device=place.device)
        else:
            sources, place = torch.unique(place, return_inverse=True)
        return Neighbourhood(sources, place, offsets, weight)

    def __deepcopy__(self, memo: dict[int, object]) -> Adjacency:
        """Itself: nothing writes into it, and torch cannot copy CSR tensors deeply."""
        return self

    @property
    def key(self) -> str:
        """A name that can be a module key."""
        key = f"{self.source}>{self.relation}>{self.target}"
        return key.replace("%", "%25").replace(".", "%2E")  # 'a.b' and 'a_b' stay two


def adjacencies(graph: KnowledgeGraph, *, user_edges: bool = True) -> list[Adjacency]:
    """Each relation forwards and backwards (named '~relation'), in a fixed order."""
    out = []
    for relation in sorted(graph.edges):
        source, name, target = relation
        if not user_edges and "user" in (source, target):
            continue
        index = graph.edges[relation]
        if index.shape[1] == 0:
            continue
        n_source, n_target = len(graph.vocabs[source]), len(graph.vocabs[target])
        ones = np.ones(index.shape[1], np.float32)
        incoming = sparse.csr_matrix((ones, (index[1], index[0])), shape=(n_target, n_source))
        out.append(mean_adjacency(source, name, target, incoming))
        out.append(mean_adjacency(target, "~" + name, source, incoming.T.tocsr()))
    return out


def mean_adjacency(source: str, name: str, target: str, counts: sparse.csr_matrix) -> Adjacency:
    """From edge counts [N_target, N_source]: each row is divided by its sum; empty rows stay 0."""
    degree = np.asarray(counts.sum(1)).ravel()
    scale = np.divide(1.0, degree, out=np.zeros_like(degree), where=degree > 0)
    mean = sparse.diags(scale).dot(counts).tocsr().astype(np.float32)
    return Adjacency(source, name, target, to_csr(mean), to_csr(mean.T.tocsr()))


def to_csr(matrix: sparse.csr_matrix) -> Tensor:
    """A torch CSR tensor of a scipy one."""
    matrix.sort_indices()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls its CSR support "beta" on each construction
        return torch.sparse_csr_tensor(
            torch.from_numpy(matrix.indptr.astype(np.int64)),
            torch.from_numpy(matrix.indices.astype(np.int64)),
            torch.from_numpy(matrix.data.astype(np.float32)),
            size=matrix.shape,
            check_invariants=False,
        )
