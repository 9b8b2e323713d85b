"""Learning intents: verbalised histories to embeddings, and named labels from what came next."""

from __future__ import annotations

import copy
from dataclasses import dataclass, field, replace

import numpy as np
from scipy import sparse

from kg.catalog import CATEGORY_NAMES, Catalog, furthest
from kg.events import EventLog
from kg.graph import KnowledgeGraph
from kg.intents.labels import IntentLabels, next_intents, with_whole_horizon
from kg.intents.recent import recent_before, recent_intents
from kg.intents.taxonomy import Taxonomy
from kg.split import Split
from kg.wording.templates import Templates
from kg.wording.verbalise import verbalise_prefixes, verbalise_users
from models.intent import IntentConfig, IntentHead, fit_intent_head
from models.repeat import PAUSE
from models.text import TextCache, TextEncoder, encode_texts
from models.text.encoder import Progress
from recsys.intent.named import graph_labels, named_labels
from recsys.notices import Say, noticed, silent


@dataclass(frozen=True)
class IntentSignals:
    """Intent embeddings for training and serving.

    prefix float32 [n, T] with its user [n] and `at` [n], the number of item events that it has
    read, sorted by user; `valid` and `serve` float32 [U, T] read what is known when validation
    begins and all there is; `head` and `labels` name the intents (None, if the graph has none);
    `templates` and `last` are how histories were verbalised, so that live ones read the same;
    `taxonomy` tells names by language, where labels are keys of one. T is 0 where histories are
    not read (`IntentConfig.histories`).
    """

    prefix: np.ndarray
    user: np.ndarray
    at: np.ndarray
    valid: np.ndarray
    serve: np.ndarray
    labels: IntentLabels
    head: IntentHead | None
    templates: Templates = field(default_factory=Templates)
    last: int = 8
    taxonomy: Taxonomy | None = None

    @property
    def dim(self) -> int:
        """T."""
        return self.prefix.shape[1]

    def names(self, language: str) -> tuple[str, ...]:
        """What to call the labels [L]; the language matters where a taxonomy names them."""
        if self.taxonomy is None:
            return self.labels.names
        return tuple(self.taxonomy.name(key, language) for key in self.labels.names)

    def probabilities(
        self, embedding: np.ndarray, items: np.ndarray, carried: sparse.csr_matrix
    ) -> np.ndarray:
        """float32 [L] of one person: what BERT reads, [1, T], and the items met, oldest first;
        `carried` csr [N, L] says which intents items have, those added since too.
        """
        assert self.head is not None, "there are no named intents to be probable"
        stop = np.array([len(items)])
        recent = recent_intents(items, np.zeros(1, np.int64), stop, carried)
        return self.head.probabilities(embedding, recent)[0]

    def until(
        self, known: EventLog, encoder: TextEncoder, catalog: Catalog,
        cache: TextCache | None = None, *, users: np.ndarray | None = None,
    ) -> IntentSignals:  # fmt: skip
        """The same, but `valid` reads the histories of `known`; of these `users` int64 [R] only, if
        given.
        """
        if not self.dim:
            return self
        told = known if users is None else known.take(np.isin(known.user, users))
        texts = verbalise_users(
            told, with_categories(catalog), last=self.last, templates=self.templates
        )
        if users is None:
            return replace(self, valid=encode_texts(encoder, texts, cache))
        valid = self.valid.copy()
        if len(users):
            valid[users] = encode_texts(encoder, [texts[user] for user in users.tolist()], cache)
        return replace(self, valid=valid)

    def reordered(
        self, train: EventLog, encoder: TextEncoder, catalog: Catalog,
        cache: TextCache | None = None,
    ) -> IntentSignals:  # fmt: skip
        """Of a training in which each person's events stand in another order: `prefix` has read as
        many item events of `train` as before, and `valid` all of it.
        """
        if not self.dim:
            return self
        count = np.bincount(train.user[train.has_item], minlength=len(train.users))
        start = np.cumsum(count) - count
        ends = np.flatnonzero(train.has_item)[start[self.user] + self.at]
        texts = verbalise_prefixes(
            train, with_categories(catalog), ends, last=self.last, templates=self.templates
        )
        found = self.until(train, encoder, catalog, cache)
        return replace(found, prefix=encode_texts(encoder, texts, cache))


