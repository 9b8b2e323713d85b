"""Why an item was recommended: a path through the graph, a text that is near, and the parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import sparse

from kg.sequences import Sequences
from kg.wording.reasons import reasons_in, shared, stated
from kg.wording.templates import Templates
from recsys.partners import prior_scores
from recsys.retrieval import factors_of, trend_of

if TYPE_CHECKING:
    from recsys.recommender import Recommender

TEXT_MATCH = 0.5
"""Cosine of two texts from which they are called alike."""
AGAIN = 0.2
"""Share of what speaks for an item from which having met it before is the reason."""
WEAK = frozenset({"year", "release_year", "released", "country", "in_language", "language"})
"""Facts that so many items share that they are a reason only where there is no other."""


@dataclass(frozen=True)
class Explanation:
    """`reason` in one sentence; `paths` more of them; `parts`: the score's share per source.

    The score is exactly the sum of the parts, as query · (text + graph + id + …); the id of an item
    without events is what is expected of its content.
    """

    item: str
    title: str
    reason: str
    paths: tuple[str, ...]
    nearest_text: tuple[str, float] | None
    parts: dict[str, float]
    score: float


def explain_item(rec: Recommender, query: np.ndarray, one: Sequences, code: int) -> Explanation:
    """The explanation of one item (code) for a query [1, D] that came from one history, in the
    language in which the run reads histories.
    """
    history, added = one.items_of(0), _added(rec, query, one, code)
    language = _language(rec)
    words = reasons_in(language)
    paths = _paths(rec, history, code, language)
    nearest = _nearest_text(rec, history, code)
    items = rec.items
    own = {"text": items.text_part, "graph": items.graph_part, "id": items.id_part, **items.extras}
    parts = {name: float(query[0] @ part[code]) for name, part in own.items()} | added
    near = rec.partners.neighbours
    told_by = near.source(one, int(items.first[code])) if near is not None else None
    if _comes_back(rec, history, code, parts):
        reason = words.again
    elif paths:
        reason = paths[0]
    elif nearest is not None and nearest[1] >= TEXT_MATCH:
        reason = words.text.format(title=nearest[0], cosine=nearest[1])
    elif told_by is not None:
        went_on = words.went_on if _met_both(rec, told_by, code) else words.went_on_alike
        reason = went_on.format(title=rec.items.title(told_by))
    elif rec.items.unknown[code]:
        reason = words.unknown
    elif len(history):
        reason = words.history if len(_people(rec, code)) else words.history_alike
    elif "popularity" in added:
        reason = words.profile if len(_people(rec, code)) else words.profile_alike
    else:
        reason = words.popular if len(_people(rec, code)) else words.unmet
    return Explanation(rec.items.ids[code], rec.items.title(code), reason, paths, nearest, parts,
                       sum(parts.values()))  # fmt: skip


def _comes_back(rec: Recommender, history: np.ndarray, code: int, parts: dict[str, float]) -> bool:
    """Whether the item was met at least twice, and that ("repeat", "habit") is at least a fifth of
    the sum of the positive parts.
    """
    again = parts.get("repeat", 0.0) + parts.get("habit", 0.0)
    if again <= 0 or again < AGAIN * sum(part for part in parts.values() if part > 0):
        return False
    newest = rec.items.newest
    return bool(np.count_nonzero(newest[history] == newest[code]) > 1)


def _people(rec: Recommender, code: int) -> np.ndarray:
    """Codes of the people who met an item, whichever of its rows they met."""
    log, newest = rec.log, rec.items.newest
    return np.unique(log.user[log.has_item & (newest[log.item] == newest[code])])


def _met_both(rec: Recommender, one: int, other: int) -> bool:
    return len(np.intersect1d(_people(rec, one), _people(rec, other))) > 0


def _added(rec: Recommender, query: np.ndarray, one: Sequences, code: int) -> dict[str, float]:
    """What the score owes to more than the query: to the item's being in the history ("repeat",
    "habit"), to what the items of the history say of it ("neighbours", "factors"), to the trend,
    or, where there is no history and a profile asks, to its popularity.
    """
    parts, near, factors = {}, rec.partners.neighbours, rec.partners.factors
    share = rec.partners.share(mixed=rec.repeats)
    if rec.partners.trend is not None and share:
        parts["trend"] = share * trend_of(rec.index, code)
    if rec.repeats:
        vectors = torch.from_numpy(rec.items.met)
        bonus = rec.model.repeat_bonus(one, query, vectors)
        parts["repeat"] = _of_item(rec, bonus, code)
        if (habits := rec.partners.habits) is not None:
            parts["habit"] = _of_item(rec, habits.scores(one), code)
    if near is not None and share:
        parts["neighbours"] = share * _of_item(rec, near.scores(one), code)
    if factors is not None and share:
        asked = factors.queries(one)[0]
        parts["factors"] = share * factors_of(rec.index, rec.items, asked, code)
    if (prior := prior_scores(rec.model, one, query)) is not None:
        parts["popularity"] = _of_item(rec, prior, code)
    return parts


def _of_item(rec: Recommender, added: sparse.csr_matrix | None, code: int) -> float:
    """What one row of added scores gives an item (its newest row)."""
    if added is None:
        return 0.0
    return float(added.data[rec.items.newest[added.indices] == code].sum())


def _language(rec: Recommender) -> str:
    if rec.intent is not None:
        return rec.intent.templates.language
    return Templates.for_titles(rec.catalog.titles).language


def _paths(
    rec: Recommender, history: np.ndarray, code: int, language: str, limit: int = 3
) -> tuple[str, ...]:
    ways = rec.reasons
    if len(history) == 0 or ways is None:
        return ()
    item = int(rec.items.first[code])
    if item < rec.items.trained:
        known = history[history < rec.items.trained][-50:]
        if len(known) == 0:
            return ()
        found = ways.paths(known, item, limit, WEAK) or ways.paths(known, item, limit)
        graph = rec.model.graph
        return tuple(path.sentence(rec.named, graph, language=language) for path in found)
    return _paths_of_added(rec, history, code, language, limit)


def _paths_of_added(
    rec: Recommender, history: np.ndarray, code: int, language: str, limit: int
) -> tuple[str, ...]:
    """Facts that an added item shares with the newest other items of the history, rarest node
    first; before them those that join it to one of these.
    """
    graph, words, items = rec.model.graph, reasons_in(language), rec.items
    history = history[items.newest[history] != items.newest[code]]  # like itself says nothing
    now = {item: int(items.newest[item]) for item in history.tolist()}
    late = {item for item, row in now.items() if row >= items.trained}
    found = []
    for relation, node in items.facts.get(code, ()):
        if relation[2] == "item" and node in history:
            title = rec.items.title(node)
            told = stated(relation[1], rec.items.title(code), title, language)
            found.append((0, words.because.format(verb=words.met, title=title, told=told)))
            continue
        heads, tails = graph.edges[relation]
        members = heads[tails == node]
        having = {*members.tolist()} - late
        having |= {item for item in late if (relation, node) in items.facts.get(now[item], ())}
        recent = [item for item in history[::-1].tolist() if item in having]
        if recent:
            told = shared(relation[1], graph.name(relation[2], node), language)
            title = rec.items.title(recent[0])
            sentence = words.because.format(verb=words.met, title=title, told=told)
            found.append((len(members), sentence))
    return tuple(sentence for _, sentence in sorted(found)[:limit])


def _nearest_text(rec: Recommender, history: np.ndarray, code: int) -> tuple[str, float] | None:
    own = rec.items.text[code]
    if len(history) == 0 or not own.any():
        return None
    recent = history[-50:]
    recent = recent[rec.items.first[recent] != rec.items.first[code]]  # like itself says nothing
    if len(recent) == 0:
        return None
    cosine = rec.items.text[rec.items.newest[recent]] @ own
    best = int(np.argmax(cosine))
    return rec.items.title(int(recent[best])), float(cosine[best])
