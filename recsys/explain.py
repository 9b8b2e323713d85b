"""Why an item was recommended: a path through the graph, a text that is near, and the parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from kg.paths import shared
from kg.sequences import Sequences

if TYPE_CHECKING:
    from recsys.recommender import Recommender

TEXT_MATCH = 0.5
"""Cosine of two texts from which they are called alike."""
WEAK = frozenset({"year", "release_year", "released", "country", "in_language", "language"})
"""Facts that so many items share that they are a reason only where there is no other."""


@dataclass(frozen=True)
class Explanation:
    """`reason` in one sentence; `paths` more of them; `parts`: the score's share per source.

    The score is exactly the sum of the parts, as query · (text + graph + id + …).
    """

    item: str
    title: str
    reason: str
    paths: tuple[str, ...]
    nearest_text: tuple[str, float] | None
    parts: dict[str, float]
    score: float


def explain_item(
    rec: Recommender, query: np.ndarray, one: Sequences, code: int, added: dict[str, float]
) -> Explanation:
    """The explanation of one item (code) for a query [D] that came from one history.

    `added` is what the score owes to more than the query: the item's being in the history
    ("repeat", "habit"), what the items of the history say of it ("neighbours") or, where there is
    none and a profile asks, its popularity.
    """
    history = one.items_of(0)
    paths = _paths(rec, history, code)
    nearest = _nearest_text(rec, history, code)
    parts = {
        "text": float(query @ rec.items.text_part[code]),
        "graph": float(query @ rec.items.graph_part[code]),
        "id": float(query @ rec.items.id_part[code]),
    }
    parts |= {name: float(query @ part[code]) for name, part in rec.items.extras.items()}
    parts |= added
    near = rec.partners.neighbours
    told_by = near.source(one, code) if near is not None else None
    if added.get("repeat", 0) + added.get("habit", 0) > 0:
        reason = "because you come back to it"
    elif paths:
        reason = paths[0]
    elif nearest is not None and nearest[1] >= TEXT_MATCH:
        reason = f"its text is close to {nearest[0]} (similarity {nearest[1]:.2f})"
    elif told_by is not None:
        reason = f"people who met {rec.items.title(told_by)} went on to it"
    elif len(history):
        reason = "people with a history like yours went on to it"
    elif "popularity" in added:
        reason = "people with a profile like yours chose it"
    else:
        reason = "popular with everyone"
    return Explanation(rec.items.ids[code], rec.items.title(code), reason, paths, nearest, parts,
                       sum(parts.values()))  # fmt: skip


def _paths(rec: Recommender, history: np.ndarray, code: int, limit: int = 3) -> tuple[str, ...]:
    if len(history) == 0 or rec.paths is None:
        return ()
    if code < rec.items.trained:
        known = history[history < rec.items.trained][-50:]
        if len(known) == 0:
            return ()
        found = rec.paths.paths(known, code, limit, WEAK) or rec.paths.paths(known, code, limit)
        return tuple(path.sentence(rec.catalog, rec.model.graph) for path in found)
    return _paths_of_added(rec, history, code, limit)


def _paths_of_added(
    rec: Recommender, history: np.ndarray, code: int, limit: int
) -> tuple[str, ...]:
    """Facts that an added item shares with the newest items of the history, rarest node first."""
    graph = rec.model.graph
    found = []
    for relation, node in rec.items.facts.get(code, ()):
        heads, tails = graph.edges[relation]
        members = heads[tails == node]
        recent = [c for c in history[::-1].tolist() if c in set(members.tolist())]
        if recent:
            told = shared(relation[1], graph.name(relation[2], node))
            sentence = f"because you met {rec.items.title(recent[0])}: {told}"
            found.append((len(members), sentence))
    return tuple(sentence for _, sentence in sorted(found)[:limit])


def _nearest_text(rec: Recommender, history: np.ndarray, code: int) -> tuple[str, float] | None:
    own = rec.items.text[code]
    if len(history) == 0 or not own.any():
        return None
    recent = history[-50:]
    recent = recent[rec.items.newest[recent] != rec.items.newest[code]]  # like itself says nothing
    if len(recent) == 0:
        return None
    cosine = rec.items.text[recent] @ own
    best = int(np.argmax(cosine))
    return rec.items.title(int(recent[best])), float(cosine[best])
