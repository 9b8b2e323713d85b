"""What a training step minimises: a batch in, its loss out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from kg.split import Split
from models.batch import Batch
from models.losses import full_softmax, sampled_softmax
from models.recommender import IntentRecommender
from recsys.intents import IntentSignals
from recsys.settings import TrainConfig
from recsys.strangers import with_strangers
from recsys.tasks import Tasks


class Objective:
    """The loss of the next item, over all items or a sample, and of the further tasks.

    With `short` matrices are multiplied in bfloat16; the losses themselves are float32.
    """

    def __init__(
        self, model: IntentRecommender, split: Split, config: TrainConfig,
        intents: IntentSignals | None, short: bool = False,
    ) -> None:  # fmt: skip
        self.model, self.config, self.intents, self.short = model, config, intents, short
        self.tasks = Tasks(model, split.train.behaviours, config)
        self.candidates = torch.nonzero(model.trained_items).ravel()  # int64 [M]
        few = len(self.candidates) <= 5000
        self.full = config.loss == "full" or (config.loss == "auto" and few)

    def shares(self, batches: list[Batch]) -> list[float]:
        """How much each batch counts in the mean over the targets of all."""
        counts = []
        for batch in batches:
            assert batch.kind is not None
            weight = self.tasks.weight(batch.kind[batch.target])
            counts.append(float(batch.target.sum() if weight is None else weight.sum()))
        total = sum(counts)
        return [n / total if total else 1 / len(counts) for n in counts]

    def loss(self, batch: Batch, rng: np.random.Generator) -> Tensor:
        """The mean over the targets of a batch, its negatives and intents drawn with `rng`."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.short):
            return self._loss(self._with_intent(batch, rng), rng)

    def _loss(self, batch: Batch, rng: np.random.Generator) -> Tensor:
        positive = batch.positive[batch.target]  # int64 [P]
        assert batch.kind is not None
        kind = batch.kind[batch.target]
        if self.full:
            items = self.model.items().vector  # [N, D]
            hidden = self.model(batch, items)  # [B, L, D]
            targets = hidden[batch.target], positive, kind, self._repeats(batch, hidden, items)
            (query, positive, kind, repeats), items = with_strangers(
                self.model, batch, targets, items, self.model.prior
            )
            allowed, weight = self.model.trained_items, self.tasks.weight(kind)
            loss = full_softmax(query, items, positive, allowed, repeats, weight)
            return loss + self.tasks.loss(batch, hidden)
        drawn = rng.integers(0, len(self.candidates), self.config.negatives)
        negative = self.candidates[torch.from_numpy(drawn)]
        wanted = torch.cat([batch.item.ravel(), positive, negative])
        rows, at = torch.unique(wanted, return_inverse=True)  # only these items are computed
        history, good, bad = at.split([batch.item.numel(), len(positive), len(negative)])
        items = self.model.items(rows).vector  # [R, D]
        batch = replace(batch, item=history.view_as(batch.item))
        hidden = self.model(batch, items)
        beside: tuple[Tensor, ...] | None = None
        if (seen := self._repeats(batch, hidden, items)) is not None:
            score = hidden @ items[batch.item].transpose(1, 2)  # [B, L, L]
            beside = (seen[0], score[batch.target], seen[1])
        (query, good, kind, beside), items = with_strangers(
            self.model, batch, (hidden[batch.target], good, kind, beside), items,
            self.model.prior[rows],
        )  # fmt: skip
        weight = self.tasks.weight(kind)
        loss = sampled_softmax(query, items, good, bad, len(self.candidates), beside, weight)
        return loss + self.tasks.loss(batch, hidden)

    def _repeats(self, batch: Batch, hidden: Tensor, items: Tensor) -> tuple[Tensor, Tensor] | None:
        """Items met before at each of P targets, int64 [P, L] (-1: none), and their bonus."""
        if self.model.repeat is None:
            return None
        found = self.model.repeat(batch, hidden, items)
        own = torch.where(found.holds, batch.item[:, None], -1)
        return own[batch.target], found.bonus[batch.target]

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
