"""The assembled model: item tower, sequence transformer, intent; one item and one query vector."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy import sparse
from torch import Tensor, nn

from kg.graph import KnowledgeGraph
from kg.ids import Vocab
from kg.profiles import Profiles
from kg.sequences import Sequences
from models.batch import Batch, history_batches
from models.device import device_of
from models.features import Features
from models.gnn.adjacency import adjacencies
from models.items import ItemTower
from models.people import PeopleQueries
from models.repeat import Past, RepeatBonus
from models.searches import SearchEvents
from models.sequence import CausalTransformer
from models.whitening import Whitening


class ModelConfig(BaseModel):
    """What is learned: sizes and dropouts of the model."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    dim: int = Field(
        0,
        ge=0,
        le=1024,
        description="Width of item and query vectors; 0: 128, or 64 where repeats are counted.",
    )
    layers: int = Field(2, ge=1, le=12, description="Transformer blocks.")
    heads: int = Field(2, ge=1, description="Attention heads; must divide dim.")
    dropout: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Dropout of events and blocks; None: .5, or .4 where items have 50 events each "
        "or more, .2 from 200.",
    )
    item_dropout: float = Field(0.1, ge=0, lt=1, description="Dropout of text and graph parts.")
    id_dropout: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="How often an item's id is hidden; None: .2, or .6 where repeats are counted.",
    )
    warm_count: float = Field(2.0, gt=0, description="k in s(n) = n / (n + k).")
    max_length: int = Field(
        0,
        ge=0,
        le=2048,
        description="Events of a history that are read; 0: as many as three quarters of the "
        "histories have, 50 to 200.",
    )
    text_dim: int = Field(
        256, ge=1, description="Directions kept by the whitening of texts and of named vectors."
    )
    repeats: bool | None = Field(
        None,
        description="Score items that were met before by how often and when; None: where "
        "people meet an item again in at least 5 % of their events.",
    )
    ordered: bool | None = Field(
        None,
        description="Whether the order of a history's events says something; None: as the log "
        "says. Without order each epoch reads a history in a new one, and a query is the mean "
        "over several.",
    )
    searches: bool | None = Field(
        None,
        description="Read searches as events too; None: where at least 1 % of the training events "
        "come right after one.",
    )
    profiles: bool = Field(True, description="Use the table of users, where there is one.")
    user_edges: bool = Field(False, description="Also pass messages along user–item edges.")

    def settled(self, **decided: float | bool) -> ModelConfig:
        """With `decided` wherever the data may decide (0 or None)."""
        left = {name: value for name, value in decided.items() if not self._is_set(name)}
        return self.model_copy(update=left)

    def _is_set(self, name: str) -> bool:
        value = getattr(self, name)
        return value is not None and (value != 0 or name not in ("dim", "max_length"))

    @model_validator(mode="after")
    def _heads_divide_dim(self) -> ModelConfig:
        if self.dim % self.heads:
            raise ValueError(f"heads ({self.heads}) must divide dim ({self.dim})")
        if self.ordered is False and (self.repeats or self.searches):
            raise ValueError("repeats and searches need ordered events")
        return self


SETTLED = {"dim": 128, "dropout": 0.5, "max_length": 50, "id_dropout": 0.2, "ordered": True}
"""What a model has that nobody asked the data for."""


ORDERS = 4
"""In how many orders a history is read that has none of its own."""


