"""What a training step minimises: a batch in, its loss out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from kg.sequences import Sequences
from kg.split import Split
from models.batch import Batch, Periods, moments
from models.device import device_of
from models.losses import draw, full_softmax, sampled_softmax
from models.recommender import IntentRecommender
from models.repeat import PAUSE, Past
from recsys.intent.signals import IntentSignals
from recsys.training.settings import TrainConfig
from recsys.training.strangers import with_strangers
from recsys.training.tasks import Tasks

RETURN = 0.1
"""Where fewer of the people with two events come back for a second visit, what follows a visit is
not asked."""


class Objective:
    """The loss of what comes next, over all items or a sample, and of the further tasks.

    With `short` matrices are multiplied in bfloat16; the losses themselves are float32.
    """

    def __init__(
        self, model: IntentRecommender, split: Split, histories: Sequences, config: TrainConfig,
        intents: IntentSignals | None, short: bool = False,
    ) -> None:  # fmt: skip
        self.model, self.config, self.intents, self.short = model, config, intents, short
        self.place = device_of(model)
        self.events = model.events(histories)
        self.picked: np.ndarray | None = None
        self.past = Past(histories) if model.repeat is not None else None
        self.periods = None
        if model.config.ordered:
            self.periods = target_periods(config, split, histories)
        self.tasks = Tasks(model, split.train.behaviours, config)
        self.candidates = torch.nonzero(model.trained_items).ravel()  # int64 [M]
        few = len(self.candidates) <= (5000 if self.periods is None else 12_500)
        self.full = config.loss == "full" or (config.loss == "auto" and few)

    def epoch_events(self, rng: np.random.Generator) -> Sequences:
        """The histories as an epoch reads them: bags in a new order, but what each user's prefix
        of this epoch has read comes first, so that its text says nothing of what is asked.
        """
        if self.model.config.ordered:
            return self.events
        first = None
        if self.intents is not None and self.model.intent_dim:
            self.picked = self._picks(np.arange(len(self.events)), rng)
            first = np.where(self.picked >= 0, self.intents.at[self.picked], 0)
        return self.events.shuffled(rng, first)

    def _picks(self, user: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """int64 [n]: one of the verbalised prefixes of each user, -1 where there is none."""
        assert self.intents is not None
        low = np.searchsorted(self.intents.user, user, side="left")
        high = np.searchsorted(self.intents.user, user, side="right")
        return np.where(high > low, low + (rng.random(len(user)) * (high - low)).astype(int), -1)

    @property
    def batch_targets(self) -> int:
        """Moments a step: as set, or a 256th of those of an epoch, within reason."""
        if self.config.batch_targets:
            return self.config.batch_targets
        if self.periods is not None:
            begin, stop = self.periods
            return int(np.clip((begin < stop).sum() // 256, 64, 2048))
        total = int(np.clip(self.events.lengths - 1, 0, self.model.config.max_length).sum())
        return int(np.clip(total // 256, 512, 8192))

    def shares(self, batches: list[Batch]) -> list[float]:
        """How much each batch counts in the mean over what is wanted in all."""
        counts = [float(self.tasks.weight(batch.wanted).sum()) for batch in batches]
        total = sum(counts)
        return [n / total if total else 1 / len(counts) for n in counts]

    def loss(self, batch: Batch, rng: np.random.Generator) -> Tensor:
        """The mean over what is wanted in a batch, its negatives and intents drawn with `rng`."""
        with torch.autocast(self.place.type, torch.bfloat16, enabled=self.short):
            return self._loss(self._with_intent(batch, rng), rng)

    def _loss(self, batch: Batch, rng: np.random.Generator) -> Tensor:
        met = None
        if self.past is not None:
            met = self.past.until(moments(batch, self.events)).to(self.place)
        batch = batch.to(self.place)
        wanted = batch.wanted
        if self.full:
            items, prior = self.model.items().vector, self.model.prior  # [N, D]
        else:
            count = len(self.candidates)
            drawn = self.candidates[draw(self.config.negatives, count, rng).to(self.place)]
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
            loss = sampled_softmax(query, items, positive, negative, count, repeats, weight, row)
        return loss + self.tasks.loss(batch, hidden)

    def _with_intent(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """One of each user's verbalised prefixes; its text is known only from where it ends."""
        if self.intents is None or not self.model.intent_dim:
            return batch
        signals, user = self.intents, batch.user.numpy()
        pick = self.picked[user] if self.picked is not None else self._picks(user, rng)
        has = pick >= 0
        pick = np.where(has, pick, 0)
        vectors = torch.from_numpy(signals.prefix[pick] * has[:, None])
        known = torch.from_numpy(np.where(has, signals.at[pick] - 1, 10**9)) - batch.start
        return replace(batch, intent=vectors, known_from=known)


def target_periods(config: TrainConfig, split: Split, histories: Sequences) -> Periods | None:
    """What follows each visit, or None where the target is the next event."""
    kind = config.target
    if kind == "next" or (kind == "auto" and not split.by_time):
        return None
    found = histories.periods(PAUSE, 0.0 if kind == "visit" else split.period)
    if kind == "auto":
        back = np.unique(histories.row[found[0] < found[1]])
        if len(back) < RETURN * (histories.lengths > 1).sum():
            return None
    return found
