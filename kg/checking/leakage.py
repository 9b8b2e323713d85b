"""Does anything that is learned from know what comes after the cut?

    for leak in leaks(graph, split, catalog, users):
        print(leak)

A leak is refused where it is sure (a held-out edge in the graph, a statistic that counts held-out
events, a test item named in the user's own text, people's choices crawled later), and only told
where it may be one: a fact without a date may be of any day, so nobody but the user can know.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.stats import rankdata

from kg.amounts import read_amounts
from kg.building.hierarchy import folded
from kg.catalog import Catalog
from kg.checking.counted import counted, parts_of
from kg.checking.naming import chosen, used
from kg.checking.reading import Reading, log_hash
from kg.dates import UNDATED
from kg.errors import DataError, check_one_of
from kg.events import EventLog
from kg.graph import KnowledgeGraph, Relation
from kg.split import Split

SURE, SUSPECT, LEAST = 0.98, 0.5, 30
"""Rank correlations with what happened later from which a statistic is refused or told, and the
items that are needed for that."""
FAR = 4.0
"""Of few items, so many times what comes by chance: there may be many columns."""
LETTERS = 8
"""Shorter titles, and ids, stand in texts by chance."""
MET, TIMES, SHARE = 5, 10.0, 0.5
"""Words that look like ids of people or items are ids where what they tell has come true so often
at least, with odds so many times those of chance, and of such a share of it.
"""
WORDS = re.compile(r"[^\s,;|]*\w")
"""What an id may be in a text, without the full stop behind it."""
EXAMPLES = 3
CHECKS = (
    "edges", "dated facts", "facts without a date", "facts of people", "chosen by people",
    "facts from use", "statistics", "titles in texts", "whitening", "pretraining",
)  # fmt: skip
"""All that a leak may be found by."""


@dataclass(frozen=True)
class Leak:
    """What was found by which check, how often, with examples; `refused` where it is sure."""

    check: str
    what: str
    refused: bool
    count: int = 0
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        some = f" (such as {'; '.join(self.examples)})" if self.examples else ""
        return f"{'refused' if self.refused else 'warning'}: {self.check}: {self.what}{some}"


def leaks(
    graph: KnowledgeGraph,
    split: Split,
    catalog: Catalog,
    users: Catalog | None = None,
    texts: Mapping[str, str] | None = None,
) -> list[Leak]:
    """What is found in a graph and tables that a training on `split.train` is to read.

    `texts` are what is told of users, by their ids, such as verbalised histories; the attributes of
    `users` are read too. "After the cut" are the validation and test parts.
    """
    known = _pairs(split.train)
    later = _later(split, known)
    told = _told(users) if users is not None else {}
    for user, text in (texts or {}).items():
        told[user] = f"{told.get(user, '')} {folded(text)}"
    columns = _columns(graph, catalog)
    found = [
        *_edges(graph, split, later),
        *_dates(graph, split),
        *_people(graph, split, known, later),
        *_by_name(graph),
        *_statistics(columns, split),
        *_counts_of_groups(columns, graph, catalog, split),
        *_titles(told, catalog, split, known, later),
    ]
    return sorted(found, key=lambda leak: not leak.refused)


def refuse(found: Sequence[Leak], accepted: Sequence[str] = ()) -> None:
    """`DataError` with all that is refused, unless the check is accepted by name; `UsageError` for
    a name that no check has.
    """
    check_accepted(accepted)
    wrong = [f"{leak}." for leak in found if leak.refused and leak.check not in accepted]
    if wrong:
        raise DataError(
            "What is learned from must not know what comes after the cut. " + " ".join(wrong)
        )


def check_accepted(names: Sequence[str]) -> None:
    """`UsageError` unless each is a check: a typo must not seem to have passed one over."""
    for name in names:
        check_one_of(name, CHECKS, "A check to be passed over")


def _later(split: Split, known: np.ndarray) -> np.ndarray:
    """int64 [n]: user · N + item of the pairs that only the held-out parts have."""
    held = [_pairs(log) for log in (split.valid, split.test)]
    return np.setdiff1d(np.concatenate(held), known)


def _pairs(log: EventLog) -> np.ndarray:
    there = log.has_item
    return np.unique(log.user[there] * max(len(log.items), 1) + log.item[there])


def _named(codes: np.ndarray, log: EventLog) -> tuple[str, ...]:
    size = max(len(log.items), 1)
    return tuple(
        f"user {log.users.ids[code // size]!r}, item {log.items.ids[code % size]!r}"
        for code in codes[:EXAMPLES].tolist()
    )


def _between(graph: KnowledgeGraph, relation: Relation) -> np.ndarray | None:
    """The pairs of a relation between users and items, as `_later`; None for others."""
    if {relation[0], relation[2]} != {"user", "item"}:
        return None
    user, item = graph.edges[relation] if relation[0] == "user" else graph.edges[relation][::-1]
    return np.asarray(user * max(len(graph.vocabs["item"]), 1) + item, np.int64)


def _edges(graph: KnowledgeGraph, split: Split, later: np.ndarray) -> list[Leak]:
    """Events of the held-out parts among those that messages are passed along."""
    out = []
    for relation in sorted(graph.events):
        pairs = _between(graph, relation)
        if pairs is not None and len(hit := np.intersect1d(pairs, later)):
            what = f"{len(hit):,} held-out edges {relation[1]!r} are in the graph"
            out.append(Leak("edges", what, True, len(hit), _named(hit, split.train)))
    return out


def _dates(graph: KnowledgeGraph, split: Split) -> list[Leak]:
    """Facts dated after the last training event among those that messages are passed along, and
    facts without a date beside dated ones.
    """
    out = []
    for relation, time in sorted(graph.edge_time.items()):
        name, known = relation[1], time != UNDATED
        if split.cut is not None and len(at := np.flatnonzero(time > split.cut)):
            what = f"{len(at):,} facts {name!r} are dated after the last training event"
            few = _told_facts(graph, relation, at[:EXAMPLES])
            out.append(Leak("dated facts", what, True, len(at), few))
        if split.cut is None and known.any():
            what = f"the facts {name!r} have dates, but the events have none to compare with"
            out.append(Leak("dated facts", what, False, int(known.sum())))
        if not known.all():
            what = f"{int((~known).sum()):,} of {len(time):,} facts {name!r} have no date"
            out.append(Leak("facts without a date", what, False, int((~known).sum())))
    return out


def _told_facts(graph: KnowledgeGraph, relation: Relation, at: np.ndarray) -> tuple[str, ...]:
    """Edges [n] of a relation in words, with their day."""
    days = graph.edge_time[relation][at].astype("datetime64[s]").astype("datetime64[D]")
    ends = (graph.vocabs[relation[n]].decode(graph.edges[relation][n // 2, at]) for n in (0, 2))
    return tuple(f"{a!r} – {b!r} of {day}" for a, b, day in zip(*ends, days, strict=True))


def _dated(graph: KnowledgeGraph, relation: Relation) -> bool:
    """Whether every fact of a relation has a date, by which `_dates` judges it."""
    time = graph.edge_time.get(relation)
    return time is not None and bool((time != UNDATED).all())


def _people(
    graph: KnowledgeGraph, split: Split, known: np.ndarray, later: np.ndarray
) -> list[Leak]:
    """Facts between users and items: they must not be what people go on to do. People may stand in
    them under another type, by their ids.
    """
    out, met = [], np.concatenate([known, later])
    for relation in graph.fact_relations:
        pairs, proven = _between(graph, relation), True
        if pairs is None:
            pairs, proven = _by_ids(graph, relation, split.train, met)
        if pairs is None:
            continue
        hit = np.intersect1d(pairs, later)
        if len(hit) > (not proven):
            what = f"the fact {relation[1]!r} holds {len(hit):,} held-out pairs"
            out.append(Leak("facts of people", what, True, len(hit), _named(hit, split.train)))
        elif not _dated(graph, relation):
            what = f"the fact {relation[1]!r} joins users and items and has no date"
            out.append(Leak("facts of people", what, False, len(pairs)))
    return out


def _by_ids(
    graph: KnowledgeGraph, relation: Relation, log: EventLog, met: np.ndarray
) -> tuple[np.ndarray | None, bool]:
    """The pairs between items and nodes of another type that are people by their ids, as `_later`,
    and whether the events prove that they are; None where they are others.

    They are people where most nodes have ids of users, which are no bare numbers: one pair alone
    may still be met by chance. Of numbers only what people did can tell.
    """
    kinds = (relation[0], relation[2])
    if kinds.count("item") != 1 or "user" in kinds:
        return None, False
    side = 1 - kinds.index("item")
    people, nodes = log.users, graph.vocabs[kinds[side]].ids
    user = people.encode(nodes, missing="negative")[graph.edges[relation][side]]
    known = user >= 0
    if not known.any():
        return None, False
    item = graph.edges[relation][1 - side]
    pairs = np.unique(user[known] * max(len(log.items), 1) + item[known])
    proven = _come_true(pairs, met, log)
    every = [nodes[node] for node in np.unique(graph.edges[relation][side]).tolist()]
    theirs = sum(key in people and not key.isdecimal() for key in every)
    if proven or theirs >= SHARE * len(every):
        return pairs, proven
    return None, False


def _come_true(told: np.ndarray, met: np.ndarray, log: EventLog, least: int = MET) -> bool:
    """Whether so many pairs of what is `told` are `met` that it is not by chance: not because these
    people, or these items, have many events.
    """
    hits = int(np.isin(told, met).sum())
    if hits < max(least, SHARE * len(told)):
        return False
    size = max(len(log.items), 1)
    of_user = np.bincount(met // size, minlength=len(log.users))
    of_item = np.bincount(met % size, minlength=size)
    chance = of_user[told // size] * of_item[told % size] / len(met)
    by_chance, missed = np.minimum(chance, 1).sum(), len(told) - hits + 0.5
    return bool(hits * (len(told) - by_chance) >= TIMES * by_chance * missed)


def _by_name(graph: KnowledgeGraph) -> list[Leak]:
    out = []
    for relation in graph.fact_relations:
        if _dated(graph, relation):
            continue
        count = graph.edges[relation].shape[1]
        if chosen(relation[1]):
            what = f"{relation[1]!r} is what people chose, crawled at a time that is not known"
            out.append(Leak("chosen by people", what, True, count))
        elif used(relation[1]):
            what = f"{relation[1]!r} may come from use, also from after the cut: it has no date"
            out.append(Leak("facts from use", what, False, count))
    return out


def _statistics(columns: Columns, split: Split) -> list[Leak]:
    """Numbers of items that tell how often an item is met after the cut, beyond what the training
    part tells: Spearman's ρ within items that training met equally often.
    """
    before = split.train.item_counts()
    after = split.valid.item_counts() + split.test.item_counts()
    found: dict[str, Leak] = {}
    strongest: dict[str, float] = {}
    for name, value in columns:
        rho, items = _within(value, after, before)
        least = max(SUSPECT, FAR / np.sqrt(max(items, 1)), strongest.get(name, 0.0))
        if items < LEAST or abs(rho) < least:
            continue
        what = (f"{name!r} goes with how often items are met after the cut "
                f"(ρ = {rho:.2f} among {items:,} items met equally often before)")  # fmt: skip
        strongest[name] = abs(rho)
        found[name] = Leak("statistics", what, abs(rho) >= SURE, items)
    return list(found.values())


def _counts_of_groups(
    columns: Columns, graph: KnowledgeGraph, catalog: Catalog, split: Split
) -> list[Leak]:
    """Numbers that are one within each category, or other group, and count its events of later."""
    groups = {
        attribute.name: np.stack([attribute.row, attribute.value])
        for attribute in catalog.attributes
    } | {
        relation[1]: graph.edges[relation] for relation in graph.fact_relations
        if relation[0] == "item" and relation[2] not in ("item", "user")
    }  # fmt: skip
    found: dict[str, Leak] = {}
    parts = parts_of(split)
    for column, value in columns:
        for name, pairs in groups.items():
            told = None if name == column else counted(value, pairs, parts)
            if told is None or (column in found and found[column].refused >= told.sure):
                continue
            what = (f"{column!r} is one number within each {name!r} and follows its "
                    f"events of {told.part} (off by {told.off:.1%}), not those of the "
                    f"training part ({told.before:.1%})")  # fmt: skip
            found[column] = Leak("statistics", what, told.sure, told.groups)
            break
    return list(found.values())


Columns = Sequence[tuple[str, np.ndarray]]


def _columns(graph: KnowledgeGraph, catalog: Catalog) -> Columns:
    """What numbers are called and, float64 [N], NaN without one, the numbers of items: of the
    table; of facts that have no dates, where most ends are numbers; and of facts about a group,
    such as the category, which its items have too. Bands count as their lower end.
    """
    rows = len(catalog)
    found = [(one.name, catalog.numbers.get(one.name, _numbers(one.values.ids, one.row, one.value,
                                                               rows)))
             for one in catalog.attributes]  # fmt: skip
    undated = [one for one in graph.fact_relations if not _dated(graph, one)]
    uses = _uses(graph)
    for source, name, target in undated:
        ends = graph.edges[source, name, target]
        for (own, at), (other, value) in (((source, ends[0]), (target, ends[1])),
                                          ((target, ends[1]), (source, ends[0]))):  # fmt: skip
            if other in ("item", "user") or own == "user":
                continue
            if own != "item" and (uses[other][value] > 1).any():
                continue  # nodes that more is said of are numbered things, no numbers
            names = graph.names.get(other, graph.vocabs[other].ids)
            numbers = _numbers(names, at, value, len(graph.vocabs[own]))
            if numbers is not None and own != "item":
                found += [(name, _of_groups(numbers, *pairs, rows))
                          for pairs in _of_items(graph, own, undated)]  # fmt: skip
            else:
                found.append((name, numbers))
    return [(name, value) for name, value in found if value is not None]


def _uses(graph: KnowledgeGraph) -> dict[str, np.ndarray]:
    """Of each node, int64 [nodes], at how many ends of relations of facts it stands."""
    uses = {kind: np.zeros(len(vocab), np.int64) for kind, vocab in graph.vocabs.items()}
    for relation in graph.fact_relations:
        for kind, ends in zip((relation[0], relation[2]), graph.edges[relation], strict=True):
            uses[kind][np.unique(ends)] += 1
    return uses


def _of_items(
    graph: KnowledgeGraph, kind: str, among: Sequence[Relation]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The items, and the nodes of this type, that each relation joins."""
    for relation in among:
        if (relation[0], relation[2]) == ("item", kind):
            yield graph.edges[relation][0], graph.edges[relation][1]
        elif (relation[2], relation[0]) == ("item", kind):
            yield graph.edges[relation][1], graph.edges[relation][0]


