"""The offline job: a built data folder to a trained recommender, one straight line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from kg.errors import UsageError
from kg.graph import KnowledgeGraph
from kg.intents.taxonomy import Taxonomy
from kg.sequences import Sequences
from kg.split import KNOWN, REPEATS, HoldOut, Part, Split, known_share, make_split
from kg.storage import Dataset
from kg.wording.templates import Templates
from models.device import device_name, drawing
from models.features import Features, Queries
from models.gnn.pretrain import pretrain_graph
from models.recommender import IntentRecommender, ModelConfig
from models.text import TextCache, TextEncoder, encode_texts, fallback_encoder
from models.transfer import WarmStart, as_source, warm_start
from models.whitening import Whitening
from recsys.encoders import LazyEncoder, named_or_given, same_encoder
from recsys.intent.signals import IntentSignals, learn_intents
from recsys.judging.as_of import before, check_judged, report_on
from recsys.judging.evaluate import EvalReport
from recsys.notices import Say, noticed, silent
from recsys.partners import Partners
from recsys.partners.choose import choose_partners
from recsys.partners.popular import choose_recency
from recsys.recommender import Recommender
from recsys.training.config import RunConfig
from recsys.training.optimise import learning_device
from recsys.training.settings import TrainConfig
from recsys.training.train import EpochReport, follow, train


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
    """A recommender, what is needed to judge it, and what it took over from another, if any.

    `again` are the reports of a second training, on the validation events too (`refit`); `split`
    has no validation part then, for the recommender has learned from it.
    """

    recommender: Recommender
    split: Split
    intents: IntentSignals | None
    reports: list[EpochReport]
    start: WarmStart | None = None
    again: list[EpochReport] = field(default_factory=list)


def fit(
    data: Dataset,
    encoder: str | Path | TextEncoder,
    config: RunConfig | None = None,
    *,
    hold_out: HoldOut = "none",
    split: Split | None = None,
    templates: Templates | None = None,
    taxonomy: Taxonomy | None = None,
    cache: Path | None = None,
    checkpoint: Path | None = None,
    resume: bool = False,
    start: Recommender | None = None,
    say: Say | None = None,
    progress: Callable[[str], Callable[[int, int], None]] | None = None,
    on_epoch: Callable[[EpochReport], None] = lambda report: None,
    change: Callable[[Ingredients], Ingredients] = lambda made: made,
) -> Fitted:
    """Split, encode, learn intents, train; the served recommender knows the full history.

    A `split` of the caller's own, over events of `data.log`, takes the place of `hold_out`.
    Where `refit` says so, what is served was trained once more, on the validation events too.
    `templates` say how histories are verbalised; without them the language of the titles decides.
    Named intents are those of the `taxonomy`, or else nodes of the graph.
    The training begins with what `start`, trained on other data with the same encoder, has learned
    of texts, graph and order (`models.transfer`); with max_epochs 0 it ends with that.
    `say` hears what is done; without it what was not asked for and changes the result (another
    encoder, facts that are left out) is an `Otherwise` warning. An `encoder` may be given by name,
    by folder or as it is: a run then names it by its id, and is loaded with it.
    `change` has the last word on what the model is made from (see `recsys.judging.retrain`).
    """
    config = _checked(data, config)
    tell, talk = noticed(say), say or silent
    if start is None and config.train.max_epochs == 0:
        raise UsageError("max_epochs may be 0 only in a training that starts from another run.")
    split = split or make_split(data.log, hold_out)
    if later := data.graph.later_than(split.cut):
        tell(f"{later:,} facts dated after the last training event are not learned from.")
    if split.by_time and split.valid.has_item.any() and (known := known_share(split)) < KNOWN:
        tell(
            f"{known:.0%} of the people of the validation part were there before it, so it says "
            "little of what is best for the others: hold out the last event of each instead, where "
            "users are sessions or seldom come back."
        )
    store = TextCache(cache) if cache is not None else None
    texts = data.catalog.full_texts()
    device = learning_device(config.options)
    if device != "cpu":
        talk(f"Networks learn on {device_name(device)}.")
    reader, warning = _encoder(encoder, texts, device)
    if warning:
        tell(warning)
    wanted = config.model
    if start is not None:
        _check_start(reader, start)
        if known := _held_out_of(start, split):
            tell(
                f"The run that this begins with has learned {known:,} of the events that are held "
                "out here: what validation and test part say is too good, and validation may well "
                "keep its weights as they are. Begin with a run on other data."
            )
        wanted = as_source(wanted, start.model)
    settings = resolved(wanted, split)
    text = encode_texts(reader, texts, store, progress("items") if progress else None)
    queries = None
    if settings.searches:
        queries = Queries.of(data.log, lambda asked: encode_texts(reader, asked, store))
    intents = None
    if any(texts) or not config.intent.histories:
        rng = np.random.default_rng([config.options.seed, 1])
        intents = learn_intents(
            reader, split, data.log, data.catalog, data.graph.known_at(split.cut), rng,
            config.intent,
            templates=templates, taxonomy=taxonomy, cache=store, say=say,
            progress=progress("histories") if progress else None,
        )  # fmt: skip
    elif taxonomy is not None:
        tell("The taxonomy is not used: no item has a text, so histories cannot be read.")
    recipe = _Recipe(
        data, config, text, settings, Features.of(data.catalog, data.users, queries), start, change
    )
    made, model, begun = recipe.begun(split, intents)
    if begun is not None:
        talk(str(begun))
    if not (np.bincount(split.train.user[split.train.has_item], minlength=1) > 1).any():
        tell("Nobody has two events with items in the training part, so that no epoch learns what "
             "follows what: texts, facts and what is popular answer.")  # fmt: skip
    reports, best = recipe.learned(made, model, begun, on_epoch, checkpoint, resume)
    partners = _partners(model, made.split, config, made.intents)
    again: list[EpochReport] = []
    if best and refits(config.train, split):
        talk(f"Once more, on the validation events too: {best} epoch{'s' * (best > 1)}.")
        if intents is not None:
            grown = np.unique(split.valid.user)
            intents = intents.until(split.before_test(), reader, data.catalog, store, users=grown)
        first = model
        made, model, begun = recipe.begun(split.refitted(), intents)
        model.believe_as(first)
        place = refit_place(checkpoint) if checkpoint is not None else None
        resume = resume and place is not None and place.exists()
        again, _ = recipe.learned(made, model, begun, on_epoch, place, resume, best)
    if isinstance(reader, LazyEncoder):
        reader.to("cpu")
    rec = Recommender.from_model(
        model, data.log, data.catalog, text, encoder=reader, intents=made.intents
    )
    rec = rec.beside(partners.refit(data.log, rec.items.content))
    rec = replace(rec, declined=data.declined)
    return Fitted(rec, made.split, made.intents, reports, begun, again)


def _checked(data: Dataset, config: RunConfig | None) -> RunConfig:
    """The settings, or the defaults; `UsageError` for what is neither data nor settings."""
    if not isinstance(data, Dataset):
        raise UsageError(
            "The 'data' of fit must be a Dataset(log, catalog, graph). "
            f"Got {type(data).__name__} instead."
        )
    if config is not None and not isinstance(config, RunConfig):
        raise UsageError(
            "The 'config' of fit must be a RunConfig, such as RunConfig(train={'max_epochs': 5}). "
            f"Got {type(config).__name__} instead."
        )
    return config or RunConfig()


def refits(config: TrainConfig, split: Split) -> bool:
    """Whether what is served is trained on the validation events too."""
    wanted = split.by_time if config.refit is None else config.refit
    return bool(wanted and split.valid.has_item.any())


def refit_place(checkpoint: Path) -> Path:
    """Where the second training keeps its state."""
    return checkpoint.with_name(checkpoint.name + ".again")


def forget(checkpoint: Path) -> None:
    """Remove the states of both trainings."""
    for place in (checkpoint, refit_place(checkpoint)):
        shutil.rmtree(place, ignore_errors=True)


@dataclass(frozen=True, eq=False)
class _Recipe:
    """What both trainings of one fit have in common."""

    data: Dataset
    config: RunConfig
    text: np.ndarray
    settings: ModelConfig
    features: Features
    start: Recommender | None
    change: Callable[[Ingredients], Ingredients]

    def begun(
        self, split: Split, intents: IntentSignals | None
    ) -> tuple[Ingredients, IntentRecommender, WarmStart | None]:
        """What the model is made from, the model at its first weights, and whence it has them."""
        graph, start = self.data.graph.known_at(split.cut).with_events(split.train), self.start
        made = self.change(Ingredients(split, graph, self.text, intents, self.settings))
        whitening = _whitening(start, made.text, made.split) if start is not None else None
        with drawing(self.config.options.seed):
            model = IntentRecommender(
                made.graph, made.text, made.model, behaviours=len(self.data.log.behaviours),
                intent_dim=made.intents.dim if made.intents is not None else 0,
                features=self.features, whitening=whitening,
            )  # fmt: skip
        if start is None:
            rng = np.random.default_rng([self.config.options.seed, 4])
            pretrain_graph(model.items, self.config.train.graph_epochs, rng)
            return made, model, None
        return made, model, warm_start(model, start.model, self.data.log, start.log)

    def learned(
        self, made: Ingredients, model: IntentRecommender, begun: WarmStart | None,
        tell: Callable[[EpochReport], None], checkpoint: Path | None, resume: bool,
        epochs: int | None = None,
    ) -> tuple[list[EpochReport], int]:  # fmt: skip
        """The reports of a training, and its best epoch; up to so many `epochs`, if given."""
        reports: list[EpochReport] = []

        def heard(report: EpochReport) -> None:
            reports.append(report)
            tell(report)

        steps = train(
            model, made.split, self.config.train, self.config.options, intents=made.intents,
            checkpoint=checkpoint, resume=resume, start=begun.source if begun is not None else "",
            epochs=epochs,
        )  # fmt: skip
        return reports, follow(steps, heard)


def _whitening(start: Recommender, text: np.ndarray, split: Split) -> Whitening:
    rows = np.flatnonzero(split.train.item_counts())
    return start.model.whitening.centred_on(text, rows)


def _check_start(encoder: TextEncoder, start: Recommender) -> None:
    of_start = start.encoder.id if start.encoder is not None else "none"
    if not same_encoder(encoder.id, of_start):
        name = encoder.name if isinstance(encoder, LazyEncoder) else ""
        raise UsageError(
            f"A run can start from one with the same text encoder only. That run has {of_start}; "
            f"got {encoder.id}{name and f' ({name})'} instead."
        )


def _held_out_of(start: Recommender, split: Split) -> int:
    """How many events of the parts to judge by are, by user and item, in what `start` learned,
    though not in the training part.
    """
    graph = start.model.graph
    user, item = graph.met()
    size, found = graph.num_nodes["item"], 0
    train = split.train.take(split.train.has_item)
    own = train.user * len(train.items) + train.item
    for part in (split.valid, split.test):
        part = part.take(part.has_item)
        part = part.take(~np.isin(part.user * len(part.items) + part.item, own))
        users, items = (
            vocab.encode(own.ids, missing="negative")[code]
            for vocab, own, code in (
                (graph.vocabs["user"], part.users, part.user),
                (graph.vocabs["item"], part.items, part.item),
            )
        )
        there = (users >= 0) & (items >= 0)
        found += int(np.isin(users[there] * size + items[there], user * size + item).sum())
    return found


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
        model, split, queries, config.neighbours, config.trend, config.habits, config.factors,
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
    ordered = histories.ordered if config.ordered is None else config.ordered
    repeats = config.repeats
    if repeats is None:
        repeats = ordered and histories.repeat_share >= REPEATS
    return config.settled(
        dim=64 if repeats else 128, repeats=repeats, ordered=ordered,
        searches=ordered and histories.search_share >= SEARCHES,
        max_length=min(max(usual, 50), 200),
        id_dropout=0.6 if repeats else 0.2,
        dropout=next(rate for events, rate in DROPOUT if each >= events),
    )  # fmt: skip


def _encoder(
    given: str | Path | TextEncoder, texts: list[str], device: str
) -> tuple[TextEncoder, str | None]:
    """The encoder, or n-grams where it cannot read the language of the texts."""
    wanted = named_or_given(given, device)
    inner = wanted.inner if isinstance(wanted, LazyEncoder) else wanted
    chosen, warning = fallback_encoder(inner, texts)
    if warning is not None:
        return LazyEncoder("ngram", chosen.id, chosen.dim), warning
    return wanted, None


def judge(
    rec: Recommender, split: Split, part: Part, filter_seen: bool | None = None
) -> EvalReport:
    """Metrics of the model on a part of its split, from what is known before that part begins: the
    neighbours and habits are fitted to it anew, intents have read the histories as they were then;
    trend and popularity are those at its beginning. The lists that are judged are those of `as_of`,
    which says what is refused.

    `filter_seen` None: as `recommend` does by default.
    """
    check_judged(rec, split, part)
    known, target = split.part(part)
    return report_on(before(rec, split, part), known, target, filter_seen)
