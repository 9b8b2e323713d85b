"""The offline job: a built data folder to a trained recommender, one straight line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import Split, leave_one_out, temporal_split
from kg.storage import Dataset
from kg.templates import Templates
from models.features import Features, Queries
from models.recommender import IntentRecommender, ModelConfig
from models.text import TextCache, encode_texts, fallback_encoder
from recsys.config import RunConfig
from recsys.encoders import LazyEncoder
from recsys.evaluate import EvalReport, evaluate_queries
from recsys.intents import IntentSignals, learn_intents
from recsys.recommender import Recommender
from recsys.train import EpochReport, train

HoldOut = Literal["last", "time", "none"]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Fitted:
    """A recommender and what is needed to judge it."""

    recommender: Recommender
    split: Split
    intents: IntentSignals | None
    reports: list[EpochReport]


def make_split(log: EventLog, hold_out: HoldOut) -> Split:
    """last: each user's last event is test and the one before validation; time: the last tenth
    of the log is test, the tenth before validation; none: each user's last event is validation.
    """
    if hold_out == "time":
        return temporal_split(log)
    return leave_one_out(log, test=hold_out == "last")


def fit(
    data: Dataset,
    encoder_name: str,
    config: RunConfig,
    *,
    hold_out: HoldOut = "none",
    templates: Templates | None = None,
    cache: Path | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    say: Say = lambda text: None,
    progress: Callable[[str], Callable[[int, int], None]] | None = None,
    on_epoch: Callable[[EpochReport], None] = lambda report: None,
) -> Fitted:
    """Split, encode, learn intents, train; the served recommender knows the full history.

    `templates` say how histories are verbalised; without them the language of the titles decides.
    """
    split = make_split(data.log, hold_out)
    graph = data.graph.with_events(split.train)
    store = TextCache(cache) if cache is not None else None
    texts = data.catalog.full_texts()
    encoder, warning = _encoder(encoder_name, texts)
    if warning:
        say(warning)
    settings = resolved(config.model, split)
    text = encode_texts(encoder, texts, store, progress("items") if progress else None)
    queries = None
    if settings.searches:
        queries = Queries.of(data.log, lambda asked: encode_texts(encoder, asked, store))
    intents = None
    if any(texts):
        rng = np.random.default_rng([config.options.seed, 1])
        intents = learn_intents(
            encoder, split, data.log, data.catalog, graph, rng, config.intent,
            templates=templates, cache=store,
            progress=progress("histories") if progress else None,
        )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.options.seed)
        model = IntentRecommender(
            graph, text, settings, behaviours=len(data.log.behaviours),
            intent_dim=intents.dim if intents is not None else 0,
            features=Features.of(data.catalog, data.users, queries),
        )  # fmt: skip
    reports = []
    steps = train(model, split, config.train, config.options, intents=intents,
                  checkpoint=checkpoint, resume=resume)  # fmt: skip
    for report in steps:
        reports.append(report)
        on_epoch(report)
    rec = Recommender.from_model(
        model, data.log, data.catalog, text, encoder=encoder, intents=intents
    )
    return Fitted(rec, split, intents, reports)


REPEATS = 0.05
"""From this share of events with an item that was met before, repeats are counted."""
SEARCHES = 0.01
"""From this share of item events right after a search, searches are read as events."""


def resolved(config: ModelConfig, split: Split) -> ModelConfig:
    """Settings that the data decide, decided on the training part."""
    histories = Sequences.of(split.train)
    decided = {
        "repeats": histories.repeat_share >= REPEATS,
        "searches": histories.search_share >= SEARCHES,
    }
    left = {name: value for name, value in decided.items() if getattr(config, name) is None}
    return config.model_copy(update=left)


def _encoder(name: str, texts: list[str]) -> tuple[LazyEncoder, str | None]:
    """The encoder by name, or n-grams where it cannot read the language of the texts."""
    wanted = LazyEncoder(name)
    chosen, warning = fallback_encoder(wanted.inner, texts)
    if warning is not None:
        return LazyEncoder("ngram", chosen.id, chosen.dim), warning
    return LazyEncoder(name, wanted.inner.id, wanted.inner.dim), None


def judge(
    rec: Recommender,
    split: Split,
    part: Literal["valid", "test"],
    filter_seen: bool | None = None,
) -> EvalReport:
    """Metrics of the model on a part of its split, from what is known before that part begins.

    `filter_seen` None: as `recommend` does by default.
    """
    filter_seen = not rec.repeats if filter_seen is None else filter_seen
    known, target = split.part(part)
    histories = Sequences.of(known)
    told = rec.intent.valid if rec.intent is not None else None
    vectors = rec.index.vectors[: rec.items.trained]
    queries = rec.model.encode_histories(histories, torch.from_numpy(vectors), told)
    bonus = None if filter_seen else rec.model.repeat_bonus(histories, queries)
    queries, vectors = rec.model.with_prior(histories, queries, vectors)
    popular = known.item_counts().astype(np.float32)  # as `recommend` answers an empty history
    return evaluate_queries(
        queries, vectors, histories, target, filter_seen=filter_seen, strangers=popular,
        bonus=bonus,
    )  # fmt: skip
