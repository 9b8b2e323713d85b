"""Item vectors from the facts around an item; users by what they take from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from scipy import sparse
from torch import Tensor, nn
from torch.nn import functional as F

from kg.errors import DataError
from kg.events import EventLog
from kg.graph import KnowledgeGraph
from kg.sequences import Sequences
from kg.split import Split
from models.device import drawing
from models.dropout import Dropout
from models.gnn.adjacency import Adjacency, to_csr
from models.gnn.relational import RelationalConv
from models.losses import draw, sampled_softmax
from recsys.baselines.learned.fitting import (
    FitConfig,
    Learned,
    Steps,
    Tell,
    TrainedItems,
    as_split,
    follow,
)
from recsys.baselines.learned.pairs import Pairs, bpr, history_sum

DEFAULTS = FitConfig(learning_rate=1e-3, batch=4096)


class KGINConfig(BaseModel):
    """Depth, intents and loss."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    dim: int = Field(64, ge=1)
    hops: int = Field(2, ge=1)
    intents: int = Field(4, ge=1, description="Mixtures of relations that a user may follow.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Of the vectors of each hop.")
    negatives: int = Field(500, ge=0, description="Of a sampled softmax; 0: BPR with one.")
    l2: float = Field(1e-5, ge=0, description="On the vectors that a step compares.")


def fact_adjacencies(graph: KnowledgeGraph) -> list[Adjacency]:
    """Each relation of facts between things other than users, forwards and backwards ('~name').

    Entry [t, s] is 1 / (neighbours of t over all these relations), so that their sum is one mean.
    """
    counts: dict[tuple[str, str, str], sparse.csr_matrix] = {}
    for relation in graph.fact_relations:
        source, name, target = relation
        head, tail = graph.edges[relation]
        if "user" in (source, target) or len(head) == 0:
            continue
        shape = (len(graph.vocabs[target]), len(graph.vocabs[source]))
        edges = sparse.csr_matrix((np.ones(len(head), np.float32), (tail, head)), shape=shape)
        counts[relation] = edges
        counts[(target, "~" + name, source)] = edges.T.tocsr()
    degree = {kind: np.zeros(n) for kind, n in graph.num_nodes.items()}
    for (_, _, target), edges in counts.items():
        degree[target] += np.asarray(edges.sum(1)).ravel()
    out = []
    for (source, name, target), edges in counts.items():
        mean = (sparse.diags(1 / np.maximum(degree[target], 1)) @ edges).tocsr()
        out.append(Adjacency(source, name, target, to_csr(mean), to_csr(mean.T.tocsr())))
    return out


class KGINNetwork(nn.Module):
    """One vector per node; hop l: e_t^(l) = norm(drop(Σ_{(s, r) near t} r ⊙ e_s^(l-1) / |near t|)).

    r is one vector per relation and direction, the gate of a torch-geometric `RelationalConv`,
    shared by the hops. A user goes with the items:
    u^(l) = norm(drop(m^(l-1) ⊙ (1 + Σ_p a_p i_p))), m^(l) the mean of e^(l) over the history,
    a = softmax(u^(l-1) · z_p), intent i_p = Σ_r softmax(w_p)_r r, and u^(0) = m^(0).
    """

    def __init__(self, graph: KnowledgeGraph, config: KGINConfig) -> None:
        super().__init__()
        self.adjacencies, self.hops = fact_adjacencies(graph), config.hops
        self.kinds = sorted({"item", *(a.source for a in self.adjacencies)})
        self.node = nn.ParameterList(_vectors(graph.num_nodes[k], config.dim) for k in self.kinds)
        self.relation = nn.ModuleDict({a.key: RelationalConv() for a in self.adjacencies})
        for conv in self.relation.values():
            conv.gate = nn.Parameter(_vectors(1, config.dim).detach()[0])
        self.mixture = _vectors(config.intents, len(self.relation))  # w
        self.intent = _vectors(config.intents, config.dim)  # z
        self.dropout = Dropout(config.dropout)

    def forward(self) -> list[Tensor]:
        """e^(0) to e^(hops) of the items, each [N, D]."""
        states: dict[str, Tensor] = dict(zip(self.kinds, self.node, strict=True))
        layers = [states["item"]]
        for _ in range(self.hops):
            told = {kind: torch.zeros_like(x) for kind, x in states.items()}
            for near in self.adjacencies:
                heard = self.relation[near.key](states[near.source], near)
                told[near.target] = told[near.target] + heard
            states = {kind: F.normalize(self.dropout(x)) for kind, x in told.items()}
            layers.append(states["item"])
        return layers

    def users(self, means: list[Tensor]) -> Tensor:
        """m^(0) to m^(hops - 1), each [U, D], to Σ_l u^(l), [U, D]."""
        gates: list[Tensor] = [conv.get_parameter("gate") for conv in self.relation.values()]
        wanted = torch.zeros_like(self.intent)  # [I, D]
        if gates:
            wanted = self.mixture.softmax(1) @ torch.stack(gates)
        user = total = means[0]
        for mean in means:
            share = (user @ self.intent.T).softmax(1)  # [U, I]
            user = F.normalize(self.dropout(mean * (1 + share @ wanted)))
            total = total + user
        return total


