"""A data set in which some items are not there yet, and what is asked once they are.

    world = load_world(Path("DIR"), "amazon-beauty", "own", seed=0)

Protocols:

    draw         items with events stand in the order of how many they have; of each ten that follow
                 each other one is cold, drawn by the seed. Events are cut as the set can be: by
                 time (shops: the last tenth is test, the tenth before it validation) or, where
                 nobody comes back after the cut or no time is known, by each user's own order (the
                 last fifth of the user's events, at least one, is test, the tenth before it
                 validation)
    first-seen   all is cut at the time in the middle of the events; what comes later is test, the
                 twentieth before it validation, and cold are the items that nobody had met until
                 then. The seed is that of the training alone
    given        citeulike-a: the split of its files. Cold are both its parts of cold items, 3,396
                 together, as in the published rows; no validation event is ever known

Events of cold items before the test part are dropped for everybody, whoever trains; what is written
of cold items (text, facts) stays. So a history holds no cold item, and nothing that is later than
its user's test part. By time nothing in training is later than any target; by the users' own order
training holds events of others that are (there is no cut that all users share), and events of one
second may stand on both sides of a cut.

What is asked of each user with a history: the events of the test part with an item that the user
had not met before. Met is meant in truth, dropped events included: such a pair is neither a target
nor recommended, or a shop's cold targets would mostly be goods that were bought all along.

Limits: in `first-seen` all cold items come at the cut, though some came months later in truth. A
drawn item is cold for everybody though the world knew it: its text and facts may have been written
by people who knew how it did.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import citeulike
import numpy as np
import siblings  # noqa: F401
from data import SOURCES, Task, load, read_facts
from protocols import Parts

from kg.building.triples import Triples
from kg.catalog import Catalog
from kg.errors import UsageError, suggest
from kg.events import EventLog
from kg.graph import KnowledgeGraph
from kg.ids import Vocab
from kg.sequences import Sequences
from kg.split import Split, merged, temporal_split

EACH = 10
"""One of so many items is cold."""


@dataclass(frozen=True)
class ColdSet:
    """How a set is asked. `protocols`: the first is its own. `kind` is the relation that says of
    what kind an item is; `told` maps attributes to the relation that says the same in the graph.
    """

    protocols: tuple[str, ...]
    kind: str
    told: dict[str, str]


SETS: dict[str, ColdSet] = {
    "movielens-small-kg": ColdSet(("own",), "has_genre", {"genres": "has_genre"}),
    "amazon-beauty": ColdSet(("own",), "in_category", {"categories": "in_category"}),
    "online-retail-ii": ColdSet(("time", "first-seen"), "in_category",
                                {"category": "in_category"}),
    "complete-journey": ColdSet(("time",), "of_type", {}),
    "citeulike-a-coldstart": ColdSet(("given",), "tag", {}),
}  # fmt: skip


TriplesOf = Callable[[Catalog], Triples | None]
"""The facts from the file of triples about the items of a catalogue."""


@dataclass(frozen=True, eq=False)
class World:
    """All N items of `catalog` with their `facts` (a graph without events), and which of them are
    `cold`, bool [N].

    Events are over these N items: `split` holds them all by part; `known` are those that a model
    may have before the test part, none of a cold item, `met` all that had happened by then in
    truth. `warm` is the task that a model of this package learns: its catalogue, facts and events
    know no cold item.
    """

    name: str
    protocol: str
    catalog: Catalog
    facts: KnowledgeGraph
    split: Split
    cold: np.ndarray
    known: EventLog
    met: EventLog
    warm: Task
    triples_of: TriplesOf

    @property
    def set(self) -> ColdSet:
        return SETS[self.name]

    def cold_catalog(self, rows: np.ndarray | None = None) -> Catalog:
        """The cold items, or those int64 `rows`, as somebody would bring them to a shop that runs:
        title, text, attributes, and their facts as columns that are called like the relations.
        """
        rows = np.flatnonzero(self.cold) if rows is None else rows
        return with_facts(subset(self.catalog, rows), self.facts, rows, self.set.told)

    def told_again(self, split: Split, cold: np.ndarray) -> World:
        """The same world with other events before the test part, and with these items cold."""
        known = without(split.before_test(), cold)
        whole = replace(self.warm, catalog=self.catalog)
        warm = warm_task(whole, self.triples_of, split, cold, known)
        return replace(self, split=split, cold=cold, known=known, warm=warm)

    def questions(self) -> tuple[Sequences, EventLog]:
        """The histories of all users; of those who have one the targets, without what was met."""
        histories = Sequences.of(self.known)
        target = Sequences.of(self.met).unmet(self.split.test)
        return histories, target.take(histories.lengths[target.user] > 0)


def load_world(
    data: Path, name: str, protocol: str = "", seed: int = 0, part: str = "test"
) -> World:
    """Read DIR/name, cut, draw the cold items; without a protocol by the set's own.

    `part` valid: the rehearsal, one part earlier, where settings are chosen. The cold items of the
    test do not exist in it, items that are warm play cold, and the validation part is what is
    asked; the end of the training part is its own validation. In the protocol `given` it has the
    same cold items, and the file's validation events as targets.

    `UsageError` for an unknown set or a protocol that it does not have.
    """
    if name not in SETS:
        raise UsageError(f"Unknown set {name!r}: {', '.join(SETS)}.{suggest(name, SETS)}")
    protocol = protocol or SETS[name].protocols[0]
    if protocol not in SETS[name].protocols:
        found = ", ".join(SETS[name].protocols)
        raise UsageError(f"{name} can be asked by: {found}. Got {protocol!r} instead.")
    folder = data / name
    if protocol == "given":
        return _given(folder, part)
    whole = load(data, name, SOURCES[name].protocols[0])
    log = merged(whole.parts.known, whole.parts.split.test)
    split = cut(log, protocol)
    if protocol == "first-seen":
        cold = (log.item_counts() > 0) & (split.before_test().item_counts() == 0)
    else:
        cold = one_of_each(log.item_counts(), np.random.default_rng([seed, 0]))
    triples_of = partial(read_facts, folder, SOURCES[name])
    if part == "valid":
        kept = subset(whole.catalog, np.flatnonzero(~cold))
        whole = replace(whole, catalog=kept, triples=triples_of(kept))
        split = _earlier(split, kept.ids)
        cold = one_of_each(split.before_test().item_counts(), np.random.default_rng([seed, 1]))
    whole = replace(whole, protocol=protocol, again=split.by_time)
    facts = whole.graph(split.train).facts()
    known, met = without(split.before_test(), cold), split.before_test()
    warm = warm_task(whole, triples_of, split, cold, known)
    return World(
        name, protocol, whole.catalog, facts, split, cold, known, met, warm, triples_of
    )  # fmt: skip


def _given(folder: Path, part: str) -> World:
    split, catalog, cold = citeulike.read(folder)
    met = split.train if part == "valid" else split.before_test()
    if part == "valid":
        split = replace(split, test=split.valid)
    whole = Task(citeulike.NAME, "given", ("new",), Parts(split, split.train), split.train,
                 catalog, None, (), "")  # fmt: skip
    facts = whole.graph(split.train).facts()
    warm = warm_task(whole, _no_triples, split, cold, split.train)
    return World(citeulike.NAME, "given", catalog, facts, split, cold, split.train, met, warm,
                 _no_triples)  # fmt: skip


def _no_triples(catalog: Catalog) -> None:
    return None


def warm_task(
    whole: Task, triples_of: TriplesOf, split: Split, cold: np.ndarray, known: EventLog
) -> Task:
    """What can be learned without the cold items: nothing in it names one."""
    catalog = subset(whole.catalog, np.flatnonzero(~cold))
    items = catalog.ids
    parts = [over(without(log, cold), items) for log in (split.train, split.valid, split.test)]
    learn = over(known, items)
    return replace(
        whole, catalog=catalog, triples=triples_of(catalog), learn=learn,
        parts=Parts(Split(*parts, by_time=split.by_time), learn),
    )  # fmt: skip


def _earlier(split: Split, items: Vocab) -> Split:
    """What is asked in the rehearsal: the validation part, without the items that are cold."""
    train, target = over(split.train, items), over(split.valid, items)
    if split.by_time:
        inner = temporal_split(train, test=0)
        return replace(inner, test=target)
    inner = own_order(train, test=False)
    return replace(inner, test=target)


def one_of_each(counts: np.ndarray, rng: np.random.Generator, each: int = EACH) -> np.ndarray:
    """bool [N]: of each `each` items that follow each other by their events (ties in a drawn order)
    one, drawn; of a last group that is not full, perhaps one. None without events.
    """
    some = np.flatnonzero(counts)
    some = some[np.lexsort((rng.random(len(some)), counts[some]))]
    groups = -(-len(some) // each)
    place = np.arange(groups) * each + rng.integers(0, each, groups)
    out = np.zeros(len(counts), bool)
    out[some[place[place < len(some)]]] = True
    return out


def cut(log: EventLog, protocol: str) -> Split:
    if protocol == "time":
        return temporal_split(log)
    return own_order(log) if protocol == "own" else temporal_split(log, test=0.5, valid=0.05)


def own_order(log: EventLog, test: bool = True) -> Split:
    """Each user's last fifth is test (if there is to be one), the tenth before it validation, at
    least one event each; a user with fewer than three events gives nothing away.
    """
    counts = log.user_counts()
    from_end = np.cumsum(counts)[log.user] - 1 - np.arange(len(log))
    held = np.where(counts >= 3, np.maximum(counts // 5, 1), 0)[log.user] * int(test)
    valid = np.where(counts >= 3, np.maximum(counts // 10, 1), 0)[log.user]
    is_test = from_end < held
    is_valid = ~is_test & (from_end < held + valid)
    return Split(log.take(~is_test & ~is_valid), log.take(is_valid), log.take(is_test))


def without(log: EventLog, items: np.ndarray) -> EventLog:
    """The events that have none of these items, bool [N]."""
    return log.take(log.has_item & ~items[log.item])


def over(log: EventLog, items: Vocab) -> EventLog:
    """The events with one of these items, numbered by them."""
    code = items.encode(log.items.ids, missing="negative")
    kept = log.take(log.has_item & (code[log.item] >= 0))
    return replace(kept, items=items, item=code[kept.item])


def subset(catalog: Catalog, rows: np.ndarray) -> Catalog:
    """The items of these rows int64 [M], ascending; values that none of them has are not there."""
    some = rows.tolist()
    ids = [catalog.ids.ids[row] for row in some]
    cells = {a.name: a.cells(len(catalog)) for a in catalog.attributes}
    return Catalog.of(
        ids, [catalog.titles[row] for row in some], [catalog.texts[row] for row in some],
        {name: [cell[row] for row in some] for name, cell in cells.items()},
    )  # fmt: skip


def with_facts(
    new: Catalog, facts: KnowledgeGraph, rows: np.ndarray, told: dict[str, str]
) -> Catalog:
    """`new` with the facts of its items, `rows` [M] of the graph, by the names of their nodes.

    An attribute stands once: under the name of its relation, where that is `told` too. A relation
    between items has no column, as a new item cannot name it.
    """
    cells = {a.name: a.cells(len(new)) for a in new.attributes if told.get(a.name) is None}
    place = np.full(len(facts.vocabs["item"]), -1)
    place[rows] = np.arange(len(rows))
    for source, name, target in facts.fact_relations:
        if source != "item" or target == "item" or name in cells:
            continue
        item, node = facts.edges[(source, name, target)]
        cells[name] = [[] for _ in rows]
        for row, code in zip(place[item].tolist(), node.tolist(), strict=True):
            if row >= 0:
                cells[name][row].append(_called(facts, target, code, name in told.values()))
    return Catalog.of(new.ids.ids, new.titles, new.texts, cells)


def _called(facts: KnowledgeGraph, kind: str, code: int, text: bool) -> str:
    """The name of a node where the encoder reads it; else its id, which no other node has."""
    return facts.name(kind, code) if text else facts.vocabs[kind].ids[code]
