"""Training as a generator of `EpochReport`: early stop is `break`, logging is `print`."""

from __future__ import annotations

import copy
import hashlib
import json
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from kg.building.build import assert_train_only
from kg.errors import DataError, UsageError
from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import Split
from models.batch import groups_per_epoch, training_groups
from models.device import drawing
from models.recommender import IntentRecommender
from recsys.intent.signals import IntentSignals
from recsys.judging.evaluate import SCORE, evaluate_rows, some_users
from recsys.partners import Partners, scorer
from recsys.partners.popular import choose_recency
from recsys.training.checkpoint import load_checkpoint, save_checkpoint
from recsys.training.objective import Objective
from recsys.training.optimise import (
    Updates,
    deterministic,
    learning_device,
    short_products,
    sparse_gradients,
)
from recsys.training.settings import RunOptions, TrainConfig
from recsys.training.strangers import choose_trust

NEW = "ndcg@10 new"
"""Beside NDCG@10 in lists with items met before: the same in lists without them."""

JUDGED, SCORED = 5000, 5_000_000_000
"""An epoch is judged by all people, but where that makes more than so many scores by so many that
it doesn't, drawn, and by no fewer than `JUDGED`."""


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
    epochs: int | None = None,
) -> Generator[EpochReport, None, int]:
    """Fit `model` to `split.train`, one report an epoch; the best weights are in it at the end, and
    the number of their epoch is what the generator returns (see `follow`).

    "Best" is validation NDCG@10 over all items, those met before masked; where the model counts
    repeats, the mean of that and of NDCG@10 with them; without validation events the last epoch.
    Each epoch draws from its own (seed, epoch) generators, so a resumed run takes the same steps as
    one that was never stopped. With `checkpoint` (a folder) every epoch is saved there; `resume`
    goes on from it. `start` names what the weights come from, if they are not fresh
    (`WarmStart.source`): they are then judged first, as epoch 0, and stay if no later epoch is
    better. `epochs` ends it before `max_epochs`, with the learning rate planned for those.
    Raises at once, before the first epoch: `DataError` if the graph knows later events or
    too few items, `UsageError` for settings that do not fit.
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
    trained = model.trained_items.numpy(force=True)
    if not trained[sequences.item].all():  # its loss would be infinite
        raise DataError("The graph lacks items of the training events: build it from split.train.")
    model.to(learning_device(options))
    run = _Run(model, split, sequences, config, options, intents, epochs)
    print_ = run.fingerprint() + start
    if resume:
        if checkpoint is None:
            raise UsageError("To resume, say from which checkpoint folder.")
        run.restore(load_checkpoint(Path(checkpoint), print_))
    place = Path(checkpoint) if checkpoint is not None else None
    return _epochs(run, place, print_, first=bool(start))


def _epochs(
    run: _Run, checkpoint: Path | None, fingerprint: str, *, first: bool
) -> Generator[EpochReport, None, int]:
    try:
        if first and run.done_epochs == 0:
            yield run.before()
        while not run.done():
            with deterministic(run.options.deterministic):
                report = run.epoch()
            if checkpoint is not None:
                save_checkpoint(checkpoint, run.state(), fingerprint)
            yield report
    finally:
        run.finish()
    return run.best_epoch


def best_of(reports: Sequence[EpochReport]) -> EpochReport | None:
    """The report of the epoch whose weights were kept; None where there is none."""
    return next((report for report in reversed(reports) if report.best), None)


def follow(steps: Generator[EpochReport, None, int], tell: Callable[[EpochReport], object]) -> int:
    """Train to the end; `tell` hears each report. The best epoch."""
    while True:
        try:
            tell(next(steps))
        except StopIteration as end:
            return int(end.value)


class _Run:
    """The state of one training: weights, optimiser, best so far."""

    def __init__(
        self, model: IntentRecommender, split: Split, sequences: Sequences, config: TrainConfig,
        options: RunOptions, intents: IntentSignals | None, epochs: int | None = None,
    ) -> None:  # fmt: skip
        self.model, self.split, self.sequences = model, split, sequences
        self.epochs = config.max_epochs if epochs is None else min(epochs, config.max_epochs)
        self.config, self.options, self.intents = config, options, intents
        self.short = short_products(options)
        self.objective = Objective(model, split, sequences, config, intents, self.short)
        self.events, periods = self.objective.events, self.objective.periods
        most = max(JUDGED, SCORED // max(sequences.num_items, 1))
        drawn = np.random.default_rng([options.seed, 0])
        self.valid = some_users(split.valid.take(split.valid.has_item), most, drawn)
        self.judges = np.unique(self.valid.user)
        self.unmet = sequences.unmet(self.valid)
        self.alone = Partners(choose_recency(split))
        self.sizes = model.config.max_length, self.objective.batch_targets
        every = groups_per_epoch(self.events, *self.sizes, periods, config.accumulate)
        self.updates = Updates(model.parameters(), config, every * config.max_epochs)
        self.best_state = copy.deepcopy(model.state_dict())
        self.best, self.best_epoch, self.done_epochs, self.seconds = -1.0, 0, 0, 0.0

    def done(self) -> bool:
        config = self.config
        if (self.events.lengths < 2).all():
            return True  # nobody has two events: there is no next item to learn from
        if self.done_epochs >= self.epochs:
            return True
        if config.max_minutes is not None and self.seconds >= 60 * config.max_minutes:
            return True
        waited = self.done_epochs - self.best_epoch
        return len(self.valid) > 0 and waited >= config.patience

    def before(self) -> EpochReport:
        """The weights as they came, as epoch 0; `best_state` holds them already."""
        metrics = self.validate()
        self.best = judged_by(metrics, 0.0)
        return EpochReport(0, float("nan"), 0.0, metrics, True)

    def epoch(self) -> EpochReport:
        number = self.done_epochs + 1
        rng = np.random.default_rng([self.options.seed, number])
        started = time.perf_counter()
        seed, place = int(rng.integers(2**31)), self.objective.place
        with drawing(seed, place), sparse_gradients(self.model.items):
            loss = self._learn(rng)
        seconds = time.perf_counter() - started
        self.done_epochs, self.seconds = number, self.seconds + seconds
        with self.updates.average.in_place():
            metrics = self.validate()
            score = judged_by(metrics, float(number))
            if better := score > self.best:
                self.best, self.best_epoch = score, number
                self.best_state = copy.deepcopy(self.model.state_dict())
        return EpochReport(number, loss, seconds, metrics, better)

    def _learn(self, rng: np.random.Generator) -> float:
        self.model.train()
        total, updates = 0.0, 0
        parts = self.config.accumulate
        periods = self.objective.periods
        events = self.objective.epoch_events(rng)
        for group in training_groups(events, *self.sizes, rng, periods, parts):
            batches = [batch for batch in group if batch.target.any()]
            if not batches:
                continue
            for batch, share in zip(batches, self.objective.shares(batches), strict=True):
                loss = self.objective.loss(batch, rng)
                self.updates.add(loss, share)
                total += share * loss.item()
            self.updates.apply()
            updates += 1
        return total / max(updates, 1)

    def validate(self) -> dict[str, float]:
        """NDCG@10 and HR@10 on the validation events, from what came before them.

        Items met before are ranked where the model counts repeats, and masked where it does not;
        where they are ranked, `NEW` is NDCG@10 in lists without them.
        """
        if len(self.valid) == 0:  # or searches only
            return {}
        self.model.eval()
        with torch.inference_mode():
            items = self.model.items().vector
        told = self.intents.valid[self.judges] if self.intents is not None else None
        queries = np.zeros((len(self.sequences), self.model.config.dim), np.float32)
        queries[self.judges] = self.model.encode_histories(
            self.sequences.take(self.judges), items, told
        )
        vectors, repeats = items.numpy(force=True), self.model.repeat is not None

        def ranked(target: EventLog, mixed: bool) -> dict[str, float]:
            rows = scorer(
                self.model, self.alone, self.split.train, self.sequences, queries, vectors,
                mixed=mixed,
            )  # fmt: skip
            return evaluate_rows(
                rows, self.sequences, target, ks=(10,), batch=1024, filter_seen=not mixed
            ).metrics

        found = ranked(self.valid, repeats)
        out = {name: found[name] for name in (SCORE, "hr@10")}
        if repeats and len(self.unmet):
            out[NEW] = ranked(self.unmet, False)[SCORE]
        return out

    def fingerprint(self) -> str:
        """What must be equal for a resume to mean anything: the epochs too if they are planned."""
        shape = {k: list(v.shape) for k, v in self.model.state_dict().items()}
        free = {"max_minutes", "patience", "refit"}
        free |= set() if self.config.planned else {"max_epochs"}
        kept = self.config.model_dump(exclude=free)
        train, digest = self.split.train, hashlib.sha256()
        read = self.events.item  # with the searches that are read
        for column in (train.user, train.item, train.behaviour, train.time, read):
            digest.update(b"" if column is None else column.tobytes())
        data = [len(train), digest.hexdigest()]
        machine = [self.options.seed, self.short]
        return json.dumps([self.model.config.model_dump(), kept, machine, data, shape])

    def state(self) -> dict[str, object]:
        """Everything a resume needs."""
        return {
            "weights": self.model.state_dict(), "best_weights": self.best_state,
            **self.updates.state(), "best": self.best, "best_epoch": self.best_epoch,
            "epochs": self.done_epochs, "seconds": self.seconds,
        }  # fmt: skip

    def restore(self, state: dict) -> None:
        """Take up a saved state."""
        self.model.load_state_dict(state["weights"])
        self.best_state = state["best_weights"]
        self.updates.restore(state)
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.done_epochs, self.seconds = state["epochs"], state["seconds"]

    def finish(self) -> None:
        """The best weights, ready to serve, on the processor."""
        self.model.load_state_dict(self.best_state)
        self.model.cpu().eval()
        self.model.items.expect()
        choose_trust(self.model, self.sequences, self.split.valid)


def judged_by(metrics: dict[str, float], otherwise: float) -> float:
    """What the best epoch has most of: the mean of NDCG@10 in both kinds of lists, if there are."""
    found = [metrics[name] for name in (SCORE, NEW) if name in metrics]
    return sum(found) / len(found) if found else otherwise
