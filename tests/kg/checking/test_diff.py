"""What changed between two releases of a graph: dates too."""

from dataclasses import replace

import numpy as np

from kg.checking.diff import Change, difference
from kg.dates import UNDATED
from kg.graph import KnowledgeGraph
from kg.ids import Vocab

BY = ("item", "by", "person")
DAY = 86400


def dated(*times, people=("ann", "bo", "cy")):
    """Items a, b and c by these people, known since."""
    vocabs = {"item": Vocab.of("abc", "item"), "person": Vocab.of(people, "person")}
    edges = {BY: np.stack([np.arange(3)] * 2)}
    return KnowledgeGraph(vocabs, edges, edge_time={BY: np.array(times)} if times else {})


def dates(old, new):
    return [one for one in difference(old, new) if one.what == "dates"]


def test_dates_that_moved_are_counted():
    old, new = dated(0, DAY, 2 * DAY), dated(DAY, 2 * DAY, 3 * DAY)
    told = tuple(
        f"{item} → {person}: 1970-01-0{n} 00:00:00, now 1970-01-0{n + 1} 00:00:00"
        for n, (item, person) in enumerate([("a", "ann"), ("b", "bo"), ("c", "cy")], 1)
    )
    (moved,) = dates(old, new)
    assert moved == Change("dates", "item – by – person", 0, 0, 0, changed=3, examples_changed=told)
    assert moved.differs
    edges = next(one for one in difference(old, new) if one.what == "edges")
    assert (edges.added, edges.removed, edges.kept, edges.differs) == (0, 0, 3, False)


def test_dates_that_came_and_went():
    (one,) = dates(dated(0, UNDATED, DAY), dated(0, DAY, UNDATED))
    assert (one.added, one.removed, one.kept, one.changed) == (1, 1, 1, 0)
    assert (one.examples_added, one.examples_removed) == (("b → bo",), ("c → cy",))
    (one,) = dates(dated(), dated(0, DAY, DAY))
    assert (one.added, one.removed, one.kept, one.changed) == (3, 0, 0, 0)
    (one,) = dates(dated(0, DAY, DAY), dated(0, DAY, DAY))
    assert (one.kept, one.differs) == (3, False)
    assert dates(dated(), dated()) == []


def test_only_facts_of_both_have_dates_to_compare():
    old = dated(0, DAY, DAY)
    (one,) = dates(old, dated(0, 2 * DAY, 9 * DAY, people=("ann", "bo", "dee")))
    assert (one.added, one.removed, one.kept, one.changed) == (0, 0, 1, 1)
    gone = replace(old, edges={}, edge_time={})
    (one,) = dates(old, gone)
    assert not one.differs
