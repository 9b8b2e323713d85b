"""Controls change what is to say nothing, and nothing else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.building.build import build_graph
from kg.checking.controls import permuted_tails, unordered
from kg.graph import KnowledgeGraph
from kg.ids import Vocab
from kg.testing import planted, tiny


def graph_of(heads: int, tails: int, edges: set, same: bool) -> KnowledgeGraph:
    vocabs = {"item": Vocab.of([str(n) for n in range(heads)], "item")}
    vocabs["maker"] = Vocab.of([str(n) for n in range(tails)], "maker")
    index = np.array(sorted(edges), np.int64).reshape(-1, 2).T
    return KnowledgeGraph(vocabs, {("item", "to", "item" if same else "maker"): index})


@given(
    st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=40), st.booleans(),
    st.integers(0, 99),
)  # fmt: skip
def test_degrees_stay_and_no_edge_is_double(edges, same, seed):
    before = graph_of(8, 8, edges, same)
    after = permuted_tails(before, np.random.default_rng(seed))
    (relation,) = before.edges
    old, new = before.edges[relation], after.edges[relation]
    for end in (0, 1):
        np.testing.assert_array_equal(
            np.bincount(old[end], minlength=8), np.bincount(new[end], minlength=8)
        )
    pairs = set(zip(*new.tolist(), strict=True))
    assert len(pairs) == len(edges) == new.shape[1]
    assert new.T.tolist() == sorted(new.T.tolist())
    if same:  # a loop may go, none may come
        assert {p for p in pairs if p[0] == p[1]} <= {p for p in edges if p[0] == p[1]}


def test_tails_say_nothing_afterwards():
    index = {(item, item // 20) for item in range(200)}  # each maker made 20 neighbours
    before = graph_of(200, 10, index, same=False)
    (relation,) = before.edges
    after = permuted_tails(before, np.random.default_rng(0)).edges[relation]
    kept = np.mean([pair in index for pair in zip(*after.tolist(), strict=True)])
    assert kept < 0.25  # by chance a tenth
    again = permuted_tails(before, np.random.default_rng(0)).edges[relation]
    np.testing.assert_array_equal(after, again)


def test_events_and_the_graph_itself_are_left_alone():
    world = tiny()
    graph = build_graph(world.log, world.catalog, triples=world.triples)
    before = {relation: index.copy() for relation, index in graph.edges.items()}
    after = permuted_tails(graph, np.random.default_rng(1))
    assert after.events == graph.events
    for relation in graph.events:
        np.testing.assert_array_equal(after.edges[relation], before[relation])
    for relation, index in before.items():
        np.testing.assert_array_equal(graph.edges[relation], index)


@pytest.mark.parametrize("timed", [True, False])
def test_an_unordered_log_holds_the_same_bags(timed):
    log = planted(np.random.default_rng(0), users=20, items=30).log
    if not timed:
        from dataclasses import replace

        log = replace(log, time=None)
    mixed = unordered(log, np.random.default_rng(0))
    np.testing.assert_array_equal(mixed.user, log.user)
    if timed:
        np.testing.assert_array_equal(mixed.time, log.time)
    assert (mixed.item != log.item).mean() > 0.5
    for user in range(20):
        one, other = ((part.user == user) for part in (log, mixed))
        events = sorted(zip(log.item[one], log.behaviour[one], log.row[one], strict=True))
        assert events == sorted(
            zip(mixed.item[other], mixed.behaviour[other], mixed.row[other], strict=True)
        )