def _of_groups(numbers: np.ndarray, item: np.ndarray, group: np.ndarray, rows: int) -> np.ndarray:
    """float64 [rows], of each item the mean of its groups' numbers."""
    known = np.isfinite(numbers[group])
    return _means(item[known], numbers[group[known]], rows)


def _means(row: np.ndarray, value: np.ndarray, rows: int) -> np.ndarray:
    count = np.bincount(row, minlength=rows)
    total = np.bincount(row, value, minlength=rows)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


_ONE_NUMBER = re.compile(
    r"(?:[A-Z]{2,3}(?:\$\s*|\s+)|[^\w+.-]{0,4})([+-]?(?:\d[\d,' \u00a0\u202f]*)?\.?\d+)\s*"
    r"([kKmMbB万萬亿億]?)\b[^\d]{0,8}"
)
"""A currency, a unit or a sign may stand beside it."""
_TIMES = {"k": 1e3, "m": 1e6, "b": 1e9, "万": 1e4, "萬": 1e4, "亿": 1e8, "億": 1e8}
_MARKS = re.compile("[,' \u00a0\u202f]")


def _number(name: str) -> float | None:
    """What a value is called, as a number: written as one, or with a currency or unit, marks
    between thousands, or K, M, 万 behind it. Bands are their lower end.
    """
    text = name.partition("–")[0].strip()
    try:
        return float(text)
    except ValueError:
        found = _ONE_NUMBER.fullmatch(text)
    if found is None:
        return None
    return float(_MARKS.sub("", found[1])) * _TIMES.get(found[2].lower(), 1.0)


