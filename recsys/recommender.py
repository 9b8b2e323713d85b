"""The public face: recommend, similar, intents, explain, with_items, with_facts, save, load."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
from scipy import sparse

from kg.building.triples import Triples
from kg.catalog import Catalog
from kg.declined import Declined
from kg.errors import UsageError
from kg.events import EventLog
from kg.given import Frame
from kg.ids import Vocab
from kg.intents.stage import Stage
from kg.searches import Search, searched
from kg.sequences import Sequences
from kg.tables import Table
from kg.wording.paths import PathIndex
from models.recommender import IntentRecommender
from models.text import TextEncoder
from recsys.hits import Hits, top_k
from recsys.index import VectorIndex
from recsys.intent.carried import Carried
from recsys.intent.signals import IntentSignals
from recsys.intent.wants import language_of, probabilities_of, stage_of
from recsys.partners import Partners
from recsys.partners.popular import popularity
from recsys.retrieval import index_of, queries_of, retrieve, scores_of
from recsys.serving.answers import (
    Intent,
    LeftOut,
    Recommendation,
    check_by,
    check_flag,
    check_k,
    check_many,
    check_one,
    first_intents,
    one_by_one,
    tell_fewer,
    tell_nothing,
    tell_short,
    tell_unknown,
)
from recsys.serving.bulk import frame_of, in_turn, intents_frame
from recsys.serving.diversity import Spread
from recsys.serving.explain import Explanation, explain_item
from recsys.serving.facets import Facets, Where
from recsys.serving.items import ItemStore
from recsys.serving.nearness import cosines
from recsys.serving.queries import profile_of, queries_of_users, query_of, tell_unheard
from recsys.serving.quota import likely_shares
from recsys.serving.steering import Wish, steered
from recsys.serving.stock import stock_told
from recsys.serving.titles import told_titles


@dataclass(frozen=True)
class Recommender:
    """A trained model with everything it needs to answer. Immutable: changes give a new object.

    `log` is what is known now, `base` what was when it was trained, if events came since;
    `forgotten` is how many people were taken out of both since. `declined` is what people turned
    down, and in no list of theirs.
    """

    model: IntentRecommender
    log: EventLog
    catalog: Catalog
    items: ItemStore
    index: VectorIndex
    histories: Sequences
    encoder: TextEncoder | None = None
    intent: IntentSignals | None = None
    paths: PathIndex | None = None
    partners: Partners = field(default_factory=Partners)
    base: EventLog | None = None
    forgotten: int = 0
    declined: Declined = field(default_factory=Declined)

    @property
    def learned(self) -> EventLog:
        """The log as it was when the model was trained."""
        return self.log if self.base is None else self.base

    @classmethod
    def from_model(
        cls,
        model: IntentRecommender,
        log: EventLog,
        catalog: Catalog,
        text: np.ndarray,
        *,
        encoder: TextEncoder | None = None,
        intents: IntentSignals | None = None,
    ) -> Recommender:
        """Serve `model` on the full `log` (what is known now, held-out events included).

        text float32 [N, T] are the item vectors of `encoder`.
        """
        store = ItemStore.of(model, catalog, text)
        return cls(
            model, log, catalog, store, index_of(store, Partners(), log), Sequences.of(log),
            encoder, intents, PathIndex.of(model.graph.with_events(log)),
        )  # fmt: skip

    def beside(self, partners: Partners) -> Recommender:
        """With these beside the model."""
        index = index_of(self.items, partners, self.log, self.index)
        return replace(self, partners=partners, index=index)

    # ---- queries -------------------------------------------------------------------------

    def history(
        self, user: object | None = None, history: Sequence[object] | None = None
    ) -> np.ndarray:
        """Item codes int64 [L], oldest first, of a known user or a given history.

        Searches in it have no code. Someone who stands in the table of users only has an empty
        history.
        """
        if (user is None) == (history is None):
            raise UsageError("Say either a user or a history, not both and not neither.")
        if history is not None:
            told = check_many(history, "history")
            keys = [key for key in told if not isinstance(key, Search)]
            return self.items.first[np.array([self.items.code(key) for key in keys], np.int64)]
        if profile_of(self, user) is not None:
            return np.zeros(0, np.int64)
        return self.histories.items_of(int(self.log.users.encode([user])[0]))

    @cached_property
    def searching(self) -> int:
        """The commonest behaviour of searches in the log; the usual one if it has none."""
        log = self.learned
        at = searched(log)
        return int(np.bincount(log.behaviour[at]).argmax()) if len(at) else self.usual

    @cached_property
    def usual(self) -> int:
        """The commonest behaviour of the log, by which a history of bare items is read."""
        with_item = self.learned.behaviour[self.learned.has_item]
        return int(np.bincount(with_item, minlength=1).argmax())

    @cached_property
    def told(self) -> Catalog:
        """Titles with categories by code, added items too (ids are not looked up)."""
        return told_titles(self.catalog, self.items, self.model.graph)

    @cached_property
    def reasons(self) -> PathIndex | None:
        """The paths that explanations look up, with what the items of the training are told now."""
        items = self.items
        if self.paths is None or not len(items.renewed):
            return self.paths
        now = items.newest[items.renewed]
        facts = (items.facts.get(code, ()) for code in now.tolist())
        return self.paths.telling(dict(zip(items.renewed.tolist(), facts, strict=True)))

    @cached_property
    def named(self) -> Catalog:
        """The catalogue of the training, with the titles of now."""
        items = self.items
        if not len(items.renewed):
            return self.catalog
        titles = (items.titles[code] for code in items.newest[: items.trained].tolist())
        return replace(self.catalog, titles=tuple(titles))

    @cached_property
    def carried(self) -> Carried:
        """The named intents that items carry, added ones too, by names of the titles' language."""
        return Carried.of(self.intent, self.items, self.model.graph, language_of(self, None))

    def recommend(
        self,
        user: object | None = None,
        *,
        history: Sequence[object] | None = None,
        profile: Mapping[str, object] | None = None,
        k: int = 10,
        filter_seen: bool | None = None,
        intent: str | Sequence[str] | None = None,
        avoid: str | Sequence[str] | None = None,
        intent_quota: Mapping[str, float] | Literal["auto"] | None = None,
        where: Where | None = None,
        only: Sequence[object] | None = None,
        without: Sequence[object] | None = None,
        diversity: float = 0.0,
        at_most: Mapping[str, int] | None = None,
    ) -> list[Recommendation]:
        """The k best items for a known user or a given history (ids, oldest first; a `Search` is
        read as an event where the model has learned to, and by intents everywhere).

        `profile` ({"age": "18-25", "likes": ["tea", "cake"]}) tells attributes and vectors of the
        person by name, in place of those of the table of users; alone it is enough to ask with. A
        value that nobody has, and a search where the model has not learned to read any, says
        nothing or little: a `NotHeard` warning tells.
        What a known user turned down (disliked, dismissed; `kg.declined`) is left out.
        `filter_seen` leaves out what the history holds; None: unless people meet items again in
        these data, as in a food shop, and the model counts repeats.
        Without an event or a profile to go by, the most popular items. May return fewer than k
        where the catalogue has no more. `UsageError` for an unknown id or a k outside [1, 1000].

        `intent`: only items that carry this named intent (or one of several), best first; where
        they are fewer than k, then the nearest to them by text. Words that are no name: of the
        items nearest to them those that fit the person too. `avoid`: no item that carries one of
        these. `intent_quota` {"Drama": 0.5, "Comedy": 0.3} (or counts): such shares of the list,
        the rest free, the order by turns; "auto": the likeliest `intents`, as likely as they are.
        The order is that of the wish, a score is the person's own (`recsys.serving.steering`).

        `where` {"brand": ["Acme", "Zeta"], "price": (10, 50)}: only items with such facts, or with
        a number in such a range (None: open). `only` and `without`: lists of ids. `diversity` in
        [0, 1] minds what is like what stands above it, `at_most` {"category": 2} caps how many
        items share a value. A list that a filter leaves short is one, with a `FewerItems` warning.
        """
        k, filter_seen = check_k(k, "recommend"), check_flag(filter_seen, "filter_seen")
        check_one(user)
        history = one_by_one(history)
        wish = None
        if intent is not None or avoid is not None or intent_quota is not None:
            wish = Wish.of(self.carried, intent, avoid, intent_quota, k)
        spread = Spread.of(diversity, at_most)
        if spread is not None and intent_quota is not None:
            raise UsageError("Say either an intent_quota or diversity and at_most, not both.")
        allowed = self.facets.allowed(where, only, without)
        query, one = query_of(self, user, history, profile)
        tell_unheard(self, history, profile)
        gone = None if user is None else self._declined_by(user)
        if wish is not None:
            wish = self._shared(wish, user, history)

        def ranked(count: int) -> list[tuple[int, float]]:
            return self._ranked(query, one, count, filter_seen, allowed, gone, wish)

        found = ranked(k) if spread is None else self._spread(spread, ranked, k)
        tell_fewer(
            len(found), k, self._living(allowed), at_most,
            wished=wish is not None, avoiding=avoid is not None,
            met=bool(filter_seen) and len(one.item) > 0,
        )  # fmt: skip
        return [self._answer(code, score) for code, score in found]

    def score(
        self,
        user: object | None,
        items: Sequence[object],
        *,
        history: Sequence[object] | None = None,
        profile: Mapping[str, object] | None = None,
    ) -> np.ndarray:
        """float32 [M], by what `recommend` ranks these items for this person (or, with None, this
        history or profile), those met before too; -inf for one that is in no list.
        """
        history = one_by_one(history)
        codes = np.array([self.items.code(key) for key in check_many(items, "score")], np.int64)
        query, one = query_of(self, user, history, profile)
        tell_unheard(self, history, profile)
        popular = len(one.item) == 0 and not query.any()
        scores = self._counts() if popular else self._scores(query, one, False)
        if user is not None:
            scores[self._declined_by(user)] = -np.inf
        return scores[codes]

    def _ranked(
        self, query: np.ndarray, one: Sequences, k: int, filter_seen: bool | None,
        allowed: np.ndarray | None, gone: np.ndarray | None, wish: Wish | None,
    ) -> list[tuple[int, float]]:  # fmt: skip
        """At most k items by code with their scores, for one history; what is popular if nothing is
        known. Of those `allowed` bool [N] only, none of the codes `gone`.
        """
        popular = len(one.item) == 0 and not query.any()
        if wish is None and not popular:
            without = None if gone is None else [gone]
            return self._found(query, one, k, filter_seen, allowed, without).first()
        scores = self._counts() if popular else self._scores(query, one, filter_seen)
        if allowed is not None:
            scores = np.where(allowed, scores, -np.inf)
        if gone is not None:
            scores[gone] = -np.inf
        if wish is None:
            return top_k(scores[None], k).first()
        encode = None if self.encoder is None else self.encoder.encode
        codes = steered(wish, scores, self.carried, self.items, k, encode)
        return [(code, float(scores[code])) for code in codes]

    def _spread(
        self, spread: Spread, ranked: Callable[[int], list[tuple[int, float]]], k: int
    ) -> list[tuple[int, float]]:
        """At most k that are not too much alike, of as many of the best `ranked` as it takes."""
        pool = spread.pool(k)
        while True:
            found = ranked(pool)
            codes = np.array([code for code, _ in found], np.int64)
            scores = np.array([score for _, score in found])
            values = {name: self.facets.values(name, codes) for name in spread.at_most}
            places = spread.chosen(scores, self.items.vectors[codes], values, k)
            every = len(found) < pool or len(places) == k
            if every or len(places) >= self.facets.longest(spread.at_most):
                return [found[place] for place in places]
            pool *= 10  # the caps leave out most of them

    @cached_property
    def facets(self) -> Facets:
        """What items can be filtered by."""
        return Facets(self.model.graph, self.items)

    def _living(self, allowed: np.ndarray | None) -> np.ndarray | None:
        """What a filter says of the items that there are, each once."""
        return None if allowed is None else allowed[self.items.living]

    def _shared(self, wish: Wish, user: object | None, history: Sequence[object] | None) -> Wish:
        """A wish for the person's own mix of intents, once it is known."""
        if not wish.auto:
            return wish
        known = user is not None or history is not None
        p = probabilities_of(self, user, history) if known else None
        return wish.sharing({} if p is None else likely_shares(p))

    def _scores(self, query: np.ndarray, one: Sequences, filter_: bool | None) -> np.ndarray:
        """float32 [N], the score of every item for one history; -inf: it may not be answered."""
        return scores_of(self.index, self.items, *self._asked(query, one, filter_))[0]

    @cached_property
    def _declined(self) -> sparse.csr_matrix:
        """bool [U, N]: the user of the log turned the item, by its newest row, down."""
        user, item = self.declined.standing(self.log)
        at, shape = (user, self.items.newest[item]), (len(self.log.users), len(self.items))
        return sparse.csr_matrix((np.ones(len(user), bool), at), shape)

    def _declined_by(self, user: object) -> np.ndarray:
        """int64 [L], what somebody turned down."""
        row = int(self.log.users.encode([user], missing="negative")[0])
        if row >= 0 and self.declined:
            return self._declined[[row]].indices
        pairs = zip(self.declined.user, self.declined.item, strict=True)  # who has no event yet
        found = self.items.find([item for who, item in pairs if who == str(user)])
        return found[found >= 0]

    def _found(
        self, queries: np.ndarray, part: Sequences, k: int, filter_: bool | None,
        allowed: np.ndarray | None = None, gone: Sequence[np.ndarray] | None = None,
    ) -> Hits:  # fmt: skip
        """Hits [B, k] of these histories, items met before masked or scored as repeats; of those
        `allowed` bool [N] only, and in each [B] none of its codes `gone`.
        """
        queries, seen, added = self._asked(queries, part, filter_)
        if gone is not None:
            seen = [np.append(codes, more) for codes, more in zip(seen, gone, strict=True)]
        return retrieve(self.index, self.items, queries, seen, k, added, allowed)

    def index_queries(self, rows: np.ndarray) -> np.ndarray:
        """float32 [B, D'], what the index is asked with for these users [B] of the log."""
        queries, part = queries_of_users(self, rows)
        return queries_of(queries, self.partners, part, mixed=self.repeats)

    def found_for(
        self, rows: np.ndarray, k: int, filter_seen: bool | None = None,
        allowed: np.ndarray | None = None,
    ) -> Hits:  # fmt: skip
        """Hits [B, k] of these users [B] of the log, by the numbers of items; bool [N]: of those
        `allowed`. Of whom nothing is known gets what is popular.
        """
        queries, part = queries_of_users(self, rows)
        gone = [self._declined[[row]].indices for row in rows] if self.declined else None
        hits = self._found(queries, part, k, filter_seen, allowed, gone)
        strangers = np.flatnonzero((part.lengths == 0) & ~queries.any(1))  # as in `recommend`
        if not len(strangers):
            return hits
        counts = self._counts()
        if allowed is not None:
            counts[~allowed] = -np.inf
        hits = hits.replaced(strangers, top_k(counts[None], k))
        for at in strangers.tolist():
            if gone is not None and len(gone[at]):
                own = counts.copy()
                own[gone[at]] = -np.inf
                hits = hits.replaced(np.array([at]), top_k(own[None], k))
        return hits

    def _asked(
        self, queries: np.ndarray, part: Sequences, filter_: bool | None
    ) -> tuple[np.ndarray, list[np.ndarray], sparse.csr_matrix | None]:
        """What the index is asked with, for queries [B, D] of these histories: vectors, the codes
        that are masked, and what is added.
        """
        masked = not self.repeats if filter_ is None else filter_
        none = part.item[:0]
        seen = [part.items_of(row) if masked else none for row in range(len(part))]
        mixed = self.repeats and not masked
        added = self.partners.added(self.model, part, queries, self.items.met, mixed=mixed)
        return queries_of(queries, self.partners, part, mixed=mixed), seen, added

    @property
    def repeats(self) -> bool:
        """Whether items that were met before are scored by how often and when, and recommended."""
        return self.model.repeat is not None

    def _named(self, hits: Hits) -> list[Recommendation]:
        return [self._answer(code, score) for code, score in hits.first()]

    def _answer(self, code: int, score: float) -> Recommendation:
        item, title = self.items.ids[code], self.items.title(code)
        return Recommendation(item, title, score, self.carried.of_item(code))

    def _counts(self) -> np.ndarray:
        """float32 [N], recent events per item, as its newest row; hidden items -inf."""
        counts = popularity(self.log, self.partners.recent)
        at = self.items.newest[: len(counts)]
        out = np.bincount(at, counts, minlength=len(self.items)).astype(np.float32)
        out[self.items.hidden] = -np.inf
        return out

    def recommend_all(
        self,
        k: int = 10,
        *,
        filter_seen: bool | None = None,
        intent: str | Sequence[str] | None = None,
        avoid: str | Sequence[str] | None = None,
        intent_quota: Mapping[str, float] | Literal["auto"] | None = None,
        where: Where | None = None,
        only: Sequence[object] | None = None,
        without: Sequence[object] | None = None,
        diversity: float = 0.0,
        at_most: Mapping[str, int] | None = None,
        users: Sequence[object] | None = None,
        batch: int = 1024,
    ) -> Iterator[pl.DataFrame]:
        """Every user of the log once, or these `users` of it in their order: a frame (user_id,
        item_id, score, rank) per `batch` users. All else is as for `recommend`; with intents,
        `diversity` or `at_most` each user is asked for alone, which takes longer.
        """
        k, filter_seen = check_k(k, "recommend_all"), check_flag(filter_seen, "filter_seen")
        alone = {"intent": intent, "avoid": avoid, "intent_quota": intent_quota, "at_most": at_most}
        allowed = self.facets.allowed(where, only, without)
        every = self._rows(users, "recommend_all")
        each = bool(diversity) or any(told is not None for told in alone.values())
        filters = {"where": where, "only": only, "without": without, "diversity": diversity}
        full = 0
        for start in range(0, len(every), batch):
            rows = every[start : start + batch]
            if each:
                found = in_turn(self, rows, k, filter_seen, alone | filters)
            else:
                found = frame_of(self, rows, self.found_for(rows, k, filter_seen, allowed))
            full += int((found["rank"] == k).sum())
            yield found
        none = not self.items.living.any()
        if allowed is not None or at_most or avoid is not None or filter_seen or none:
            tell_short(len(every) - full, len(every), k)

    # ---- similarity ----------------------------------------------------------------------

    def similar(
        self,
        item: object | None = None,
        *,
        text: str | None = None,
        k: int = 10,
        where: Where | None = None,
        only: Sequence[object] | None = None,
        without: Sequence[object] | None = None,
    ) -> list[Recommendation]:
        """The k items most like an item (cosine of item vectors) or a text (cosine of texts);
        filters are those of `recommend`.
        """
        k = check_k(k, "similar")
        allowed = self.facets.allowed(where, only, without)
        if (item is None) == (text is None):
            raise UsageError("Say either an item or a text, not both and not neither.")
        if item is not None:
            code = self.items.code(item)
            space = self.items.vectors
            query, own = space[code], code
        else:
            assert text is not None
            if self.encoder is None:
                raise UsageError("similar(text=…) needs the encoder that this run was made with.")
            if not text.strip():
                raise UsageError("The text of similar must not be empty.")
            space, query, own = self.items.text, self.encoder.encode([text])[0], -1
        if not (query.any() and space.any()):
            tell_nothing(f"the item {item!r}" if text is None else f"the text {text!r}",
                         "" if space.any() else "no item of this run has a text")  # fmt: skip
            return []
        cosine = cosines(space, query)
        cosine[self.items.hidden] = -np.inf
        if own >= 0:
            cosine[own] = -np.inf
        if allowed is not None:
            cosine[~allowed] = -np.inf
        found = self._named(top_k(cosine[None], k))
        tell_fewer(len(found), k, self._living(allowed))
        return found

    # ---- intents and reasons -------------------------------------------------------------

    def intents(
        self,
        user: object | None = None,
        *,
        history: Sequence[object] | None = None,
        k: int = 5,
        language: str | None = None,
        by: str = "probability",
    ) -> list[Intent]:
        """The k most probable named intents; empty where the graph has no categories.

        `by` "difference" gives those that are most above what is usual, and only those above it:
        what tells this person from others. With a taxonomy they are called by their names in this
        language, or that of the titles.
        """
        k = check_k(k, "intents")
        check_by(by)
        spoken = language_of(self, language)
        p = probabilities_of(self, user, one_by_one(history))
        if self.intent is None or self.intent.head is None or p is None:
            return []
        usual = self.intent.head.usual.numpy()
        return first_intents(self.intent.names(spoken), p, usual, k, by)

    def intents_all(
        self,
        k: int = 5,
        *,
        language: str | None = None,
        by: str = "probability",
        users: Sequence[object] | None = None,
        batch: int = 1024,
    ) -> Iterator[pl.DataFrame]:
        """Every user of the log with an item, or these `users`, as `intents` and `stage` have them:
        a frame (user_id, intent, probability, usual, stage, rank) per `batch` users.
        """
        k = check_k(k, "intents_all")
        check_by(by)
        every = self._rows(users, "intents_all")
        for start in range(0, len(every), batch):
            yield intents_frame(self, every[start : start + batch], k, language, by)

    def _rows(self, users: Sequence[object] | None, where: str) -> np.ndarray:
        """Users of the log by number, all of them where none is said."""
        if users is None:
            return np.arange(len(self.log.users))
        return self.log.users.encode(check_many(users, where))

    def stage(
        self, user: object | None = None, *, history: Sequence[object] | None = None
    ) -> Stage:
        """browsing, comparing or buying, by the newest events (the rule: `kg.intents.stage`).

        The events of a given history are of the log's commonest kind, or searches.
        """
        return stage_of(self, user, one_by_one(history))

    def explain(
        self, user: object | None = None, *, item: object, history: Sequence[object] | None = None
    ) -> Explanation:
        """Why this item for this user: a sentence, the paths, the nearest text, the parts."""
        code = self.items.code(item)
        if not self.items.living[code]:
            raise UsageError(f"The item {item!r} was removed: it is in no answer to be explained.")
        query, one = query_of(self, user, one_by_one(history))
        return explain_item(self, query, one, code)

    # ---- changes -------------------------------------------------------------------------

    def with_items(self, new: Catalog | Table) -> Recommender:
        """These items too, recommendable at once; of an id that exists, what the catalogue names is
        replaced: attributes, numbers, named vectors, and title and text if any item has one. All
        else stays as it was, what was learned of it and its events too. It is in answers again if
        it was removed; what is out of stock stays so until `with_stock` says that it is back.

        A text, a fact that the graph knows or a named vector is enough. An item with none of them
        is in no list but, at its end, that of what is popular until it has events (`with_events`):
        a `NothingKnown` warning says so.
        A file or a frame is read by `Catalog.read`. `recsys.serving.adding.with_items` also tells
        what became of the items.
        """
        from recsys.serving.adding import with_items

        new = new if isinstance(new, Catalog) else Catalog.read(new)
        found, told = with_items(self, new)
        tell_unknown(new.ids.ids, told.silent)
        return found

    def with_events(self, new: EventLog | Table, *, refit: bool = False) -> Recommender:
        """These events too: people, new ones as well, are known by them, popularity counts them,
        items that had none in training warm up. `refit`: what stands in closed form beside the
        network learns of them (seconds). Events with items nobody knows are left out, with a
        warning; `recsys.serving.live.with_events` gives them. A file or a frame is read by
        `EventLog.read`.
        """
        from recsys.serving.live import with_events

        if not isinstance(new, EventLog):
            new = EventLog.read(new, own=self.log.behaviours)
        found, report = with_events(self, new, refit=refit)
        if report.kept < report.read:
            warnings.warn(f"with_events: {report}.", LeftOut, stacklevel=2)
        return found

    def without_users(self, ids: Sequence[object], *, refit: bool = True) -> Recommender:
        """Without these people: their events, histories and profiles, what they searched for and
        their ids are gone, here and in the folder that `save` writes (`self` still has them).
        Popularity and trend count the others; `refit`: neighbours, factors and habits are fitted
        anew to what the others did (seconds), else they keep what they learned of everybody.

        What the training learned of them cannot be taken back here: weights, id vectors and counts
        of events by item. For that, train again on data without them. `UsageError` for an id that
        nobody has, or if nobody were left.
        """
        from recsys.serving.forgetting import without_users

        return without_users(self, ids, refit=refit)

    def without_items(self, keys: Sequence[object]) -> Recommender:
        """These items in no answer from now on."""
        ids = [str(key) for key in check_many(keys, "without_items")]
        return self._showing(self.items.without(ids))

    def with_stock(self, flags: Mapping[str, bool | str | float]) -> Recommender:
        """Items that are out of stock (False) in no answer until they are back (True); "yes", "no"
        or how many there are is read as in a table (`kgintent items stock`). `UsageError` for what
        says neither, such as NaN.
        """
        return self._showing(self.items.in_stock(stock_told(flags)))

    def _showing(self, items: ItemStore) -> Recommender:
        """With these items, which are as they were but for which of them are hidden."""
        found = replace(self, items=items)
        if "carried" in vars(self):  # takes seconds where many items were added
            vars(found)["carried"] = self.carried
        return found

    def with_facts(self, triples: Triples | Frame | Sequence[tuple[str, str, str]]) -> Recommender:
        """These facts too, heard and given as reasons at once; a new object, nothing is trained.

        Rows (head, relation, tail), a frame with these columns, or what `read_triples` gives: heads
        are items, the relation is one of the training's, a tail may be new (rules:
        `recsys.serving.facts`). Raises `UsageError` for a relation that is not, naming the nearest,
        `DataError` for ends that it does not join.
        """
        from recsys.serving.facts import with_triples

        if not isinstance(triples, Triples):
            triples = Triples.of(triples, Vocab.of(self.items.ids, "item"))
        return with_triples(self, triples)[0]

    def save(self, path: str | Path, **facts: object) -> None:
        """Publish as a run folder (see `recsys.store`)."""
        from recsys.store import save_run

        save_run(self, path, facts)

    @classmethod
    def load(cls, path: str | Path, encoder: TextEncoder | None = None) -> Recommender:
        """A run folder, every file checked by hash; the encoder is loaded when it is needed."""
        from recsys.store import load_run

        return load_run(path, encoder)
