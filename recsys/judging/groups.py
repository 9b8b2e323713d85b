"""Who is served how well, and what is shown how much: the run by groups of people and of items.

People are grouped by a column of the table of users or by the length of their history, items by a
fact or by how often they were met. Whether a difference is unfair no number says; these say how
large it is, and whether the people who are judged are enough to tell it from chance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import erfc, sqrt
from typing import Any

import numpy as np
from scipy import sparse

from kg.catalog import furthest
from kg.errors import UsageError, suggest
from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import Part, Split
from recsys.judging.as_of import as_of
from recsys.judging.evaluate import SCORE
from recsys.metrics import lists
from recsys.metrics.buckets import ITEM_BUCKETS, USER_BUCKETS, Buckets, within
from recsys.metrics.significance import holm
from recsys.recommender import Recommender
from recsys.training.fit import judge

HISTORY, POPULARITY = "history", "popularity"
"""People by their number of events, items by theirs."""
NONE, OTHER = "(none)", "(other)"
"""The groups of those without a value, and of all values but the `MOST` common."""
MOST = 30
ROUNDS = 2000

Members = Mapping[str, np.ndarray]
"""By name of a group: bool, who is in it; one may be in several."""


def known_groups(rec: Recommender) -> tuple[list[str], list[str]]:
    """What people and what items can be grouped by."""
    users = rec.model.features.users
    columns = [] if users is None else [a.name for a in users.attributes]
    facts = [name for name in rec.facets.names if name not in rec.items.numbers]
    return [*columns, HISTORY], [*facts, POPULARITY]


def check_groups(rec: Recommender, names: list[str]) -> None:
    """`UsageError` for a name that nobody and nothing can be grouped by."""
    people, items = known_groups(rec)
    for name in names:
        if name not in (*people, *items):
            raise UsageError(
                f"Groups must be of people ({', '.join(people)}) or of items ({', '.join(items)}). "
                f"Got {name!r} instead.{suggest(name, [*people, *items])}"
            )


def people_groups(rec: Recommender, split: Split, part: Part, *names: str) -> list[dict[str, Any]]:
    """A row per group of people by each of these names: how many, NDCG@10 with its 95 % interval,
    and what it is above the others' with interval and p (Holm over the groups of a name), the
    largest group first.

    The difference of two means of different people has the variance s²/n of both added (Welch,
    1947); p is that of the normal distribution. Groups of one, and those without others, have none.
    """
    report, out = judge(rec, split, part), []
    for name in names:
        if name == HISTORY:
            lengths = Sequences.of(split.part(part)[0]).lengths
            members = _bucketed(USER_BUCKETS, lengths[report.user])
        else:
            members = _of_users(rec, name, report.ids)
        out += [{"by": name, **row} for row in _accuracies(report.per_user[SCORE], members)]
    return out


def _accuracies(values: np.ndarray, members: Members) -> list[dict[str, Any]]:
    rows = [_accuracy(group, values, at) for group, at in members.items() if at.any()]
    judged = [row for row in rows if np.isfinite(row["p"])]
    for row, p in zip(judged, holm(np.array([row["p"] for row in judged])), strict=True):
        row["p"] = float(p)
    return sorted(rows, key=lambda row: -row["users"])


def _accuracy(group: str, values: np.ndarray, at: np.ndarray) -> dict[str, Any]:
    own, others = values[at], values[~at]
    half, apart = 1.959964 * _error(own), sqrt(_error(own) ** 2 + _error(others) ** 2)
    gain = own.mean() - others.mean() if len(others) else float("nan")
    p = erfc(abs(gain) / apart / sqrt(2)) if apart > 0 else float("nan")
    return {
        "group": group, "users": len(own), SCORE: float(own.mean()),
        "low": max(float(own.mean() - half), 0.0), "high": min(float(own.mean() + half), 1.0),
        "beside others": float(gain), "gain low": float(gain - 1.959964 * apart),
        "gain high": float(gain + 1.959964 * apart), "p": p,
    }  # fmt: skip


def _error(values: np.ndarray) -> float:
    """s / sqrt(n); NaN of fewer than two."""
    return float(values.std(ddof=1) / sqrt(len(values))) if len(values) > 1 else float("nan")


def item_groups(
    rec: Recommender, split: Split, part: Part, *names: str, k: int = 10
) -> list[dict[str, Any]]:
    """A row per group of items by each of these names: its share of the catalogue, of what people
    took in this part, and of what the lists of k show (`lists.exposure`), with the difference of
    the latter two and its 95 % interval (bootstrap over the people), the group that was taken most
    first.

    Singh and Joachims, Fairness of exposure in rankings, 2018: exposure beside merit, merit here
    being what was taken.
    """
    known, target = split.part(part)
    then = as_of(rec, split, part)
    counts = Sequences.of(known).matrix().getnnz(axis=0)
    wanted = target.take(target.has_item)
    users = np.unique(wanted.user)
    shown = lists.exposure(then.found_for(users, k).index, len(then.items))
    taken, out = _taken(wanted, users, len(then.items)), []
    for name in names:
        members = _bucketed(ITEM_BUCKETS, counts) if name == POPULARITY else _of_items(then, name)
        out += [{"by": name, **row} for row in _exposures(shown, taken, members)]
    return out


def _exposures(
    shown: sparse.csr_matrix, taken: sparse.csr_matrix, members: Members
) -> list[dict[str, Any]]:
    belongs = sparse.csr_matrix(np.stack([*members.values()], 1).astype(np.float64))  # [N, G]
    shares = [
        _shares(sparse.csr_matrix(one @ belongs).toarray(), one.sum(1)) for one in (shown, taken)
    ]
    (exposed, drawn_exposed), (took, drawn_took) = shares
    low, high = np.percentile(drawn_exposed - drawn_took, [2.5, 97.5], axis=0)
    size = np.asarray(belongs.mean(0)).ravel()
    rows = [
        {
            "group": group, "items": int(members[group].sum()),
            "of the catalogue": float(size[at]), "taken": float(took[at]),
            "shown": float(exposed[at]), "shown less taken": float(exposed[at] - took[at]),
            "low": float(low[at]), "high": float(high[at]),
        }
        for at, group in enumerate(members) if members[group].any()
    ]  # fmt: skip
    return sorted(rows, key=lambda row: -row["taken"])


def _taken(wanted: EventLog, users: np.ndarray, items: int) -> sparse.csr_matrix:
    """float64 [U, N]: 1 where one of `users` [U] took the item."""
    at = np.searchsorted(users, wanted.user), wanted.item
    out = sparse.csr_matrix((np.ones(len(wanted)), at), (len(users), items))
    out.data[:] = 1
    return out


def _shares(of_groups: np.ndarray, of_all: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """float64 [G], the share of each group of what all people have, and [R, G], of drawn people.
    Both are drawn with the same seed, so that they are of the same people.
    """
    people = len(of_groups)
    rng = np.random.default_rng(0)
    table = np.column_stack([of_groups, np.asarray(of_all).ravel()])
    drawn = np.array([
        rng.multinomial(people, np.full(people, 1 / people)) @ table for _ in range(ROUNDS)
    ])  # fmt: skip
    whole = table.sum(0)
    return whole[:-1] / max(whole[-1], 1e-12), drawn[:, :-1] / np.maximum(drawn[:, -1:], 1e-12)


def _bucketed(buckets: Buckets, counts: np.ndarray) -> Members:
    return {f"{name} events": within(counts, ends) for name, ends in buckets.items()}


def _of_users(rec: Recommender, name: str, ids: tuple[str, ...]) -> Members:
    users = rec.model.features.users
    assert users is not None
    row = users.ids.encode(ids, missing="negative")
    attribute = users.attribute(name)
    assert attribute is not None
    cells = attribute.cells(len(users))
    return _members([cells[at] if at >= 0 else [] for at in row.tolist()])


def _of_items(rec: Recommender, name: str) -> Members:
    attribute = rec.catalog.attribute(name)
    if attribute is not None:  # by the names that the table has
        return _members([furthest(cell) for cell in attribute.cells(len(rec.items))])
    found = rec.facets.values(name, np.arange(len(rec.items)))
    return _members([sorted(some) for some in found])


def _members(cells: list[list[str]]) -> Members:
    """Who has each value, and who has none; an empty group is none."""
    counts = Counter(value for cell in cells for value in sorted(set(cell)))
    common = [value for value, _ in counts.most_common(MOST)]
    out = {group: np.zeros(len(cells), bool) for group in (*common, OTHER, NONE)}
    for at, cell in enumerate(cells):
        for value in cell or [NONE]:
            out[value if value in out else OTHER][at] = True
    return {group: members for group, members in out.items() if members.any()}