def _numbers(
    names: Sequence[str], row: np.ndarray, value: np.ndarray, rows: int
) -> np.ndarray | None:
    """float64 [rows], the mean of the numbers that these rows' values are called; None unless most
    values are numbers.
    """
    used, at = np.unique(value, return_inverse=True)
    names = [names[code] for code in used.tolist()]
    amounts = read_amounts(pl.Series([name.strip() for name in names], dtype=pl.String)).values
    parsed = [_number(name) for name in names] if amounts is None else amounts.to_list()
    numbers = np.array([np.nan if one is None else one for one in parsed], float)
    if len(used) == 0 or 2 * np.isfinite(numbers).sum() < len(used):
        return None
    numbers = numbers[at.ravel()]
    known = np.isfinite(numbers)
    return _means(row[known], numbers[known], rows)


def _within(value: np.ndarray, after: np.ndarray, before: np.ndarray) -> tuple[float, int]:
    """Spearman's ρ of two columns within groups of equal `before`, and how many items are in it."""
    known = np.isfinite(value)
    one, other = [], []
    for count in np.unique(before[known]):
        rows = np.flatnonzero(known & (before == count))
        a, b = rankdata(value[rows]), rankdata(after[rows])
        if len(rows) > 2 and np.ptp(a) and np.ptp(b):
            one.append((a - a.mean()) / a.std())
            other.append((b - b.mean()) / b.std())
    if not one:
        return 0.0, 0
    a, b = np.concatenate(one), np.concatenate(other)
    return float(np.mean(a * b)), len(a)


