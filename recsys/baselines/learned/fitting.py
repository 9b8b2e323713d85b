"""What the learned baselines share: settings, one training loop, and scoring by inner product.

`Learned` is what each of them is; a model's own file holds its network and its loss.
"""

from __future__ import annotations

import copy
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar, Generic, Self, TypeVar

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import Split
from models.device import drawing
from recsys.baselines.base import finish, history_matrix, popularity_scores, training_matrix
from recsys.judging.evaluate import SCORE, ScoreFn, evaluate_scores
from recsys.training.train import EpochReport

Steps = Callable[[np.random.Generator], Iterator[Tensor]]
"""One epoch: the loss of each step, a scalar that the loop descends before it asks for the next."""
Tell = Callable[[EpochReport], object]
"""What `fit` calls after each epoch, for instance `print`."""


NetworkT = TypeVar("NetworkT", bound=nn.Module)
ConfigT = TypeVar("ConfigT", bound=BaseModel)


class FitConfig(BaseModel):
    """How a learned baseline is trained; its shape has settings of its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    max_epochs: int = Field(200, ge=1)
    patience: int = Field(10, ge=1, description="Epochs without a better validation score.")
    max_minutes: float | None = Field(None, gt=0, description="Stop after this training time.")
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0, description="Decoupled, as AdamW has it.")
    batch: int = Field(2048, ge=1, description="About how many targets one step learns from.")
    seed: int = Field(0, ge=0, lt=2**31)
    threads: int = Field(0, ge=0, description="Threads of torch; 0: as torch chooses.")


def run_epochs(
    module: nn.Module, steps: Steps, score: ScoreFn, split: Split, config: FitConfig
) -> Iterator[EpochReport]:
    """Train `module` by AdamW, one report an epoch; the best weights are in it at the end.

    "Best" is validation NDCG@10 over all items, seen ones masked, from the training events alone;
    without validation events it is the last epoch. Every epoch draws from its own (seed, epoch)
    generators. Ends after `patience` epochs without a better one, `max_minutes` of training, or at
    once if there is nothing to learn from. A caller may `break`: the best weights are kept.
    """
    optimiser = torch.optim.AdamW(
        module.parameters(), config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    state, best, best_epoch, spent = copy.deepcopy(module.state_dict()), -1.0, 0, 0.0
    try:
        for number in range(1, config.max_epochs + 1):
            rng = np.random.default_rng([config.seed, number])
            started = time.perf_counter()
            with threads(config.threads):
                loss = _learn(module, steps, optimiser, rng)
                seconds = time.perf_counter() - started
                metrics = _validate(score, split) if loss is not None else {}
            if loss is None:
                return
            spent += seconds
            value = metrics.get(SCORE, float(number))
            if better := value > best:
                state, best, best_epoch = copy.deepcopy(module.state_dict()), value, number
            yield EpochReport(number, loss, seconds, metrics, better)
            late = config.max_minutes is not None and spent >= 60 * config.max_minutes
            if late or (metrics and number - best_epoch >= config.patience):
                return
    finally:
        module.load_state_dict(state)
        module.eval()


def follow(reports: Iterator[EpochReport], tell: Tell | None) -> None:
    """Train to the end; `tell` hears each report."""
    for report in reports:
        if tell is not None:
            tell(report)


def _learn(
    module: nn.Module, steps: Steps, optimiser: torch.optim.Optimizer, rng: np.random.Generator
) -> float | None:
    """The mean loss of the steps, or None if there was none."""
    module.train()
    losses = []
    with drawing(int(rng.integers(2**31))):
        for loss in steps(rng):
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
    module.eval()
    return float(np.mean(losses)) if losses else None


def _validate(score: ScoreFn, split: Split) -> dict[str, float]:
    known, target = split.part("valid")
    if not target.has_item.any():
        return {}
    report = evaluate_scores(score, Sequences.of(known), target, ks=(10,), batch=1024)
    return {name: report.metrics[name] for name in (SCORE, "hr@10")}


@contextmanager
def threads(count: int) -> Iterator[None]:
    """So many threads of torch inside (0: as they are), the former number outside."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def as_split(data: Split | EventLog) -> Split:
    """A bare log is a split without validation and test."""
    if isinstance(data, Split):
        return data
    training_matrix(data)  # a log without items is refused here, with the words of the others
    none = data.take(np.zeros(0, np.int64))
    return Split(data, none, none)


