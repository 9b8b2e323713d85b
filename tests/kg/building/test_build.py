"""build_graph: attributes, triples and training events; and the guard against a leak."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.building.build import assert_train_only, build_graph
from kg.building.triples import Triples
from kg.catalog import Catalog
from kg.clean import clean
from kg.errors import DataError
from kg.events import EventLog
from kg.graph import KnowledgeGraph
from kg.ids import Vocab
from kg.split import leave_one_out

CATALOG = Catalog.of(
    ["a", "b", "c"],
    ["Boots", "Cap", ""],
    attributes={"category": [["shoes", "new"], ["hats"], []], "user": [["men"], ["all"], []]},
)
VIEW = ("user", "view", "item")


def events(*pairs: str) -> EventLog:
    """'ua' means that user u views item a."""
    log = EventLog.of([p[0] for p in pairs], [p[1] for p in pairs])
    return clean(log, CATALOG.ids)[0]


def test_attributes_become_relations() -> None:
    graph = build_graph(events("ua", "uc", "vb"), CATALOG)
    assert graph.num_nodes == {"item": 3, "user": 2, "category": 3, "item_user": 2}
    assert graph.edges[("item", "category", "category")].tolist() == [[0, 0, 1], [1, 2, 0]]
    assert graph.vocabs["category"].ids == ("hats", "new", "shoes")
    assert ("item", "user", "item_user") in graph.fact_relations
    assert graph.edges[VIEW].tolist() == [[0, 0, 1], [0, 2, 1]]
    assert graph.name("item", 0) == "Boots"
    assert graph.name("item", 2) == "c"


def test_users_outside_the_log_are_passed_over() -> None:
    users = Catalog.of(["u", "w"], attributes={"city": [["Rome"], ["Oslo"]]}, name="user")
    graph = build_graph(events("ua"), CATALOG, users)
    assert graph.edges[("user", "city", "city")].tolist() == [[0], [1]]
    assert graph.vocabs["city"].ids == ("Oslo", "Rome")


def test_triples_join_and_keep_their_names() -> None:
    people, kinds = Vocab(("1",), "person"), Vocab(("k",), "category")
    made = ("item", "made_by", "person")
    triples = Triples(
        {made: np.array([[0], [0]])}, {"item": CATALOG.ids, "person": people, "category": kinds},
        {"person": ("Ann",), "category": ("Kind",)}, {},
    )  # fmt: skip
    graph = build_graph(events("ua"), CATALOG, triples=triples)
    assert graph.name("person", 0) == "Ann"
    assert graph.edges[made].tolist() == [[0], [0]]
    assert graph.vocabs["category"] == kinds  # of the triples; the catalogue's has its own type
    assert ("item", "category", "item_category") in graph.edges


def test_the_guard_passes_what_was_built_from_the_training_part() -> None:
    split = leave_one_out(events("ua", "ub", "uc", "va", "vb", "vc"))
    graph = build_graph(split.train, CATALOG)
    assert graph.edges[VIEW].shape == (2, 2)
    assert_train_only(graph, split.train)
    assert_train_only(graph.facts(), split.train)


@pytest.mark.parametrize("part", ["valid", "test"])
def test_the_guard_finds_each_part_that_leaked(part: str) -> None:
    split = leave_one_out(events("ua", "ub", "uc"))
    leaked = build_graph(getattr(split, part), CATALOG)
    item = {"valid": "b", "test": "c"}[part]
    with pytest.raises(DataError, match=f"1 view edges.*user 'u', item '{item}'.*split.train"):
        assert_train_only(leaked, split.train)


def planted(graph: KnowledgeGraph, relation: tuple[str, str, str], *pair: int) -> KnowledgeGraph:
    index = np.array(pair, np.int64).reshape(2, 1)
    held = graph.edges.get(relation, np.zeros((2, 0), np.int64))
    return replace(graph, edges={**graph.edges, relation: np.hstack([held, index])})


def test_the_guard_finds_one_planted_edge_of_any_kind() -> None:
    train = leave_one_out(events("ua", "ub", "uc")).train
    graph = build_graph(train, CATALOG)
    for relation, pair in ((VIEW, (0, 2)), (("user", "owns", "item"), (0, 2)),
                           (("item", "seen_by", "user"), (2, 0))):  # fmt: skip
        with pytest.raises(DataError, match=rf"1 {relation[1]} edges.*user 'u', item 'c'"):
            assert_train_only(planted(graph, relation, *pair), train)
    assert_train_only(planted(graph, ("user", "owns", "item"), 0, 0), train)


def test_another_behaviour_with_the_same_item_is_a_leak() -> None:
    log = EventLog.of(["u", "u"], ["a", "a"], behaviour=["view", "purchase"])
    log, _ = clean(log, CATALOG.ids)
    split = leave_one_out(log, valid=False)
    with pytest.raises(DataError, match="1 purchase edges"):
        assert_train_only(build_graph(log, CATALOG), split.train)


def test_other_numbers_cannot_be_compared() -> None:
    graph = build_graph(events("ua"), CATALOG)
    with pytest.raises(DataError, match="number the same users and items"):
        assert_train_only(graph, events("va"))


PAIRS = st.lists(st.tuples(st.sampled_from("uvw"), st.sampled_from("abc")), min_size=2)


@given(PAIRS, st.integers(1, 30))
def test_the_guard_agrees_with_sets(pairs: list[tuple[str, str]], cut: int) -> None:
    log = events(*("".join(pair) for pair in pairs))
    cut = min(cut, len(log))
    train = log.take(np.arange(cut))
    held = {(int(u), int(i)) for u, i in zip(log.user, log.item, strict=True)}
    allowed = {(int(u), int(i)) for u, i in zip(train.user, train.item, strict=True)}
    graph = build_graph(log, CATALOG)
    if held <= allowed:
        assert_train_only(graph, train)
    else:
        with pytest.raises(DataError, match=f"holds {len(held - allowed)} view edges"):
            assert_train_only(graph, train)
