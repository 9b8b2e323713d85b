"""A person's profile as a query: what their attributes and vectors say before any event does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kg.ids import Vocab
from kg.profiles import Profiles
from models.batch import Batch
from models.dropout import Dropout
from models.features import Features


class ProfileTower(nn.Module):
    """p = norm(start + Σ_a e_a / √n + Σ_m g_m P_m x_m), [B, D]; 0 where nothing is known.

    e_a are embeddings of the n attribute values that a person has, x_m whitened vectors. `gate` is
    for whoever adds p to the query of a history: it starts at 0.
    """

    def __init__(
        self, num_values: int, widths: Mapping[str, int], dim: int, dropout: float
    ) -> None:
        super().__init__()
        self.value = nn.Embedding(num_values, dim)
        self.names, self.widths = tuple(widths), list(widths.values())
        self.project = nn.Linear(sum(self.widths), dim, bias=False) if widths else None
        self.vector_gates = nn.Parameter(torch.ones(len(widths))) if widths else None
        self.start = nn.Parameter(torch.zeros(dim))
        self.gate = nn.Parameter(torch.tensor(0.0))
        self.norm = nn.LayerNorm(dim)
        self.dropout = Dropout(dropout)
        nn.init.normal_(self.value.weight, std=0.02)
        if self.project is not None:
            nn.init.normal_(self.project.weight, std=0.02)

    def forward(self, profiles: Profiles) -> Tensor:
        """[B, D]; the vectors must be whitened."""
        place = self.start.device
        known = torch.from_numpy(profiles.known).to(place)
        x = self.start.expand(len(profiles), -1)
        if len(self.value.weight):
            x = x + self._attributes(profiles)
        if self.project is not None and self.vector_gates is not None:
            blocks = self.project.weight.split(self.widths, 1)
            for gate, name, weight in zip(self.vector_gates, self.names, blocks, strict=True):
                vector = torch.from_numpy(profiles.vectors[name]).to(place)
                vector = vector * weight.shape[1] ** -0.5
                x = x + gate * F.linear(vector, weight)
        return self.dropout(self.norm(x)) * known[:, None]

    def _attributes(self, profiles: Profiles) -> Tensor:
        counts = np.diff(profiles.offsets)
        scale = np.repeat(np.maximum(counts, 1) ** -0.5, counts).astype(np.float32)
        value, begin, share = (
            torch.from_numpy(part).to(self.start.device)
            for part in (profiles.value, profiles.offsets[:-1], scale)
        )
        return F.embedding_bag(
            value, self.value.weight, begin, mode="sum", per_sample_weights=share
        )  # fmt: skip

    def gates(self) -> dict[str, float]:
        """How far the profile is open beside a history, and each vector within it."""
        out = {"user": torch.tanh(self.gate).item()}
        if self.vector_gates is not None:
            told = zip(self.names, self.vector_gates.tolist(), strict=True)
            out |= {f"user {name}": gate for name, gate in told}
        return out


class PeopleQueries(nn.Module):
    """What profiles add to queries: trust · p is the query of someone without a history, and
    tanh(gate) · p is added to that of a history.

    `trust` in [0, 1] is chosen on validation (`recsys.training.strangers`): at 0 a profile says
    nothing.
    """

    trust: Tensor

    def __init__(self, features: Features, users: Vocab, dim: int, dropout: float) -> None:
        super().__init__()
        people = features.people
        assert people is not None
        self.profiles = features.whitened_profiles(people.profiles)
        self.ids = people.ids
        self.row = people.ids.encode(users.ids, missing="negative")  # of each user of the log
        widths = {name: x.shape[1] for name, x in self.profiles.vectors.items()}
        self.register_buffer("trust", torch.tensor(1.0))
        self.tower = ProfileTower(people.num_values, widths, dim, dropout)

    def told(self, user: object) -> Profiles | None:
        """The profile [1] of someone in the table, None for others."""
        row = self.ids.encode([user], missing="negative")
        return self.profiles.take(row) if row[0] >= 0 else None

    def told_of(self, users: Sequence[object]) -> Profiles:
        """The profiles [U] of these people; of who is not in the table nothing is known."""
        return self.profiles.take(self.ids.encode(users, missing="negative"))

    def of(self, batch: Batch) -> Profiles:
        """What is known of the people of a batch: what was told with it, else the table."""
        if batch.profile is not None:
            return batch.profile
        if batch.who is None:
            return self.profiles.take(np.full(len(batch.user), -1))
        who = batch.who.cpu().numpy()
        return self.profiles.take(np.where(who >= 0, self.row[who], -1))

    def forward(self, batch: Batch) -> Tensor:
        """p [B, D]."""
        return self.tower(self.of(batch))

    def beside(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Queries [B, L, D] with what is known of the person."""
        return hidden + torch.tanh(self.tower.gate) * self(batch)[:, None]
