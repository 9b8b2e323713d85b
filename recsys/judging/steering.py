"""What steering does to lists: hits, coverage, diversity, and how many items are of the right kind.

unsteered    as `recommend` answers by itself
auto quota   the person's likeliest intents, each with its share of the list
next intent  only what carries an intent of the next event: an oracle, which no service has; it
             says what steering would give if the person said (rightly) what they want
popularity   what is popular
no intent    unsteered, with the gate of the intent in the query shut
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import sparse

from kg.errors import DataError
from kg.events import EventLog
from kg.intents.recent import recent_of_users
from kg.sequences import Sequences
from kg.split import Part, Split
from recsys.hits import best
from recsys.judging.as_of import check_judged, retold, wanting
from recsys.judging.evaluate import ScoreRows
from recsys.metrics import lists
from recsys.metrics.ranking import ndcg
from recsys.metrics.significance import holm, paired_bootstrap
from recsys.partners import scorer
from recsys.partners.popular import popularity
from recsys.recommender import Recommender
from recsys.serving.quota import likely_shares, shared_out
from recsys.serving.steering import Wish, steered

BATCH = 256
Choose = Callable[[int, np.ndarray], list[int]]
"""The number of a user and scores float32 [N] to the codes of at most k items."""


def steering_report(
    rec: Recommender, split: Split, part: Part, k: int = 10
) -> list[dict[str, Any]]:
    """A row per kind of lists, on the users of a part of the split, from what is known before it.

    Its NDCG@k ("gain") and its match ("match_gain", on the lists that have one) are compared with
    those of the unsteered lists (paired bootstrap, p by Holm's method). Diversity and match are by
    the named intents of items (`lists.label_diversity`, `lists.category_match`). Items met before
    are masked, or not where the run counts repeats.
    """
    if rec.intent is None or not len(rec.intent.labels):
        raise DataError("Steering cannot be judged: this run has no named intents.")
    check_judged(rec, split, part)
    items = rec.intent.labels.item
    known, target = split.part(part)
    target = target.take(target.has_item)
    users = wanting(target)
    if part == "test":
        rec = retold(rec, known, np.intersect1d(users, split.valid.user))
    found = {
        name: _chosen(rec, score, choose, Sequences.of(known), users, k)
        for name, (score, choose) in _kinds(rec, known, target, k).items()
    }
    taken = Sequences.of(target).take(users).matrix()
    wanted = sparse.csr_matrix(taken @ items)
    hits = [_ndcg(index, taken, k) for index in found.values()]
    match = [lists.category_match(index, items, wanted) for index in found.values()]
    rows = [
        {
            "lists": name,
            "users": len(index),
            f"ndcg@{k}": round(float(hits[at].mean()), 6),
            f"coverage@{k}": round(lists.coverage(index, taken.shape[1]), 6),
            f"diversity@{k}": _mean(lists.label_diversity(index, items)),
            f"match@{k}": _mean(match[at]),
        }
        for at, (name, index) in enumerate(found.items())
    ]
    both = zip(rows, _gains(hits, ""), _gains(match, "match_"), strict=True)
    return [row | gain | more for row, gain, more in both]


def _kinds(
    rec: Recommender, known: EventLog, target: EventLog, k: int
) -> dict[str, tuple[ScoreRows, Choose]]:
    """By name: how items are scored for users, and how lists are made of scores."""
    assert rec.intent is not None
    labels, head, told = rec.intent.labels, rec.intent.head, rec.intent.valid
    ranked = popularity(known, rec.partners.recent)
    first = dict(zip(target.user[::-1].tolist(), target.item[::-1].tolist(), strict=True))
    chances = None
    if head is not None:
        chances = head.probabilities(told, recent_of_users(known, labels))

    def plain(user: int, scores: np.ndarray) -> list[int]:
        return best(scores, k)

    def auto(user: int, scores: np.ndarray) -> list[int]:
        assert chances is not None
        return shared_out(scores, rec.carried, likely_shares(chances[user]), k)

    def oracle(user: int, scores: np.ndarray) -> list[int]:
        wish = Wish(tuple(labels.item[[first[user]]].indices.tolist()))
        return steered(wish, scores, rec.carried, rec.items, k, None)

    whole = _scorer(rec, known, told)
    out: dict[str, tuple[ScoreRows, Choose]] = {"unsteered": (whole, plain)}
    if chances is not None:
        out["auto quota"] = (whole, auto)
    out["next intent"] = (whole, oracle)
    out["recent popularity" if rec.partners.recent < 1 else "popularity"] = (
        lambda rows: np.tile(ranked, (len(rows), 1)),
        plain,
    )
    if rec.model.intent_dim:
        out["no intent"] = (_scorer(rec, known, None), plain)
    return out


def _scorer(rec: Recommender, known: EventLog, told: np.ndarray | None) -> ScoreRows:
    """The scores of users at the end of `known`, with these intent embeddings float32 [U, T]."""
    histories, vectors = Sequences.of(known), rec.items.vectors[: rec.items.trained]
    queries = rec.model.encode_histories(histories, torch.from_numpy(vectors), told)
    partners = rec.partners.refit(known, rec.items.content[: rec.items.trained])
    mixed = rec.repeats
    return scorer(rec.model, partners, known, histories, queries, vectors, mixed=mixed)


def _chosen(
    rec: Recommender, score: ScoreRows, choose: Choose, histories: Sequences, users: np.ndarray,
    k: int,
) -> np.ndarray:  # fmt: skip
    """int64 [users, k], their lists; items that were added since are in none."""
    out = np.full((len(users), k), -1, np.int64)
    for start in range(0, len(users), BATCH):
        rows = users[start : start + BATCH]
        scores = np.full((len(rows), len(rec.items)), -np.inf, np.float32)
        scores[:, : rec.items.trained] = score(rows)
        if not rec.repeats:
            seen = histories.take(rows)
            scores[seen.row, seen.item] = -np.inf
        for row, user in enumerate(rows.tolist()):
            codes = choose(user, scores[row])
            out[start + row, : len(codes)] = codes
    return out


def _ndcg(index: np.ndarray, taken: sparse.csr_matrix, k: int) -> np.ndarray:
    row, n = np.arange(len(index))[:, None], taken.shape[1]
    pairs = taken.tocoo()
    hits = (index >= 0) & np.isin(row * n + index, pairs.row * np.int64(n) + pairs.col)
    return ndcg(hits, taken.getnnz(axis=1), k)


def _mean(values: np.ndarray) -> float:
    """Of the lists that have a value."""
    values = values[~np.isnan(values)]
    return round(float(values.mean()), 6) if len(values) else float("nan")


def _gains(values: list[np.ndarray], of: str) -> list[dict[str, Any]]:
    """What each kind of lists gains over the first one, on the lists where both have a value."""
    found = []
    for other in values[1:]:
        some = ~np.isnan(other) & ~np.isnan(values[0])
        found.append(paired_bootstrap(other[some], values[0][some], np.random.default_rng(0)))
    adjusted = holm(np.array([one.p for one in found])).tolist()
    none: dict[str, Any] = dict.fromkeys((f"{of}gain", f"{of}low", f"{of}high", f"{of}p"))
    return [none] + [
        {f"{of}gain": round(c.difference, 6), f"{of}low": round(c.low, 6),
         f"{of}high": round(c.high, 6), f"{of}p": round(p, 6)}
        for c, p in zip(found, adjusted, strict=True)
    ]  # fmt: skip