def learn_intents(
    encoder: TextEncoder,
    split: Split,
    full: EventLog,
    catalog: Catalog,
    graph: KnowledgeGraph,
    rng: np.random.Generator,
    config: IntentConfig | None = None,
    *,
    texts: int = 6000,
    templates: Templates | None = None,
    taxonomy: Taxonomy | None = None,
    cache: TextCache | None = None,
    progress: Progress | None = None,
    say: Say | None = None,
) -> IntentSignals:
    """Verbalise training prefixes, embed them, and fit the head to what those users did next.

    About `texts` prefixes are read, at least one per user with two training events. Nothing later
    than `split.train` is a text or a label of the training part. Without `templates` the language
    of the titles decides. Intents are nodes of the graph, or those of the `taxonomy`; `say` hears
    what was found, and a warning tells what was guessed where there is none. The head
    hears the texts, or learns from more positions without them, as held-out users decide. Without
    `histories` in the config nothing is read, and the head is the latter.
    """
    config = config or IntentConfig()
    templates = templates or Templates.for_titles(catalog.titles)
    told = with_categories(catalog)
    train = split.train
    if taxonomy is None:
        labels = graph_labels(graph, catalog, train, config)
        if config.relation is None and (guessed := _guessed(labels)):
            noticed(say)(guessed)
    else:
        language = Templates.for_titles(catalog.titles).language
        labels = named_labels(
            taxonomy, graph, catalog, encoder, language, relation=config.relation, cache=cache,
            say=say,
        )  # fmt: skip
    ends = _cuts(train, texts, rng, between=split.by_time)
    if config.histories:
        prefix_texts = verbalise_prefixes(train, told, ends, last=config.last, templates=templates)
        valid_texts = verbalise_users(train, told, last=config.last, templates=templates)
        serve_texts = verbalise_users(full, told, last=config.last, templates=templates)
        vectors = encode_texts(encoder, prefix_texts + valid_texts + serve_texts, cache, progress)
        prefix, valid, serve = np.split(vectors, np.cumsum([len(prefix_texts), len(valid_texts)]))
    else:
        rows = (len(ends), len(train.users), len(full.users))
        prefix, valid, serve = (np.zeros((n, 0), np.float32) for n in rows)
    head = None
    if len(labels) and len(ends):
        head = _head(prefix, train, labels, ends, config, rng, say or silent, between=split.by_time)
    before = np.cumsum(train.has_item) - train.has_item  # item events before each event
    start = np.concatenate([[0], np.cumsum(np.bincount(train.user[train.has_item],
                                                       minlength=len(train.users)))])  # fmt: skip
    at = before[ends] - start[train.user[ends]]
    return IntentSignals(
        prefix, train.user[ends], at, valid, serve, labels, head, templates, config.last, taxonomy
    )


def _guessed(labels: IntentLabels) -> str:
    """A sentence where no relation is called a category, so that another one names the intents."""
    if labels.relation is None or labels.relation[1].lower() in CATEGORY_NAMES:
        return ""
    some = ", ".join(repr(name) for name in labels.names[:3])
    return (
        f"Named intents are the {len(labels):,} values of {labels.relation[1]!r} ({some}, …), for "
        "no fact about items is called a category: relation = … under [intent] names another."
    )


MANY, NUMBERS = 300_000, 60_000_000
"""Positions from which a head learns that reads no text: they cost no reading by BERT. But no more
than give so many numbers, a target for each label."""
ENOUGH = 1000
"""So many moments with a whole horizon after them are enough to learn from them alone."""
LONG = 50_000
"""From so many positions on the waiting is told of."""


def _head(
    prefix: np.ndarray, train: EventLog, labels: IntentLabels, ends: np.ndarray,
    config: IntentConfig, rng: np.random.Generator, say: Say, *, between: bool,
) -> IntentHead:  # fmt: skip
    """The better of two on the same held-out users: one that hears texts [n, T] (if T > 0) and
    recent labels at `ends` [n], and one that hears recent labels only, but of `MANY` positions.

    Near the end of a history fewer events follow than the horizon asks for, and what has not come
    yet would count as not wanted; such moments are left out where there are `ENOUGH` others.
    """

    def told(at: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        targets = next_intents(train, labels, at, config.horizon)
        return targets, train.user[at], recent_before(train, labels, at)

    def whole(at: np.ndarray) -> np.ndarray:
        return with_whole_horizon(train, at, config.horizon)

    same = copy.deepcopy(rng)  # holds out the same users
    if len(ends) > LONG:
        say(f"{len(labels):,} named intents are learned from {len(ends):,} moments: minutes.")
    if enough := whole(ends).sum() >= ENOUGH:
        prefix, ends = prefix[whole(ends)], ends[whole(ends)]
    targets, users, recent = told(ends)
    reading = None
    if prefix.shape[1]:
        reading = fit_intent_head(prefix, targets, users, config, rng, recent)
    many = min(MANY, NUMBERS // max(len(labels), 1))
    others = _cuts(train, many, rng, between)
    if enough:  # of the same users, so that the same are held out
        others = others[whole(others) & np.isin(train.user[others], users)]
    at = np.union1d(ends, others)
    targets, users, recent = told(at)
    none = np.zeros((len(at), prefix.shape[1]), np.float32)
    lean = fit_intent_head(none, targets, users, config, same, recent, np.isin(at, ends))
    return lean if reading is None or lean.held_loss < reading.held_loss else reading


def _cuts(
    train: EventLog, texts: int, rng: np.random.Generator, between: bool = False
) -> np.ndarray:
    """Positions e of the log with an event before them, about `texts` in all, every user heard.

    `between`: only where a visit begins, if there are such; what comes next within a visit is much
    like what came just now, and says little of the next one.
    """
    first = np.concatenate([[True], train.user[1:] != train.user[:-1]])
    open_ = np.flatnonzero(~first & train.has_item)
    if between and train.time is not None:
        fresh = open_[train.time[open_] - train.time[open_ - 1] > PAUSE]
        open_ = fresh if len(fresh) else open_
    users = np.unique(train.user[open_])
    if len(users) == 0:
        return open_
    per_user = max(1, texts // len(users))
    order = np.lexsort((rng.random(len(open_)), train.user[open_]))
    chosen = open_[order]
    _, begin, count = np.unique(train.user[chosen], return_index=True, return_counts=True)
    rank = np.arange(len(chosen)) - np.repeat(begin, count)
    return np.sort(chosen[rank < per_user])


def with_categories(catalog: Catalog) -> Catalog:
    """Titles followed by their categories, so that the verbalised history says what kind it was."""
    for name in CATEGORY_NAMES:
        attribute = catalog.attribute(name)
        if attribute is not None:
            cells = attribute.cells(len(catalog))
            titles = tuple(
                f"{catalog.title(code)} ({', '.join(furthest(cell)[-3:])})"
                if cell
                else catalog.title(code)
                for code, cell in enumerate(cells)
            )
            return replace(catalog, titles=titles)
    return catalog