class IntentRecommender(nn.Module):
    """Scores by inner product: query(history, intent) · item(text, graph, id, named vectors).

    `graph` must hold training events only; `text` is float32 [N_item, T] from an encoder, zero
    rows for items without text; `intent_dim` is the width of intent embeddings, 0 for none;
    `features` are what else is known, such as vectors of images.
    """

    def __init__(
        self,
        graph: KnowledgeGraph,
        text: np.ndarray,
        config: ModelConfig | None = None,
        *,
        behaviours: int = 1,
        intent_dim: int = 0,
        counts: np.ndarray | None = None,
        whitening: Whitening | None = None,
        features: Features | None = None,
    ) -> None:
        super().__init__()
        self.config = config = (config or ModelConfig()).settled(**SETTLED)
        self.graph = graph
        if counts is None:
            counts = item_counts(graph)
        self.whitening = whitening or Whitening.fit(text, np.flatnonzero(counts), config.text_dim)
        features = features or Features()
        if not config.profiles:
            features = replace(features, users=None)
        self.features = features.fitted(np.flatnonzero(counts), people_met(graph), config.text_dim)
        self.items = ItemTower(
            torch.from_numpy(self.whitening.apply(text)), torch.from_numpy(counts.copy()),
            adjacencies(graph, user_edges=config.user_edges), graph.num_nodes, dim=config.dim,
            dropout=config.item_dropout, id_dropout=config.id_dropout or 0.0,
            warm_count=config.warm_count, extras=self.features.whitened(),
        )  # fmt: skip
        self.sequence = CausalTransformer(
            config.dim,
            config.layers,
            config.heads,
            config.dropout or 0.0,
            config.max_length,
            behaviours,
            config.ordered is not False,
        )
        self.repeat = RepeatBonus(config.dim) if config.repeats else None
        self.intent_dim = intent_dim
        self.intent = nn.Linear(max(intent_dim, 1), config.dim)
        self.intent_gate = nn.Parameter(torch.tensor(0.0))

        self.searches = None
        if config.searches and self.features.queries is not None:
            self.searches = SearchEvents(self.features.queries, self.whitening)
        self.people = None
        if self.features.people is not None:
            self.people = PeopleQueries(
                self.features, graph.vocabs["user"], config.dim, config.item_dropout
            )

    @property
    def trained_items(self) -> Tensor:
        """bool [N]: items with training events; the others are never negatives."""
        return self.items.counts > 0

    @property
    def prior(self) -> Tensor:
        """float32 [N], added to the scores of people of whom nothing but a profile is known: the
        log of how often each item was met in training.
        """
        return (self.items.counts + 1).log()

    def believe_as(self, other: IntentRecommender) -> None:
        """Trust a profile alone as far as validation said of another model of the same data."""
        if self.people is not None and other.people is not None:
            self.people.trust.copy_(other.people.trust)

    def fresh(self, histories: Sequences, queries: np.ndarray) -> np.ndarray:
        """bool [U]: people of whom a profile is all that is known, given their queries [U, D]."""
        if self.people is None:
            return np.zeros(len(histories), bool)
        nothing = histories.lengths == 0
        if self.searches is not None and histories.searches is not None:
            nothing = nothing & (np.diff(histories.searches.offsets) == 0)
        return np.asarray(nothing & queries.any(1))

    def with_prior(
        self, histories: Sequences, queries: np.ndarray, items: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Queries [U, D + 1] and items [N, D + 1] that give `prior` to those who are `fresh`; as
        they were where nobody is.
        """
        fresh = self.fresh(histories, queries)
        if not fresh.any():
            return queries, items
        column = fresh[:, None].astype(np.float32)
        prior = self.prior.numpy(force=True)[:, None]
        return np.hstack([queries, column]), np.hstack([items, prior])

    def forward(self, batch: Batch, items: Tensor, at: Tensor | None = None) -> Tensor:
        """Query vectors [B, L, D] after each event, given item vectors [N, D]; only those after
        the event `at` int64 [B] of each row, [B, 1, D], if that is given.
        """
        told = None if self.searches is None else self.searches(batch, self.items)
        hidden = self.sequence(batch, items, told, at)
        if self.people is not None:
            hidden = self.people.beside(hidden, batch)
        if batch.intent is None or self.intent_dim == 0:
            return hidden
        added = torch.tanh(self.intent_gate) * self.intent(batch.intent)  # [B, D]
        added = added * (batch.intent != 0).any(1, keepdim=True)  # no text, no intent
        place = batch.place
        if place is None:
            place = torch.arange(batch.item.shape[1], device=hidden.device)
        if at is not None:
            place = place.expand(len(at), -1).gather(1, at[:, None])  # [B, 1]
        known = torch.zeros_like(batch.user) if batch.known_from is None else batch.known_from
        return hidden + (place >= known[:, None])[..., None] * added[:, None]

    def events(self, histories: Sequences) -> Sequences:
        """What the model reads of these histories: their item events, and searches if it may."""
        return histories if self.searches is None else self.searches.interleaved(histories)

    @torch.inference_mode()
    def encode_histories(
        self,
        histories: Sequences,
        items: Tensor,
        intent: np.ndarray | None = None,
        profiles: Profiles | None = None,
        searched: np.ndarray | None = None,
    ) -> np.ndarray:
        """Queries float32 [U, D] after the last event of each history; for an empty one what the
        profile says, zero without one.

        `intent` float32 [U, T] are intent embeddings of the same histories; `profiles` [U] are
        told with them, else those of the table count; `searched` float32 [Q, T] are the encoder's
        vectors of the texts that were searched for in them, needed where training knew others.
        """
        self.eval()
        out = np.zeros((len(histories), self.config.dim), np.float32)
        search = None
        if searched is None or self.searches is None:
            events = self.events(histories)
        else:
            events = histories.interleaved(np.arange(len(searched)))
            search = torch.from_numpy(self.whitening.apply(searched))
        for part in self._orders(events):
            out += self._encoded(part, items, intent, profiles, search)
        return out / (1 if self.config.ordered else ORDERS)

    def _orders(self, events: Sequences) -> Iterator[Sequences]:
        """The histories, or the same in `ORDERS` orders where their own means nothing."""
        if self.config.ordered:
            yield events
            return
        for seed in range(ORDERS):
            yield events.shuffled(np.random.default_rng(seed))

    def _encoded(
        self, events: Sequences, items: Tensor, intent: np.ndarray | None,
        profiles: Profiles | None, search: Tensor | None,
    ) -> np.ndarray:  # fmt: skip
        out = np.zeros((len(events), self.config.dim), np.float32)
        for rows, batch in history_batches(events, self.config.max_length, 512):
            batch = replace(batch, search=search)
            if intent is not None and self.intent_dim:
                batch = replace(batch, intent=torch.from_numpy(intent[rows]))
            if profiles is not None:
                batch = replace(batch, profile=profiles.take(rows))
            batch = batch.to(items.device)
            found = self(batch, items, batch.last)[:, 0] * batch.mask.any(1)[:, None]  # [B, D]
            if self.people is not None:
                alone = self.people.trust * self.people(batch)
                found = found + alone * ~batch.mask.any(1)[:, None]
            out[rows] = found.cpu().numpy()
        return out

    @torch.inference_mode()
    def repeat_bonus(
        self, histories: Sequences, queries: np.ndarray, items: Tensor
    ) -> sparse.csr_matrix | None:
        """float32 [U, N], what is added to the score of each history's own items, given its query
        float32 [U, D] and item vectors [N, D]; None for a model that does not count repeats.
        """
        if self.repeat is None:
            return None
        past, parts, place = Past(histories), [], device_of(self)
        items = items.to(place)
        some = np.flatnonzero(histories.lengths)
        for begin in range(0, len(some), 512):
            rows = some[begin : begin + 512]
            met = past.until(histories.offsets[rows + 1] - 1).to(place)
            found = self.repeat(met, torch.from_numpy(queries[rows]).to(place), items)
            row, item, bonus = (x.cpu().numpy() for x in (found.row, found.item, found.bonus))
            parts.append((rows[row], item, bonus))
        shape = (len(histories), histories.num_items)
        if not parts:
            return sparse.csr_matrix(shape, dtype=np.float32)
        user, item, bonus = (np.concatenate(column) for column in zip(*parts, strict=True))
        return sparse.csr_matrix((bonus, (user, item)), shape=shape)

    def gates(self) -> dict[str, float]:
        """How far each part is open: the scalars that a person may read."""
        tower = self.items
        out = {"text": tower.text_gate.item(), "graph": tower.graph_gate.item()}
        out["intent"] = torch.tanh(self.intent_gate).item()
        if tower.extra_gates is not None:
            out |= zip(tower.extra_names, tower.extra_gates.tolist(), strict=True)
        if self.searches is not None:
            out["query"] = self.searches.gate.item()
        if self.people is not None:
            out["user alone"] = self.people.trust.item()
            out |= self.people.tower.gates()
        convs = tower.gnn.to_items.items()
        return out | {
            f"relation {key}": float(conv.get_parameter("gate").item()) for key, conv in convs
        }


def people_met(graph: KnowledgeGraph) -> Vocab | None:
    """The users who have a training event, all where the graph holds none; None without users."""
    users = graph.vocabs.get("user")
    if users is None or not graph.events:
        return users
    met = np.unique(np.concatenate([graph.edges[relation][0] for relation in graph.events]))
    return Vocab(tuple(users.decode(met)), users.name)


def item_counts(graph: KnowledgeGraph) -> np.ndarray:
    """int64 [N_item]: training events per item, as the graph has them (distinct users)."""
    total = np.zeros(len(graph.vocabs["item"]), np.int64)
    for relation in graph.events:
        total += np.bincount(graph.edges[relation][1], minlength=len(total))
    return total