def _vectors(rows: int, columns: int) -> nn.Parameter:
    """[rows, columns], drawn from the uniform range of Xavier."""
    values = torch.empty(rows, columns)
    return nn.Parameter(nn.init.xavier_uniform_(values) if values.numel() else values)


@dataclass(frozen=True, eq=False)
class KGIN(Learned[KGINNetwork, KGINConfig]):
    """score_j = (Σ_l u^(l)) · (Σ_l e_j^(l)), with u and e of `KGINNetwork`.

    After Wang et al., Learning intents behind interactions with knowledge graph for recommendation,
    2021, made to train on a CPU and to score any history. As there: relation vectors multiply the
    messages, hops are normalised and summed, a user mixes intents, which are mixtures of relations.
    Otherwise here: a user has no vector of its own but is the mean of its items (the target left
    out while it is learned), the loss is a sampled softmax (`negatives=0`: their BPR) plus
    l2 / 2 (|u|² + |e_i|² + |e_j|²) a pair, edges are not dropped, and intents are not driven apart
    by a penalty (theirs weighs 1e-4). Only facts are read from the graph: events come from the log.
    -inf for an item without training events; a history without a known item is scored by
    popularity.
    """

    defaults = DEFAULTS
    name: str = "KGIN"

    @classmethod
    def fit(
        cls, data: Split | EventLog, graph: KnowledgeGraph, config: KGINConfig | None = None,
        fitting: FitConfig | None = None, tell: Tell | None = None,
    ) -> KGIN:  # fmt: skip
        """Trained on the training events; `tell` hears each epoch, validation chooses one."""
        split, fitting = as_split(data), fitting or DEFAULTS
        model = cls.untrained(split.train, graph, config, fitting.seed)
        follow(model.train(split, fitting), tell)
        return model

    @classmethod
    def untrained(
        cls, log: EventLog, graph: KnowledgeGraph, config: KGINConfig | None = None, seed: int = 0
    ) -> KGIN:
        """The model at its first weights: `train` or `network.load_state_dict` gives it others."""
        if graph.vocabs.get("item") != log.items:
            raise DataError("The graph and the events of KGIN must number the same items.")
        items, config = TrainedItems.of(log), config or KGINConfig()
        with drawing(seed):
            return cls(KGINNetwork(graph, config).eval(), items, config)

    def steps(self, sequences: Sequences, batch: int) -> Steps:
        return partial(_steps, self, Pairs.of(sequences), batch)

    @torch.inference_mode()
    def scores(self, histories: Sequences) -> np.ndarray:
        """float32 [U, N]."""
        known = self.items.encode(histories)
        query, item = self.vectors(lambda layer: history_sum(known, layer, 1.0))
        return self.items.scores(query, item, known.lengths == 0)

    def vectors(self, mean: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
        """(users [U, D], items [M, D]); `mean` takes a layer [M, D] to its means [U, D]."""
        known = torch.from_numpy(self.items.known)
        layers = [layer[known] for layer in self.network()]
        return self.network.users([mean(layer) for layer in layers[:-1]]), sum(
            layers[1:], layers[0]
        )


def _steps(model: KGIN, pairs: Pairs, batch: int, rng: np.random.Generator) -> Iterator[Tensor]:
    """The loss of each batch of one epoch."""
    config = model.config
    for held in pairs.held_out(batch, rng):
        query, items = model.vectors(held.others)  # [P, D], [M, D]
        good, bad = items[held.item], items[held.negative]
        if config.negatives == 0:
            loss = bpr((query * good).sum(1), (query * bad).sum(1))
        else:
            drawn = draw(config.negatives, len(items), rng)
            loss = sampled_softmax(query, items, held.item, drawn, len(items))
        size = sum(part.square().sum() for part in (query, good, bad)) / len(held.item)
        yield loss + config.l2 / 2 * size
