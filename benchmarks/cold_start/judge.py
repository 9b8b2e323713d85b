"""Lists of cold items, of all, and of warm ones alone, for everybody who is world.

    cold          cold items only, targets are cold
    all           all items, all targets; a cold item must beat warm ones to be shown
    cold in all   the same lists, cold targets alone
    warm in all   the same lists, warm targets alone
    warm alone    lists of warm items: as if no cold item had been added

Recall@20 and NDCG@20, mean over the users with such a target. Items that a user had met leave all
lists; equal scores go to the smaller number; -inf is never recommended.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import siblings  # noqa: F401
from judging import measure
from worlds import World

from kg.events import EventLog
from kg.sequences import Sequences
from recsys.judging.evaluate import top_k
from recsys.metrics.buckets import within

K = 20
SHOWN = ("ndcg@20", "recall@20")
VIEWS = {"cold": ("cold", True), "all": ("all", None), "cold in all": ("all", True),
         "warm in all": ("all", False), "warm alone": ("warm", False)}  # fmt: skip
"""By name: which list, and whether the targets are the cold ones, the warm ones, or all."""
FACTS = {"no fact": (0, 0), "1-2": (1, 2), "3-5": (3, 5), "6-10": (6, 10), "11+": (11, np.inf)}
EVENTS = {"1-9": (1, 9), "10-49": (10, 49), "50+": (50, np.inf)}
Scores = Callable[[Sequences], np.ndarray]
Buckets = dict[str, dict[str, np.ndarray]]
"""By kind and name of a bucket: the items in it, bool [N]."""


def judge(
    scores: Scores, world: World, buckets: Buckets | None = None, batch: int = 256
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Per view the means, and the values per user; per bucket those of the cold items in it."""
    histories, target = world.questions()
    users = np.unique(target.user)
    lists = ranked(scores, world, histories, users, batch)
    told, arrays = {}, {}
    for view, (name, cold) in VIEWS.items():
        wanted = target if cold is None else target.take(world.cold[target.item] == cold)
        told[view], values = measured(lists[name], users, wanted)
        arrays |= {f"{view}/{key}": value for key, value in values.items()}
    loss = told["warm in all"]["ndcg@20"], told["warm alone"]["ndcg@20"]
    told["warm loss"] = round(1 - loss[0] / loss[1], 6) if loss[1] else None
    shown = lists["all"][:, :K]
    told["cold share of lists"] = round(float(_share(world.cold, shown)), 6)
    told["by"] = {
        kind: {name: measured(lists["cold"], users,
                               target.take(world.cold[target.item] & items[target.item]))[0]
               for name, items in found.items()}
        for kind, found in (buckets or {}).items()
    }  # fmt: skip
    return told, arrays


def ranked(
    scores: Scores, world: World, histories: Sequences, users: np.ndarray, batch: int
) -> dict[str, np.ndarray]:
    """int64 [users, 20] each: the lists of cold items, of all and of warm ones, -1: none."""
    met = Sequences.of(world.met)
    among = {"cold": np.flatnonzero(world.cold), "all": np.arange(len(world.cold)),
             "warm": np.flatnonzero(~world.cold)}  # fmt: skip
    parts: dict[str, list[np.ndarray]] = {name: [] for name in among}
    for start in range(0, len(users), batch):
        rows = users[start : start + batch]
        found = np.array(scores(histories.take(rows)), np.float32)
        own = met.take(rows)
        found[own.row, own.item] = -np.inf
        for name, codes in among.items():
            some = found if name == "all" else found[:, codes]
            index = top_k(some, K).index
            parts[name].append(np.where(index < 0, -1, codes[index]))
    none = [np.zeros((0, K), np.int64)]
    return {name: np.concatenate(part or none) for name, part in parts.items()}


def measured(
    index: np.ndarray, users: np.ndarray, target: EventLog
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Of the lists of these users the means, and the values per user who has a target."""
    report = measure(index, users, target)
    means = {name: round(report.metrics[name], 6) if report.users else None for name in SHOWN}
    pairs = len(np.unique(target.user * len(target.items) + target.item))
    values = {name: report.per_user[name].astype(np.float32) for name in SHOWN}
    return (
        {"users": report.users, "targets": pairs, **means},
        values | {"user": report.user.astype(np.int32)},
    )


def _share(cold: np.ndarray, index: np.ndarray) -> float:
    """Of what is shown, how much is cold."""
    return float(cold[index[index >= 0]].mean()) if (index >= 0).any() else 0.0


def buckets_of(world: World) -> Buckets:
    """Items by how many facts they have, whether they have a text, and how many events they had in
    truth before the test part or in it.
    """
    facts = np.zeros(len(world.catalog), np.int64)
    for relation in world.facts.fact_relations:
        if relation[0] == "item":
            facts += np.bincount(world.facts.edges[relation][0], minlength=len(facts))
    text = np.array([bool(text) for text in world.catalog.full_texts()])
    events = world.split.before_test().item_counts() + world.split.test.item_counts()
    kinds = {"with a text": text & (facts > 0), "text only": text & (facts == 0),
             "facts only": ~text & (facts > 0), "nothing": ~text & (facts == 0)}  # fmt: skip
    return {
        "facts": {name: within(facts, ends) for name, ends in FACTS.items()},
        "known by": kinds,
        "events in truth": {name: within(events, ends) for name, ends in EVENTS.items()},
    }
