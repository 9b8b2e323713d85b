"""Named intents from the graph, and weak labels that never look back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.errors import UsageError
from kg.events import EventLog
from kg.graph import KnowledgeGraph
from kg.intents.labels import IntentLabels, intent_labels, next_intents, with_whole_horizon
from kg.testing import World, planted, tiny
from kg.wording.verbalise import prefix_lengths


def graph_of(catalog: Catalog) -> KnowledgeGraph:
    ids = catalog.ids
    log = EventLog(ids, ids, (), *(np.zeros(0, np.int64) for _ in range(3)))
    return build_graph(log, catalog)


def labels_of(world: World, minimum: int = 1) -> IntentLabels:
    return intent_labels(
        build_graph(world.log, world.catalog, triples=world.triples), min_items=minimum
    )


def test_the_category_is_chosen_by_name() -> None:
    labels = labels_of(tiny())
    assert labels.relation == ("item", "category", "category")
    assert labels.names == ("beauty", "kitchen", "outdoor")
    np.testing.assert_array_equal(
        labels.item.toarray(), np.eye(3, dtype=np.float32)[[0, 0, 0, 2, 2, 2, 1, 1]]
    )
    assert labels.of_item(3) == ["outdoor"]


def test_rare_labels_and_names_that_say_nothing_are_dropped() -> None:
    assert labels_of(tiny(), minimum=3).names == ("beauty", "outdoor")
    catalog = Catalog.of(list("abcd"), attributes={
        "genres": [["Drama", "Crime"], ["Drama"], ["(no genres listed)"], ["(no genres listed)"]],
    })  # fmt: skip
    labels = intent_labels(graph_of(catalog), min_items=1)
    assert labels.names == ("Crime", "Drama")
    np.testing.assert_array_equal(labels.item.toarray(), [[1, 1], [0, 1], [0, 0], [0, 0]])


def test_without_a_usual_name_the_best_coverage_wins() -> None:
    catalog = Catalog.of([f"i{n}" for n in range(6)], attributes={
        "mood": [["a"], ["b"], ["c"], ["a"], ["b"], ["c"]],
        "shape": [["x"], ["y"], ["z"], [], [], []],
        "sale": [["yes"], ["no"], ["yes"], ["no"], ["yes"], ["no"]],
    })  # fmt: skip
    assert intent_labels(graph_of(catalog), min_items=1).relation == ("item", "mood", "mood")
    named = intent_labels(graph_of(catalog), relation="sale", min_items=1)
    assert named.names == ("no", "yes")


def test_the_most_frequent_labels_stay() -> None:
    catalog = Catalog.of(list("abcdef"), attributes={"category": [[c] for c in "xyyzzz"]})
    labels = intent_labels(graph_of(catalog), min_items=1, max_labels=2)
    assert labels.names == ("y", "z")


def test_no_relation_that_fits_gives_no_labels() -> None:
    world = tiny()
    labels = intent_labels(graph_of(Catalog.of(["a", "b"])))
    assert (labels.relation, labels.names, labels.item.shape) == (None, (), (2, 0))
    empty = IntentLabels(None, (), labels_of(world).item[:, :0])
    assert next_intents(world.log, empty, np.arange(4)).shape == (4, 0)


def test_an_unknown_relation_is_named() -> None:
    world = tiny()
    graph = build_graph(world.log, world.catalog, triples=world.triples)
    with pytest.raises(UsageError, match=r"category, made_by\. Got 'catgory'.*'category'"):
        intent_labels(graph, relation="catgory")


def test_next_intents_by_hand() -> None:
    world = tiny()
    labels = labels_of(world)
    start = int(np.flatnonzero(world.log.user == 4)[0])  # u5: shoes, jacket, teapot
    found = next_intents(world.log, labels, start + np.arange(3), horizon=2)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[0, 0, 1], [0, 1, 1], [0, 1, 0]])
    search = next_intents(world.log, labels, np.array([1]), horizon=1)
    assert search.sum() == 0


def test_a_whole_horizon_ends_within_the_same_history() -> None:
    log = tiny().log
    start = int(np.flatnonzero(log.user == 4)[0])  # three events
    last = len(log) - 1
    assert with_whole_horizon(log, start + np.arange(3), 2).tolist() == [True, True, False]
    assert with_whole_horizon(log, start + np.arange(3), 3).tolist() == [True, False, False]
    assert with_whole_horizon(log, np.array([last]), 1).tolist() == [True]
    assert with_whole_horizon(log, np.array([last]), 2).tolist() == [False]


@given(st.integers(0, 10_000), st.integers(1, 4))
def test_labels_are_those_of_the_next_events_and_of_nothing_before(seed: int, ahead: int) -> None:
    rng = np.random.default_rng(seed)
    world = planted(rng, users=5, items=12, categories=4, signal=0.5, events=6)
    labels = labels_of(world)
    ends = rng.integers(0, len(world.log), 9)
    found = next_intents(world.log, labels, ends, ahead)
    before = prefix_lengths(world.log)
    for row, end in enumerate(ends.tolist()):
        coming = [p for p in range(end, min(end + ahead, len(world.log)))
                  if world.log.user[p] == world.log.user[end]]  # fmt: skip
        names = {n for p in coming for n in labels.of_item(int(world.log.item[p]))}
        assert {labels.names[k] for k in np.flatnonzero(found[row])} == names
        past = np.arange(end - before[end], end)
        other = np.array(world.log.item)
        other[past] = (other[past] + 1) % 12  # another past, the same label
        changed = EventLog(world.log.users, world.log.items, world.log.behaviours,
                           world.log.user, other, world.log.behaviour)  # fmt: skip
        np.testing.assert_array_equal(next_intents(changed, labels, ends[[row]], ahead)[0],
                                      found[row])  # fmt: skip


def test_misuse_is_refused() -> None:
    world = tiny()
    with pytest.raises(UsageError, match="'horizon'"):
        next_intents(world.log, labels_of(world), np.array([0]), 0)
    with pytest.raises(UsageError, match="'ends'"):
        next_intents(world.log, labels_of(world), np.array([-1]))


def test_a_level_of_paths() -> None:
    paths = ["Beauty > Hair > Soap", "Beauty>Hair>Oil", "Beauty > Nails", "Beauty", "Dogs > Hair"]
    graph = graph_of(Catalog.of(list("abcde"), attributes={"category": [[p] for p in paths]}))
    labels = intent_labels(graph, level=2, min_items=1)
    assert labels.names == ("Beauty > Hair", "Beauty > Nails", "Dogs > Hair")
    np.testing.assert_array_equal(
        labels.item.toarray(), [[1, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]]
    )
    assert intent_labels(graph, level=1, min_items=2).names == ("Beauty",)
    assert intent_labels(graph, level=4, min_items=1).names == ()
    with pytest.raises(UsageError, match="'level' of intent_labels"):
        intent_labels(graph, level=0)


def test_a_level_of_a_relation_with_an_unusual_name() -> None:
    paths = ["a > x", "b > y", "c > z", "c > z"]
    graph = graph_of(Catalog.of(list("mnop"), attributes={"shelf": [[p] for p in paths]}))
    assert intent_labels(graph, level=1, min_items=1).names == ("a", "b", "c")


def test_of_relations_that_cover_as_much_words_win_then_few_labels() -> None:
    tracks, n = ("algebra", "chess", "yoga"), 18
    catalog = Catalog.of([f"i{k:02d}" for k in range(n)], attributes={
        "level": [[str(k % 6)] for k in range(n)],
        "teacher": [[f"teacher {k // 2}"] for k in range(n)],
        "track": [[tracks[k % 3]] for k in range(n)],
    })  # fmt: skip
    graph = graph_of(catalog)
    assert intent_labels(graph, min_items=1).names == tracks
    some = Catalog.of(catalog.ids.ids, attributes={
        "level": [[str(k % 6)] for k in range(n)],
        "track": [[tracks[k % 3]] if k else [] for k in range(n)],
    })  # fmt: skip
    assert intent_labels(graph_of(some), min_items=1).names == tuple("012345")  # covers more
