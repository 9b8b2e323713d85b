"""Each leak, seeded on purpose, is found; clean worlds raise none."""

from dataclasses import replace

import numpy as np
import pytest

from kg.building.build import build_graph
from kg.catalog import Attribute, Catalog
from kg.checking.leakage import leaks, refuse
from kg.errors import DataError
from kg.split import leave_one_out
from kg.testing import planted, tiny


@pytest.fixture(scope="module")
def world():
    made = planted(np.random.default_rng(0), users=80, signal=1.0)
    titles = tuple(f"Lantern number {n}x" for n in range(len(made.catalog)))
    return replace(made, catalog=replace(made.catalog, titles=titles))


@pytest.fixture(scope="module")
def split(world):
    return leave_one_out(world.log)


def graph_of(world, split, **more):
    return build_graph(split.train, world.catalog, triples=world.triples, **more)


def test_clean_worlds_have_none(world, split):
    assert leaks(graph_of(world, split), split, world.catalog) == []
    small = tiny()
    part = leave_one_out(small.log)
    assert leaks(build_graph(part.train, small.catalog), part, small.catalog) == []


def test_held_out_edges_in_the_graph(world, split):
    graph = build_graph(world.log, world.catalog)  # of all events
    (leak, *_) = leaks(graph, split, world.catalog)
    assert (leak.check, leak.refused) == ("edges", True)
    train = set(zip(split.train.user.tolist(), split.train.item.tolist(), strict=True))
    held = {(u, i) for log in (split.valid, split.test)
            for u, i in zip(log.user.tolist(), log.item.tolist(), strict=True)}  # fmt: skip
    found = sum(one.count for one in leaks(graph, split, world.catalog) if one.check == "edges")
    assert found >= len(held - train) > 0
    with pytest.raises(DataError, match="held-out edges"):
        refuse([leak])
    refuse([leak], accepted=["edges"])


def test_facts_that_are_what_people_go_on_to_do(world, split):
    graph = graph_of(world, split)
    wish = np.stack([split.test.user, split.test.item])
    told = replace(graph, edges={**graph.edges, ("user", "wishes", "item"): wish})
    (leak,) = leaks(told, split, world.catalog)
    assert (leak.check, leak.refused) == ("facts of people", True)
    seen = np.stack([split.train.user, split.train.item])
    harmless = replace(graph, edges={**graph.edges, ("user", "wishes", "item"): seen})
    (leak,) = leaks(harmless, split, world.catalog)
    assert not leak.refused
    assert "no date" in leak.what


@pytest.mark.parametrize("name", ["also_bought", "alsoViewed", "bought_together", "co_purchase"])
def test_what_people_chose_is_refused(world, split, name):
    graph = graph_of(world, split)
    near = replace(graph, edges={**graph.edges, ("item", name, "item"): np.array([[0], [1]])})
    assert [(one.check, one.refused) for one in leaks(near, split, world.catalog)] == [
        ("chosen by people", True)
    ]


@pytest.mark.parametrize(
    ("name", "warns"),
    [("has_tag", True), ("median_price", True), ("num_purchases", True), ("rating", True),
     ("view_count", True), ("brand", False), ("sold_in_set_of", False), ("stage", False)],
)  # fmt: skip
def test_facts_that_may_come_from_use_are_told_by_name(world, split, name, warns):
    cells = [["a" if n % 2 else "b"] for n in range(len(world.catalog))]
    catalog = replace(world.catalog, attributes=(Attribute.of(name, cells),))
    found = leaks(build_graph(split.train, catalog), split, catalog)
    assert [(one.check, one.refused) for one in found] == [("facts from use", False)] * warns


def with_numbers(world, values):
    cells = [[f"{value:g}"] for value in values]
    return replace(world.catalog, attributes=(Attribute.of("score", cells),))


def test_a_statistic_that_counts_what_comes_later(world, split):
    later = (split.valid.item_counts() + split.test.item_counts()).astype(float)
    before = split.train.item_counts().astype(float)
    rng = np.random.default_rng(1)
    for values, kinds in (
        (before, []),  # of the training part: allowed
        (rng.random(len(before)), []),
        (later, [True]),
        (before + later, [True]),
        (later + rng.normal(0, 0.5, len(before)), [False]),
    ):
        catalog = with_numbers(world, values)
        found = leaks(build_graph(split.train, catalog), split, catalog)
        assert [one.refused for one in found if one.check == "statistics"] == kinds


def test_the_title_of_a_later_item_in_what_is_told_of_a_person(world, split):
    log = split.train
    user, item = int(split.test.user[0]), int(split.test.item[0])
    assert not ((log.user == user) & (log.item == item)).any()
    name, key = world.catalog.titles[item], log.users.ids[user]
    texts = {key: f"viewed x, bought {name.upper()}"}
    (leak,) = leaks(graph_of(world, split), split, world.catalog, texts=texts)
    assert (leak.check, leak.count) == ("titles in texts", 1)
    assert repr(key) in leak.examples[0]
    people = Catalog.of([key], attributes={"last": [[name]]}, name="user")
    assert leaks(graph_of(world, split), split, world.catalog, people)[0].refused
    other = next(key for key in log.users.ids if key != log.users.ids[user])
    met = int(log.item[log.user == user][0])
    fine = {key: f"viewed {world.catalog.titles[met]}", other: "viewed nothing"}
    assert leaks(graph_of(world, split), split, world.catalog, texts=fine) == []
