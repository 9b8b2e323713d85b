"""Which recommendations change when facts do, without training again.

The run answers the same people twice, with the facts of one graph and of another; whom else it
would answer otherwise after a training on the new facts, nobody knows before that training.
"""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from kg.building.joined import merged
from kg.checking.diff import difference
from kg.errors import UsageError
from kg.graph import KnowledgeGraph
from recsys.recommender import Recommender
from recsys.serving.answers import FewerItems, check_k
from recsys.serving.facts import unheard, with_graph

MOST = 5
"""So many items that rise, and that fall, are told."""
Lists = dict[str, list[str]]
"""The items that each user gets, best first."""


@dataclass(frozen=True)
class ListChange:
    """Of `users`: lists with another item in them, lists of the same items in another order, and
    the mean share of a list that stays (overlap@k).

    `name`: the relation whose new facts alone were told, or "all facts".
    """

    what: str
    name: str
    users: int
    changed: int
    reordered: int
    overlap: float


@dataclass(frozen=True)
class ItemChange:
    """In how many of the lists an item stood before, and stands now."""

    what: str
    item: str
    title: str
    before: int
    after: int


def list_changes(
    rec: Recommender, old: KnowledgeGraph, new: KnowledgeGraph, k: int = 10,
    users: Sequence[str] | None = None,
) -> tuple[list[ListChange], list[ItemChange]]:  # fmt: skip
    """What the facts of `new` do to lists of k that the run makes of those of `old`: all together,
    then each relation that changed alone, the one that changes most first; and the items that rise
    and fall most. `users` None: everybody.

    Relations that the run was not trained with say nothing (`recsys.serving.facts.unheard`).
    """
    k = check_k(k, "recommend")
    first = lists(with_graph(rec, old), k, users)
    last = lists(with_graph(rec, new), k, users)
    alone = [
        _changed(name, first, lists(with_graph(rec, _with(old, new, name)), k, users))
        for name in changed_relations(rec, old, new)
    ]
    alone.sort(key=lambda one: (-one.changed, -one.reordered, one.name))
    return [_changed("all facts", first, last), *alone], _moved(rec, first, last)


def some_users(rec: Recommender, count: int, rng: np.random.Generator) -> list[str]:
    """So many of the run's users, drawn, in the order of their ids; all where it has no more."""
    if count < 1:
        raise UsageError(f"The number of users must be >= 1. Got {count} instead.")
    every = len(rec.log.users)
    drawn = np.sort(rng.choice(every, min(count, every), replace=False))
    return rec.log.users.decode(drawn)


def lists(rec: Recommender, k: int, users: Sequence[str] | None = None) -> Lists:
    """What each user is recommended. A short list is one in both, and no warning tells of it."""
    if users is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FewerItems)
            return {user: [one.item for one in rec.recommend(user, k=k)] for user in users}
    frame = pl.concat(rec.recommend_all(k)).group_by("user_id", maintain_order=True)
    table = frame.agg(pl.col("item_id"))
    return dict(zip(table["user_id"].to_list(), table["item_id"].to_list(), strict=True))


def changed_relations(rec: Recommender, old: KnowledgeGraph, new: KnowledgeGraph) -> list[str]:
    """Names of relations that the run hears and of which facts came or went."""
    strange = {" – ".join(r) for graph in (old, new) for r in unheard(rec, graph)}
    moved = [
        one.name.split(" – ")[1] for one in difference(old.facts(), new.facts())
        if one.what == "edges" and (one.added or one.removed) and one.name not in strange
    ]  # fmt: skip
    return list(dict.fromkeys(moved))


def _with(old: KnowledgeGraph, new: KnowledgeGraph, name: str) -> KnowledgeGraph:
    """The old facts, but of the relation of this name the new ones."""
    kept = {r: e for r, e in old.facts().edges.items() if r[1] != name}
    come = {r: e for r, e in new.facts().edges.items() if r[1] == name}
    return merged(replace(old.facts(), edges=kept), replace(new.facts(), edges=come))


def _changed(name: str, first: Lists, last: Lists) -> ListChange:
    changed = sum(set(items) != set(last[user]) for user, items in first.items())
    other = sum(items != last[user] for user, items in first.items())
    shares = [
        len(set(items) & set(last[user])) / max(len(items), len(last[user]))
        for user, items in first.items() if items or last[user]
    ]  # fmt: skip
    what = "lists" if name == "all facts" else "lists by relation"
    overlap = round(float(np.mean(shares)), 4) if shares else 1.0
    return ListChange(what, name, len(first), changed, other - changed, overlap)


def _moved(rec: Recommender, first: Lists, last: Lists) -> list[ItemChange]:
    """The items that come into most lists, then those that leave most."""
    before, after = (Counter(i for items in some.values() for i in items) for some in (first, last))
    by = sorted((after[item] - before[item], item) for item in {*before, *after})
    rise = [item for gain, item in sorted(by, key=lambda one: (-one[0], one[1])) if gain > 0]
    fall = [item for gain, item in by if gain < 0]
    return [
        ItemChange(what, item, rec.items.title(rec.items.code(item)), before[item], after[item])
        for what, some in (("rises", rise), ("falls", fall)) for item in some[:MOST]
    ]  # fmt: skip