@dataclass(frozen=True, eq=False)
class TrainedItems:
    """The M of N items that have training events: a network has vectors for these alone.

    known: int64 [M]. popularity: float32 [N], -inf for the others.
    """

    known: np.ndarray
    popularity: np.ndarray

    @classmethod
    def of(cls, log: EventLog) -> TrainedItems:
        """`DataError` if nobody touched any item."""
        training_matrix(log)
        counts = log.item_counts()
        return cls(np.flatnonzero(counts), popularity_scores(counts))

    def __len__(self) -> int:
        return len(self.known)

    def encode(self, histories: Sequences) -> Sequences:
        """The histories numbered 0 to M - 1, without the events of other items.

        `UsageError` if they are over another number of items than the fit was.
        """
        history_matrix(histories, len(self.popularity))
        code = np.full(len(self.popularity), -1, np.int64)
        code[self.known] = np.arange(len(self.known))
        item = code[histories.item]
        keep = item >= 0
        row = histories.row[keep]
        counts = np.bincount(row, minlength=len(histories))
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        time_ = None if histories.time is None else histories.time[keep]
        return Sequences(offsets, item[keep], histories.behaviour[keep], time_, len(self.known))

    def scores(
        self, query: Tensor, item: Tensor, empty: np.ndarray, bias: Tensor | None = None
    ) -> np.ndarray:
        """float32 [U, N] of query [U, D] times item [M, D] (plus bias [M]); see `finish`."""
        known = query @ item.T if bias is None else torch.addmm(bias, query, item.T)
        scores = np.full((len(query), len(self.popularity)), -np.inf, np.float32)
        scores[:, self.known] = known.numpy()
        return finish(scores, empty, self.popularity)


@dataclass(frozen=True, eq=False)
class Learned(ABC, Generic[NetworkT, ConfigT]):
    """A network, the items it has vectors for, and its shape; `defaults` is how it is trained."""

    network: NetworkT
    items: TrainedItems
    config: ConfigT
    defaults: ClassVar[FitConfig]

    @abstractmethod
    def steps(self, sequences: Sequences, batch: int) -> Steps:
        """An epoch over training histories of encoded items, about `batch` targets a step."""

    @abstractmethod
    def scores(self, histories: Sequences) -> np.ndarray:
        """float32 [U, N]."""

    def train(self, split: Split, fitting: FitConfig | None = None) -> Iterator[EpochReport]:
        """One report an epoch, as `run_epochs` says; `split.train` is the log it was made for."""
        fitting = fitting or self.defaults
        steps = self.steps(self.items.encode(Sequences.of(split.train)), fitting.batch)
        return run_epochs(self.network, steps, self.scores, split, fitting)


class LearnedFromLog(Learned[NetworkT, ConfigT]):
    """One that a log and settings are enough for."""

    @classmethod
    @abstractmethod
    def untrained(cls, log: EventLog, config: ConfigT | None = None, seed: int = 0) -> Self:
        """The model at its first weights: `train` or `network.load_state_dict` gives it others."""

    @classmethod
    def fit(
        cls, data: Split | EventLog, config: ConfigT | None = None,
        fitting: FitConfig | None = None, tell: Tell | None = None,
    ) -> Self:  # fmt: skip
        """Trained on the training events; `tell` hears each epoch, validation chooses one."""
        split, fitting = as_split(data), fitting or cls.defaults
        model = cls.untrained(split.train, config, fitting.seed)
        follow(model.train(split, fitting), tell)
        return model
