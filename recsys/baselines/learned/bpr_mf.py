"""Factors that rank what a person touched above what that person did not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from kg.events import EventLog
from kg.sequences import Sequences
from models.device import drawing
from recsys.baselines.learned.fitting import FitConfig, LearnedFromLog, Steps, TrainedItems
from recsys.baselines.learned.pairs import Pairs, bpr, history_sum

DEFAULTS = FitConfig(learning_rate=1e-3, batch=2048)


class BPRConfig(BaseModel):
    """Width and penalty."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    dim: int = Field(64, ge=1)
    power: float = Field(0.5, ge=0, le=1, description="0: sum over the history, 1: mean.")
    l2: float = Field(1e-3, ge=0, description="On the vectors that a step compares.")


class BPRNetwork(nn.Module):
    """p [M, D], how an item speaks in a history; q [M, D] and b [M], how it is recommended."""

    def __init__(self, items: int, dim: int) -> None:
        super().__init__()
        self.source = nn.Parameter(torch.randn(items, dim) * 0.1)
        self.target = nn.Parameter(torch.randn(items, dim) * 0.1)
        self.bias = nn.Parameter(torch.zeros(items))


@dataclass(frozen=True, eq=False)
class BPRMF(LearnedFromLog[BPRNetwork, BPRConfig]):
    """score_j = (Σ_{i in H} p_i / |H|^power) · q_j + b_j, H the distinct items of the history.

    The criterion is that of Rendle et al., BPR: Bayesian personalized ranking from implicit
    feedback, 2009: mean of -log sigmoid(s_i - s_j) over the pairs (u, i) of the log, j drawn among
    what u did not touch, plus l2 / 2 (|h|² + |q_i|² + |q_j|² + b_i² + b_j²) a pair. Their free
    vector per user could not score the history of a stranger, so a user is a history here, without
    i while i is the target (FISM; Kabbur, Ning and Karypis 2013): not quite what papers call
    "BPR-MF". -inf for an item without training events; a history without a known item is scored by
    popularity.
    """

    defaults = DEFAULTS
    name: str = "BPR-MF"

    @classmethod
    def untrained(cls, log: EventLog, config: BPRConfig | None = None, seed: int = 0) -> Self:
        """The model at its first weights: `train` or `network.load_state_dict` gives it others."""
        items, config = TrainedItems.of(log), config or BPRConfig()
        with drawing(seed):
            return cls(BPRNetwork(len(items), config.dim), items, config)

    def steps(self, sequences: Sequences, batch: int) -> Steps:
        return partial(_steps, self, Pairs.of(sequences), batch)

    @torch.inference_mode()
    def scores(self, histories: Sequences) -> np.ndarray:
        """float32 [U, N]."""
        known, network = self.items.encode(histories), self.network
        query = history_sum(known, network.source, self.config.power)
        return self.items.scores(query, network.target, known.lengths == 0, network.bias)


def _steps(model: BPRMF, pairs: Pairs, batch: int, rng: np.random.Generator) -> Iterator[Tensor]:
    """The loss of each batch of one epoch."""
    network, config = model.network, model.config
    for held in pairs.held_out(batch, rng):
        query = held.others(network.source, config.power)  # [P, D]
        good, bad = network.target[held.item], network.target[held.negative]
        biases = network.bias[held.item], network.bias[held.negative]
        loss = bpr((query * good).sum(1) + biases[0], (query * bad).sum(1) + biases[1])
        size = sum(part.square().sum() for part in (query, good, bad, *biases)) / len(held.item)
        yield loss + config.l2 / 2 * size
