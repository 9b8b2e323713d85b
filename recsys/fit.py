"""The offline job: a built data folder to a trained recommender, one straight line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from kg.errors import UsageError
from kg.events import EventLog
from kg.graph import KnowledgeGraph
from kg.sequences import Sequences
from kg.split import Split, leave_one_out, temporal_split
from kg.storage import Dataset
from kg.templates import Templates
from models.features import Features, Queries
from models.recommender import IntentRecommender, ModelConfig
from models.text import TextCache, encode_texts, fallback_encoder
from models.transfer import WarmStart, as_source, warm_start
from models.whitening import Whitening
from recsys.config import RunConfig
from recsys.encoders import LazyEncoder, same_encoder
from recsys.evaluate import EvalReport, evaluate_rows
from recsys.intents import IntentSignals, learn_intents
from recsys.partners import Partners, choose_partners, scorer
from recsys.popular import choose_recency
from recsys.recommender import Recommender
from recsys.train import EpochReport, train

HoldOut = Literal["last", "time", "none"]
Say = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Ingredients:
    """What a model is made from; `text` float32 [N, T] are the items' vectors."""

    split: Split
    graph: KnowledgeGraph
    text: np.ndarray
    intents: IntentSignals | None
    model: ModelConfig


@dataclass(frozen=True)
class Fitted:
    """A recommender, what is needed to judge it, and what it took over from another, if any."""

    recommender: Recommender
    split: Split
    intents: IntentSignals | None
    reports: list[EpochReport]
    start: WarmStart | None = None


REPEATS = 0.05
"""From this share of events with an item that was met before, repeats are counted."""


def make_split(log: EventLog, hold_out: HoldOut) -> Split:
    """last: each user's last event is test and the one before validation; time: the last tenth of
    the log is test, the tenth before validation. none: no test part; validation is each user's last
    event or, where people meet items again and times are known, the last tenth of the log: for when
    is then part of the question.
    """
    if hold_out == "time":
        return temporal_split(log)
    timed = hold_out == "none" and log.time is not None and np.ptp(log.time) > 0
    if timed and Sequences.of(log).repeat_share >= REPEATS:
        return temporal_split(log, test=0)
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
    start: Recommender | None = None,
    say: Say = lambda text: None,
    progress: Callable[[str], Callable[[int, int], None]] | None = None,
    on_epoch: Callable[[EpochReport], None] = lambda report: None,
    change: Callable[[Ingredients], Ingredients] = lambda made: made,
) -> Fitted:
    """Split, encode, learn intents, train; the served recommender knows the full history.

    `templates` say how histories are verbalised; without them the language of the titles decides.
    The training begins with what `start`, trained on other data with the same encoder, has learned
    of texts, graph and order (`models.transfer`); with max_epochs 0 it ends with that.
    `change` has the last word on what the model is made from (see `recsys.ablate`).
    """
    if start is None and config.train.max_epochs == 0:
        raise UsageError("max_epochs may be 0 only in a training that starts from another run.")
    split = make_split(data.log, hold_out)
    graph = data.graph.with_events(split.train)
    store = TextCache(cache) if cache is not None else None
    texts = data.catalog.full_texts()
    encoder, warning = _encoder(encoder_name, texts)
    if warning:
        say(warning)
    wanted = config.model
    if start is not None:
        _check_start(encoder, start)
        wanted = as_source(wanted, start.model)
    settings = resolved(wanted, split)
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
    made = change(Ingredients(split, graph, text, intents, settings))
    split, text, intents = made.split, made.text, made.intents
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.options.seed)
        model = IntentRecommender(
            made.graph, text, made.model, behaviours=len(data.log.behaviours),
            intent_dim=intents.dim if intents is not None else 0,
            features=Features.of(data.catalog, data.users, queries),
            whitening=_whitening(start, text, split) if start is not None else None,
        )  # fmt: skip
    begun = None
    if start is not None:
        begun = warm_start(model, start.model, data.log, start.log)
        say(str(begun))
    reports = []
    steps = train(model, split, config.train, config.options, intents=intents,
                  checkpoint=checkpoint, resume=resume,
                  start=begun.source if begun is not None else "")  # fmt: skip
    for report in steps:
        reports.append(report)
        on_epoch(report)
    partners = _partners(model, split, config, intents)
    rec = Recommender.from_model(
        model, data.log, data.catalog, text, encoder=encoder, intents=intents
    )
    rec = rec.beside(partners.refit(data.log, rec.items.content))
    return Fitted(rec, split, intents, reports, begun)


def _whitening(start: Recommender, text: np.ndarray, split: Split) -> Whitening:
    rows = np.flatnonzero(split.train.item_counts())
    return start.model.whitening.centred_on(text, rows)


def _check_start(encoder: LazyEncoder, start: Recommender) -> None:
    of_start = start.encoder.id if start.encoder is not None else "none"
    if not same_encoder(encoder.id, of_start):
        raise UsageError(
            f"A run can start from one with the same text encoder only. That run has {of_start}; "
            f"got {encoder.id} ({encoder.name}) instead."
        )


def _partners(
    model: IntentRecommender,
    split: Split,
    config: RunConfig,
    intents: IntentSignals | None,
) -> Partners:
    told = intents.valid if intents is not None else None
    with torch.inference_mode():
        items = model.eval().items().vector
    queries = model.encode_histories(Sequences.of(split.train), items, told)
    rng = np.random.default_rng([config.options.seed, 2])
    return choose_partners(
        model, split, queries, config.neighbours, config.trend, config.habits,
        choose_recency(split), rng,
    )  # fmt: skip


DROPOUT = ((200, 0.2), (50, 0.4), (0, 0.5))
"""From so many events per item, so much dropout: the more there is to learn from, the less."""
SEARCHES = 0.01
"""From this share of item events right after a search, searches are read as events."""


def resolved(config: ModelConfig, split: Split) -> ModelConfig:
    """Settings that the data decide, decided on the training part."""
    histories = Sequences.of(split.train)
    lengths = histories.lengths[histories.lengths > 0]
    usual = int(np.percentile(lengths, 75)) if len(lengths) else 0
    each = len(histories.item) / max(len(np.unique(histories.item)), 1)
    repeats = config.repeats
    if repeats is None:
        repeats = histories.repeat_share >= REPEATS
    return config.settled(
        dim=64 if repeats else 128, repeats=repeats, searches=histories.search_share >= SEARCHES,
        max_length=min(max(usual, 50), 200),
        id_dropout=0.6 if repeats else 0.2,
        dropout=next(rate for events, rate in DROPOUT if each >= events),
    )  # fmt: skip


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
    *,
    refit: bool = True,
) -> EvalReport:
    """Metrics of the model on a part of its split, from what is known before that part begins: the
    neighbours and habits are fitted to it anew unless `refit` is False; trend and popularity are
    those at its beginning.

    `filter_seen` None: as `recommend` does by default.
    """
    filter_seen = not rec.repeats if filter_seen is None else filter_seen
    known, target = split.part(part)
    histories = Sequences.of(known)
    told = rec.intent.valid if rec.intent is not None else None
    vectors = rec.items.vectors[: rec.items.trained]
    items = torch.from_numpy(vectors)
    queries = rec.model.encode_histories(histories, items, told)
    partners = rec.partners
    if refit:
        partners = partners.refit(known, rec.items.content[: rec.items.trained])
    rows = scorer(rec.model, partners, known, histories, queries, vectors, mixed=not filter_seen)
    return evaluate_rows(rows, histories, target, filter_seen=filter_seen)
