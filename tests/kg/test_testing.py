"""The worlds hold what they promise: tiny by hand, planted exactly as much signal as asked."""

import numpy as np
import pytest

from kg.building.build import build_graph
from kg.errors import UsageError
from kg.testing import World, planted, tiny


def test_tiny() -> None:
    world = tiny()
    assert (len(world.log.users), len(world.catalog), len(world.log)) == (6, 8, 15)
    category = world.catalog.attribute("category")
    assert category is not None
    assert category.values.ids == ("beauty", "kitchen", "outdoor")
    assert {b.name for b in world.log.behaviours} == {"cart", "purchase", "search", "view"}
    assert world.log.item_counts().tolist() == [2, 2, 2, 2, 3, 0, 2, 1]
    assert world.log.query is not None
    assert world.log.query[1] == "red nail polish"
    assert world.log.item[1] == -1
    graph = build_graph(world.log, world.catalog, triples=world.triples)
    assert graph.name("maker", 1) == "Fells"
    assert graph.num_edges == 8 + 5 + 14  # 15 events, one a search without an item


def stays(world: World) -> float:
    """Share of successive events of a user that lie in one category."""
    category = world.catalog.attribute("category")
    assert category is not None
    kind = category.value[world.log.item]
    same = np.diff(world.log.user) == 0
    return float((np.diff(kind) == 0)[same].mean())


def test_planted_shape_and_seed() -> None:
    first, second = (planted(np.random.default_rng(3), users=20) for _ in range(2))
    np.testing.assert_array_equal(first.log.item, second.log.item)
    assert (len(first.log.users), len(first.catalog), len(first.log)) == (20, 60, 240)
    assert first.log.items is first.catalog.ids
    pairs = np.unique(np.stack([first.log.user, first.log.item]), axis=1)
    assert pairs.shape[1] == 240  # nobody takes an item twice


def test_planted_signal_is_what_was_asked() -> None:
    strong, half, none = (
        stays(planted(np.random.default_rng(1), signal=s, users=400)) for s in (1.0, 0.5, 0.0)
    )
    assert strong > 0.7
    assert none == pytest.approx(9 / 59, abs=0.02)  # an unseen item of the same category
    assert none + 0.05 < half < strong - 0.2


def test_planted_text_names_the_category() -> None:
    world = planted(np.random.default_rng(0), items=40, categories=10, users=2)
    category = world.catalog.attribute("category")
    assert category is not None
    assert len(category.values) == 10
    for row, title in enumerate(world.catalog.titles):
        name = category.of_row(row)[0]
        assert name in title.split()
        assert name in world.catalog.texts[row]


def test_planted_goes_on_when_all_items_are_taken() -> None:
    world = planted(np.random.default_rng(0), items=4, categories=2, users=3, events=9)
    assert len(world.log) == 27


def test_planted_refuses_what_cannot_be() -> None:
    with pytest.raises(UsageError, match="categories=9"):
        planted(np.random.default_rng(0), items=5, categories=9)
    with pytest.raises(UsageError, match="signal=2"):
        planted(np.random.default_rng(0), signal=2)