def _told(users: Catalog) -> dict[str, str]:
    """What the table says of each user, folded, by id."""
    parts: list[list[str]] = [[title, text] for title, text in
                              zip(users.titles, users.texts, strict=True)]  # fmt: skip
    for attribute in users.attributes:
        for row, cell in enumerate(attribute.cells(len(users))):
            parts[row] += cell
    return {key: folded(" ; ".join(part)) for key, part in zip(users.ids.ids, parts, strict=True)}


def _titles(
    told: Mapping[str, str], catalog: Catalog, split: Split, known: np.ndarray, later: np.ndarray
) -> list[Leak]:
    """Titles, or ids, of items met only after the cut in what is told of the person. Short ids
    stand there by chance: what they tell must have come true too often for that.
    """
    if not told:
        return []
    names = [folded(title) for title in catalog.titles]
    size, users = max(len(split.train.items), 1), split.train.users.ids
    titles = [
        code for code in later.tolist()
        if len(names[code % size]) >= LETTERS
        and names[code % size] in told.get(users[code // size], "")
    ]  # fmt: skip
    ids = np.setdiff1d(_ids_in(told, catalog, split), known)
    met = np.intersect1d(ids, later)
    long = np.array([len(key) >= LETTERS for key in catalog.ids.ids], bool)
    short = ids[~long[ids % size]]
    many = len(np.unique(np.intersect1d(short, later) % size)) >= MET
    proven = many and _come_true(short, later, split.train)
    sure = np.union1d(np.array(titles, np.int64), met if proven else met[long[met % size]])
    out = []
    if len(sure):
        what = (
            f"what is told of {len(sure):,} users names an item that they meet only after the cut"
        )
        examples = _named(sure, split.train)
        out.append(Leak("titles in texts", what, True, len(sure), examples))
    elif _come_true(short, later, split.train, least=1):
        what = f"what is told of {len(met):,} users may be the id of an item that they meet later"
        out.append(Leak("titles in texts", what, False, len(met), _named(met, split.train)))
    return out


def _ids_in(told: Mapping[str, str], catalog: Catalog, split: Split) -> np.ndarray:
    """int64 [n]: the pairs of people and items whose ids are told of them, as `_later`. An id is a
    whole value or word, and no short bare number: that is an age as well.
    """
    size, users = max(len(split.train.items), 1), split.train.users
    codes = {
        folded(key): code for code, key in enumerate(catalog.ids.ids)
        if len(key) >= LETTERS or not key.isdecimal()
    }  # fmt: skip
    out = [
        user * size + codes[word]
        for key, user in zip(told, users.encode(told, missing="negative").tolist(), strict=True)
        if user >= 0
        for word in {*told[key].split(" ; "), *WORDS.findall(told[key])} & codes.keys()
    ]
    return np.unique(np.array(out, np.int64))


def reading_leaks(readings: Sequence[Reading], split: Split, log: EventLog) -> list[Leak]:
    """What an encoder read from after the cut of a split of `log`: refused where the dates, or the
    number of events of this very log, say so; told where nothing has a date.
    """
    found = [_read_too_much(one, split, log) for one in readings]
    return [leak for leak in found if leak is not None]


def _read_too_much(one: Reading, split: Split, log: EventLog) -> Leak | None:
    if one.until is not None and split.cut is not None and one.until > split.cut:
        what = (f"the encoder has read {one.source} up to {_day(one.until)}, "
                f"and the last training event is of {_day(split.cut)}")  # fmt: skip
        return Leak("pretraining", what, True, one.texts)
    if one.events is not None and one.sha256 == log_hash(log):
        if one.events <= len(split.train):
            return None
        what = (f"the encoder has read {one.events:,} of these events, "
                f"and the training part has {len(split.train):,}")  # fmt: skip
        return Leak("pretraining", what, True, one.events - len(split.train))
    unsure = one.texts if one.until is None or split.cut is None else one.undated
    if not unsure:
        return None
    what = f"the encoder has read {one.source}, and nothing says of which day {unsure:,} texts are"
    return Leak("pretraining", what, False, unsure)


def _day(second: int) -> str:
    return str(np.datetime64(second, "s").astype("datetime64[m]")).replace("T", " ")
