"""Training as a generator of `EpochReport`: early stop is `break`, logging is `print`."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from kg.build import assert_train_only
from kg.errors import DataError, UsageError
from kg.sequences import Sequences
from kg.split import Split
from models.batch import Batch, Periods, moments, training_batches
from models.losses import draw, full_softmax, sampled_softmax
from models.recommender import IntentRecommender
from models.repeat import PAUSE, Past
from recsys.checkpoint import load_checkpoint, save_checkpoint
from recsys.evaluate import evaluate_queries
from recsys.intents import IntentSignals
from recsys.scoring import SCORE, by_rows, popularity
from recsys.strangers import choose_trust, with_strangers
from recsys.tasks import Tasks


class TrainConfig(BaseModel):
    """How the model learns; nothing about the machine."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    max_epochs: int = Field(
        100, ge=0, description="0: no training, for a model that starts from another."
    )
    patience: int = Field(10, ge=1, description="Epochs without a better validation score.")
    max_minutes: float | None = Field(None, gt=0, description="Stop after this training time.")
    optimiser: Literal["adamw", "sgd"] = "adamw"
    learning_rate: float = Field(1e-3, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    batch_targets: int = Field(
        0,
        ge=0,
        description="Moments a step, each with the items that came next; 0: a 256th of them, 512 "
        "to 8,192 events or 64 to 2,048 ends of visits.",
    )
    target: Literal["next", "visit", "period", "auto"] = Field(
        "auto",
        description="next: the next event; visit: the items of the next visit, asked when one "
        "ends; period: those of as much time as the validation part has; auto: period where the "
        "split is by time, for then nothing of a visit is known when it begins.",
    )
    loss: Literal["auto", "full", "sampled"] = Field(
        "auto", description="auto: full softmax up to 5,000 items, then sampled."
    )
    behaviour_power: float = Field(
        0.0,
        ge=0,
        le=5,
        description="0: every target counts alike; 1: as much as its behaviour is strong (view 1, "
        "cart 2.5, purchase 3); between them its power.",
    )
    behaviour_weights: dict[str, Annotated[float, Field(ge=0)]] = Field(
        {}, description="How much targets of a behaviour count, by its name; overrules the power."
    )
    next_behaviour: float = Field(
        0.0, ge=0, description="Weight of a loss for the kind of the next event; 0: off."
    )
    next_intent: float = Field(
        0.0, ge=0, description="Weight of a loss for the next item's named intents; 0: off."
    )
    negatives: int = Field(500, ge=1, description="Shared negatives of the sampled softmax.")
    average: float = Field(
        0.998,
        ge=0,
        lt=1,
        description="Weights are judged and served as their moving average over "
        "the steps, of this decay; 0: as they are.",
    )
    clip: float = Field(5.0, gt=0, description="Largest norm of the gradient.")


class RunOptions(BaseModel):
    """The machine's side: seed and threads."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    seed: int = Field(0, ge=0, lt=2**31)
    threads: int = Field(0, ge=0, description="Threads of torch; 0: as torch chooses.")


@dataclass(frozen=True)
class EpochReport:
    """One epoch: mean loss, seconds of training, validation metrics (empty without validation).

    Epoch 0 is what a model that starts from another says before any training; its loss is NaN.
    """

    epoch: int
    loss: float
    seconds: float
    metrics: dict[str, float] = field(default_factory=dict)
    best: bool = False

    def __str__(self) -> str:
        told = "  ".join(f"{name} {value:.4f}" for name, value in self.metrics.items())
        mark = " *" if self.best else ""
        if self.epoch == 0:
            return f"before training  {told}{mark}"
        return f"epoch {self.epoch:3d}  loss {self.loss:.4f}  {told}  {self.seconds:.1f} s{mark}"


def train(
    model: IntentRecommender,
    split: Split,
    config: TrainConfig | None = None,
    options: RunOptions | None = None,
    *,
    intents: IntentSignals | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    start: str = "",
) -> Iterator[EpochReport]:
    """Fit `model` to `split.train`, one report an epoch; the best weights are in it at the end.

    "Best" is validation NDCG@10 over all items, those met before masked unless the model counts
    repeats; without validation events it is the last epoch. Each epoch draws from its own (seed,
    epoch) generators, so a resumed run takes the same steps as one that was never stopped. With
    `checkpoint` (a folder) every epoch is saved there; `resume` goes on from it. `start` names what
    the weights come from, if they are not fresh (`WarmStart.source`): they are then judged first,
    as epoch 0, and stay if no later epoch is better. Raises at once,
    before the first epoch: `DataError` if the graph knows later events or too few items,
    `UsageError` for settings that do not fit.
    """
    config, options = config or TrainConfig(), options or RunOptions()
    kinds = model.sequence.behaviour.num_embeddings
    if kinds < len(split.train.behaviours):
        raise UsageError(
            f"The 'behaviours' parameter of IntentRecommender must be at least the number of kinds "
            f"of events, {len(split.train.behaviours)}. Got {kinds} instead."
        )
    assert_train_only(model.graph, split.train)
    if options.threads:
        torch.set_num_threads(options.threads)
    sequences = Sequences.of(split.train)
    if not model.trained_items.numpy()[sequences.item].all():  # its loss would be infinite
        raise DataError("The graph lacks items of the training events: build it from split.train.")
    run = _Run(model, split, sequences, config, intents)
    print_ = run.fingerprint(options) + start
    if resume:
        if checkpoint is None:
            raise UsageError("To resume, say from which checkpoint folder.")
        run.restore(load_checkpoint(Path(checkpoint), print_))
    place = Path(checkpoint) if checkpoint is not None else None
    return _epochs(run, options, place, print_, first=bool(start))


def _epochs(
    run: _Run, options: RunOptions, checkpoint: Path | None, fingerprint: str, *, first: bool
) -> Iterator[EpochReport]:
    try:
        if first and run.done_epochs == 0:
            yield run.before()
        while not run.done():
            report = run.epoch(options.seed)
            if checkpoint is not None:
                save_checkpoint(checkpoint, run.state(), fingerprint)
            yield report
    finally:
        run.finish()


class _Run:
    """The state of one training: weights, optimiser, best so far."""

    def __init__(
        self, model: IntentRecommender, split: Split, sequences: Sequences, config: TrainConfig,
        intents: IntentSignals | None,
    ) -> None:  # fmt: skip
        self.model, self.split, self.sequences, self.config = model, split, sequences, config
        self.intents = intents
        self.tasks = Tasks(model, split.train.behaviours, config)
        self.events = model.events(sequences)
        self.popular = popularity(split.train)
        self.candidates = torch.nonzero(model.trained_items).ravel()  # int64 [M]
        self.periods = target_periods(config, split, sequences)
        few = len(self.candidates) <= (5000 if self.periods is None else 12_500)
        self.full = config.loss == "full" or (config.loss == "auto" and few)
        self.batch_targets = config.batch_targets or self._usual_batch()
        self.past = Past(sequences)
        self.optimiser = _optimiser(model, config)
        self.weights = [p.data for p in model.parameters()]
        self.average = [w.clone() for w in self.weights]
        self.steps = 0
        self.best_state = copy.deepcopy(model.state_dict())
        self.best, self.best_epoch, self.done_epochs, self.seconds = -1.0, 0, 0, 0.0

    def _usual_batch(self) -> int:
        """A 256th of the moments of an epoch, within reason."""
        if self.periods is not None:
            begin, stop = self.periods
            return int(np.clip((begin < stop).sum() // 256, 64, 2048))
        total = int(np.clip(self.events.lengths - 1, 0, self.model.config.max_length).sum())
        return int(np.clip(total // 256, 512, 8192))

    def done(self) -> bool:
        config = self.config
        if (self.events.lengths < 2).all():
            return True  # nobody has two events: there is no next item to learn from
        if self.done_epochs >= config.max_epochs:
            return True
        if config.max_minutes is not None and self.seconds >= 60 * config.max_minutes:
            return True
        waited = self.done_epochs - self.best_epoch
        return bool(self.split.valid.has_item.any()) and waited >= config.patience

    def before(self) -> EpochReport:
        """The weights as they came, as epoch 0; `best_state` holds them already."""
        metrics = self.validate()
        self.best = metrics.get(SCORE, 0.0)
        return EpochReport(0, float("nan"), 0.0, metrics, True)

    def epoch(self, seed: int) -> EpochReport:
        number = self.done_epochs + 1
        rng = np.random.default_rng([seed, number])
        started = time.perf_counter()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**31)))
            loss = self._learn(rng)
        seconds = time.perf_counter() - started
        self.done_epochs, self.seconds = number, self.seconds + seconds
        with self._averaged():
            metrics = self.validate()
            score = metrics.get(SCORE, float(number))
            if better := score > self.best:
                self.best, self.best_epoch = score, number
                self.best_state = copy.deepcopy(self.model.state_dict())
        return EpochReport(number, loss, seconds, metrics, better)

    def _learn(self, rng: np.random.Generator) -> float:
        self.model.train()
        total, steps = 0.0, 0
        batches = training_batches(
            self.events, self.model.config.max_length, self.batch_targets, rng, self.periods
        )
        for batch in batches:
            if not batch.target.any():
                continue
            loss = self._loss(self._with_intent(batch, rng), rng)
            self.optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
            self.optimiser.step()
            self._follow()
            total, steps = total + loss.item(), steps + 1
        return total / max(steps, 1)

    def _follow(self) -> None:
        """The average moves towards the weights, quickly at first."""
        self.steps += 1
        decay = min(self.config.average, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.average, self.weights, 1 - decay)

    @contextlib.contextmanager
    def _averaged(self) -> Iterator[None]:
        """The model with its averaged weights, and afterwards with its own again."""
        if self.config.average == 0:
            yield
            return
        self._put(self.average)
        try:
            yield
        finally:
            self._put(self.weights)

    def _put(self, weights: list[Tensor]) -> None:
        for parameter, value in zip(self.model.parameters(), weights, strict=True):
            parameter.data = value

    def _loss(self, batch: Batch, rng: np.random.Generator) -> Tensor:
        met = None
        if self.model.repeat is not None:
            met = self.past.until(moments(batch, self.events))
        wanted = batch.wanted
        if self.full:
            items, prior = self.model.items().vector, self.model.prior  # [N, D]
        else:
            drawn = self.candidates[draw(self.config.negatives, len(self.candidates), rng)]
            parts = [batch.item.ravel(), wanted.item, drawn]
            parts += [] if met is None else [met.item]
            rows, at = torch.unique(torch.cat(parts), return_inverse=True)  # only these are needed
            history, positive, negative, *own = at.split([len(part) for part in parts])
            batch = replace(batch, item=history.view_as(batch.item))
            wanted = replace(wanted, item=positive)
            met = replace(met, item=own[0]) if met is not None else None
            items, prior = self.model.items(rows).vector, self.model.prior[rows]  # [R, D]
        hidden = self.model(batch, items)  # [B, L, D]
        query = hidden[batch.target]  # [P, D]
        repeats = None
        if self.model.repeat is not None and met is not None:
            repeats = self.model.repeat(met, query, items)
        query, wanted, items = with_strangers(self.model, batch, query, wanted, items, prior)
        row, positive, weight = wanted.row, wanted.item, self.tasks.weight(wanted)
        if self.full:
            allowed = self.model.trained_items
            loss = full_softmax(query, items, positive, allowed, repeats, weight, row)
        else:
            count = len(self.candidates)
            loss = sampled_softmax(query, items, positive, negative, count, repeats, weight, row)
        return loss + self.tasks.loss(batch, hidden)

    def _with_intent(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """One of each user's verbalised prefixes; its text is known only from where it ends."""
        if self.intents is None or not self.model.intent_dim:
            return batch
        signals, user = self.intents, batch.user.numpy()
        low = np.searchsorted(signals.user, user, side="left")
        high = np.searchsorted(signals.user, user, side="right")
        pick = low + (rng.random(len(user)) * (high - low)).astype(np.int64)
        has = high > low
        pick = np.where(has, pick, 0)
        vectors = torch.from_numpy(signals.prefix[pick] * has[:, None])
        known = torch.from_numpy(np.where(has, signals.at[pick] - 1, 10**9)) - batch.start
        return replace(batch, intent=vectors, known_from=known)

    def validate(self) -> dict[str, float]:
        """NDCG@10 and HR@10 on the validation events, from what came before them.

        Items met before are ranked where the model counts repeats, and masked where it does not.
        """
        if not self.split.valid.has_item.any():  # empty, or searches only
            return {}
        self.model.eval()
        with torch.inference_mode():
            items = self.model.items().vector
        valid = self.intents.valid if self.intents is not None else None
        queries = self.model.encode_histories(self.sequences, items, valid)
        vectors, mixed = items.numpy(), self.model.repeat is not None
        report = evaluate_queries(
            queries, vectors, self.sequences, self.split.valid, ks=(10,), batch=1024,
            filter_seen=not mixed, strangers=self.popular,
            added=by_rows(self.model, None, self.sequences, queries, vectors, mixed=mixed),
        )  # fmt: skip
        return {name: report.metrics[name] for name in (SCORE, "hr@10")}

    def fingerprint(self, options: RunOptions) -> str:
        """What must be equal for a resume to mean anything."""
        shape = {k: list(v.shape) for k, v in self.model.state_dict().items()}
        kept = self.config.model_dump(exclude={"max_epochs", "max_minutes", "patience"})
        train, digest = self.split.train, hashlib.sha256()
        read = self.events.item  # with the searches that are read
        for column in (train.user, train.item, train.behaviour, train.time, read):
            digest.update(b"" if column is None else column.tobytes())
        data = [len(train), digest.hexdigest()]
        return json.dumps([self.model.config.model_dump(), kept, options.seed, data, shape])

    def state(self) -> dict[str, object]:
        """Everything a resume needs."""
        return {
            "weights": self.model.state_dict(), "best_weights": self.best_state,
            "average": {str(n): value for n, value in enumerate(self.average)}, "steps": self.steps,
            "optimiser": self.optimiser.state_dict(), "best": self.best,
            "best_epoch": self.best_epoch, "epochs": self.done_epochs, "seconds": self.seconds,
        }  # fmt: skip

    def restore(self, state: dict) -> None:
        """Take up a saved state."""
        self.model.load_state_dict(state["weights"])
        self.best_state = state["best_weights"]
        for n, value in enumerate(self.average):
            value.copy_(state["average"][str(n)])
        self.steps = state["steps"]
        self.optimiser.load_state_dict(state["optimiser"])
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.done_epochs, self.seconds = state["epochs"], state["seconds"]

    def finish(self) -> None:
        """The best weights, ready to serve."""
        self.model.load_state_dict(self.best_state)
        self.model.eval()
        choose_trust(self.model, self.sequences, self.split.valid)


def target_periods(config: TrainConfig, split: Split, sequences: Sequences) -> Periods | None:
    """What follows each visit, or None where the target is the next event."""
    kind = config.target
    if kind == "auto":
        kind = "period" if split.by_time else "next"
    if kind == "next":
        return None
    times = split.valid.time
    length = float(np.ptp(times)) if kind == "period" and times is not None and len(times) else 0.0
    return sequences.periods(PAUSE, length)


def _optimiser(model: IntentRecommender, config: TrainConfig) -> torch.optim.Optimizer:
    if config.optimiser == "sgd":
        return torch.optim.SGD(model.parameters(), lr=config.learning_rate, momentum=0.9,
                               weight_decay=config.weight_decay)  # fmt: skip
    return torch.optim.AdamW(model.parameters(), lr=config.learning_rate, betas=(0.9, 0.98),
                             weight_decay=config.weight_decay, fused=True)  # fmt: skip
