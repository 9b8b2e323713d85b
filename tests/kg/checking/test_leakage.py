"""Each leak, seeded on purpose, is found; clean worlds raise none."""

from dataclasses import replace

import numpy as np
import pytest

from kg.building.build import build_graph
from kg.building.triples import Triples
from kg.catalog import Attribute, Catalog
from kg.checking.leakage import leaks, refuse
from kg.errors import DataError, UsageError
from kg.ids import Vocab
from kg.split import leave_one_out, temporal_split
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
    with pytest.raises(UsageError, match="Did you mean 'edges'"):
        refuse([leak], accepted=["edgse"])


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


def of_others(graph, heads, items, name="wishes"):
    """With facts of things that no file says are people, as triples give them."""
    known = Vocab.of(heads, "entity")
    edges = np.unique(np.stack([known.encode(heads), items]), axis=1)
    relation = ("entity", name, "item")
    vocabs = {**graph.vocabs, "entity": known}
    return replace(graph, vocabs=vocabs, edges={**graph.edges, relation: edges})


def test_people_under_another_type_are_known_by_their_ids(world, split):
    graph, test = graph_of(world, split), split.test
    wish = of_others(graph, test.users.decode(test.user), test.item)
    (leak,) = leaks(wish, split, world.catalog)
    assert (leak.check, leak.refused) == ("facts of people", True)
    assert leak.count > len(test) / 2
    train = split.train
    seen = of_others(graph, train.users.decode(train.user), train.item)
    (leak,) = leaks(seen, split, world.catalog)
    assert (leak.check, leak.refused) == ("facts of people", False)
    held = next(
        n for n in range(len(test))
        if not ((train.user == test.user[n]) & (train.item == test.item[n])).any()
    )  # fmt: skip
    one = of_others(graph, test.users.decode(test.user[[held]]), test.item[[held]])
    assert [leak.refused for leak in leaks(one, split, world.catalog)] == [False]
    names = [f"maker {n}" for n in range(200)]
    made = of_others(graph, [*names, test.users.ids[0]], np.arange(201) % len(world.catalog))
    assert leaks(made, split, world.catalog) == []


def test_bare_numbers_are_people_only_if_the_events_say_so(world, split):
    users = Vocab(tuple(f"{n:05}" for n in range(len(world.log.users))), "user")
    parts = {
        part: replace(getattr(split, part), users=users) for part in ("train", "valid", "test")
    }
    split = replace(split, **parts)
    graph, test = graph_of(world, split), split.test
    wish = of_others(graph, users.decode(test.user), test.item)
    assert [leak.refused for leak in leaks(wish, split, world.catalog)] == [True]
    rng = np.random.default_rng(0)
    made = of_others(graph, list(users.ids) * 5, rng.integers(0, 60, 5 * len(users)), "made")
    assert leaks(made, split, world.catalog) == []


@pytest.mark.parametrize(
    "name",
    [
        "also_bought",
        "alsoViewed",
        "bought_together",
        "co_purchase",
        "also bought",
        "买了还买",
    ],
)
def test_what_people_chose_is_refused(world, split, name):
    graph = graph_of(world, split)
    near = replace(graph, edges={**graph.edges, ("item", name, "item"): np.array([[0], [1]])})
    assert [(one.check, one.refused) for one in leaks(near, split, world.catalog)] == [
        ("chosen by people", True)
    ]


@pytest.mark.parametrize(
    ("name", "warns"),
    [("has_tag", True), ("median_price", True), ("num_purchases", True), ("rating", True),
     ("view_count", True), ("price_median", True), ("salesRank", True), ("averageRating", True),
     ("avg price", True), ("n_sold", True), ("销量", True), ("銷量", True), ("标签", True),
     ("標籤", True), ("已售数量", True), ("平均评分", True), ("人气", True), ("熱度", True),
     ("unit_price", False), ("价格", False), ("销售渠道", False), ("标准", False),
     ("film.film.rating", False), ("n_pages", False), ("brand", False),
     ("sold_in_set_of", False), ("stage", False)],
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


def test_a_statistic_that_stands_in_triples_alone(world, split):
    later = split.valid.item_counts() + split.test.item_counts()
    rng = np.random.default_rng(1)
    for values, kinds in ((later, [True]), (rng.permutation(later), [])):
        rows = [(key, "weight", f"{value}") for key, value in
                zip(world.catalog.ids.ids, values, strict=True)]  # fmt: skip
        graph = build_graph(split.train, world.catalog, triples=Triples.of(rows, world.catalog.ids))
        found = leaks(graph, split, world.catalog)
        assert [one.refused for one in found if one.check == "statistics"] == kinds
        relation = ("item", "weight", "entity")
        day = np.zeros(graph.edges[relation].shape[1], np.int64)
        dated = replace(graph, edge_time={relation: day})  # known before the cut: `dated facts`
        assert not [one for one in leaks(dated, split, world.catalog) if one.check == "statistics"]


def in_groups(world, log):
    """The catalogue with a column that counts the events of each category in this log."""
    groups = [cell[0] for cell in world.catalog.attribute("category").cells(len(world.catalog))]
    per_item = log.item_counts()
    size = {key: sum(per_item[n] for n, one in enumerate(groups) if one == key) for key in groups}
    cells = [[f"{size[key]}"] for key in groups]
    more = Attribute.of("size_of_it", cells)
    return replace(world.catalog, attributes=(*world.catalog.attributes, more))


def test_a_number_of_each_category_that_counts_what_comes_later(world):
    split = temporal_split(world.log)
    for log, found in (
        (world.log, [True]), (split.before_test(), [True]), (split.test, [True]),
        (split.train, []), (split.train.take(split.train.time < np.median(split.train.time)), []),
    ):  # fmt: skip
        catalog = in_groups(world, log)
        told = leaks(build_graph(split.train, catalog), split, catalog)
        told = [one for one in told if "one number within each 'category'" in one.what]
        assert [(one.check, one.refused) for one in told] == [("statistics", one) for one in found]
    rng = np.random.default_rng(0)
    for _ in range(50):  # any other number of categories
        numbers = rng.integers(0, 50, 6)
        values = world.catalog.attribute("category")
        cells = [[str(numbers[code])] for code in values.value]
        catalog = replace(world.catalog, attributes=(values, Attribute.of("shelf", cells)))
        told = leaks(build_graph(split.train, catalog), split, catalog)
        assert not any(one.refused or "one number within" in one.what for one in told)


def test_the_id_of_a_later_item_in_what_is_told_of_a_person(world, split):
    log, test = split.train, split.test
    keys = [f"s{n:02}" for n in range(len(world.catalog))]
    items = Vocab(tuple(keys), "item")
    parts = {
        part: replace(getattr(split, part), items=items) for part in ("train", "valid", "test")
    }
    split = replace(split, **parts)
    catalog = replace(world.catalog, ids=items)
    graph = build_graph(split.train, catalog)

    def told(cells):
        people = Catalog.of(cells.keys(), attributes={"wished": cells.values()}, name="user")
        return [(one.check, one.refused) for one in leaks(graph, split, catalog, people)]

    met = set(zip(log.user.tolist(), log.item.tolist(), strict=True))
    wished = {
        log.users.ids[u]: [keys[i]] for u, i in zip(test.user, test.item, strict=True)
        if (u, i) not in met
    }  # fmt: skip
    assert len(wished) > 20
    assert told(wished) == [("titles in texts", True)]
    assert told(dict(list(wished.items())[:1])) == [("titles in texts", False)]
    assert told({key: ["s0", "red"] for key in wished}) == []
    segment = {key: [f"s{n % 9:02}"] for n, key in enumerate(log.users.ids)}
    assert told(segment) == []  # of some, by chance, they are items of later


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


def _facts(world, rows):
    """Triples of these heads and tails, called heat."""
    return Triples.of([(head, "heat", tail) for head, tail in rows], world.catalog.ids)


@pytest.mark.parametrize("form", ["{}", "{} pcs", "€{}.50", "1,{:03d}", "{}%", "reversed", "words"])
def test_a_statistic_is_seen_however_it_is_written(world, split, form):
    later = (split.valid.item_counts() + split.test.item_counts()).tolist()
    rows = list(zip(world.catalog.ids.ids, later, strict=True))
    if form == "reversed":
        pairs = [(f"{n}", key) for key, n in rows]
    elif form == "words":
        pairs = [(key, "many" if place % 9 == 0 else f"{n}") for place, (key, n) in enumerate(rows)]
    else:
        pairs = [(key, form.format(n)) for key, n in rows]
    graph = build_graph(split.train, world.catalog, triples=_facts(world, pairs))
    (leak,) = [one for one in leaks(graph, split, world.catalog) if one.check == "statistics"]
    assert leak.refused
    assert "'heat'" in leak.what


def test_a_second_number_and_a_column_of_the_same_name_hide_nothing(world, split):
    later = split.valid.item_counts() + split.test.item_counts()
    pairs = [(key, f"{n}") for key, n in zip(world.catalog.ids.ids, later, strict=True)]
    pairs += [(key, "9999") for key in world.catalog.ids.ids]
    shade = Attribute.of("heat", [["warm" if n % 2 else "cold"] for n in range(len(world.catalog))])
    catalog = replace(world.catalog, attributes=(*world.catalog.attributes, shade))
    graph = build_graph(split.train, catalog, triples=_facts(world, pairs))
    (leak,) = [one for one in leaks(graph, split, catalog) if one.check == "statistics"]
    assert leak.refused


def test_a_number_that_is_a_fact_of_the_category(world):
    split = temporal_split(world.log)
    groups = [cell[0] for cell in world.catalog.attribute("category").cells(len(world.catalog))]
    for log, kinds in ((world.log, [True]), (split.train, [])):
        count = log.item_counts()
        size = {key: sum(count[n] for n, one in enumerate(groups) if one == key) for key in groups}
        graph = build_graph(split.train, world.catalog)
        numbers = sorted({f"{n}" for n in size.values()})
        kinds_of = graph.vocabs["category"].ids
        edges = np.stack([np.arange(len(kinds_of)),
                          [numbers.index(f"{size[key]}") for key in kinds_of]])  # fmt: skip
        told = replace(
            graph, vocabs={**graph.vocabs, "number": Vocab(tuple(numbers), "number")},
            edges={**graph.edges, ("category", "sold_in", "number"): edges},
        )  # fmt: skip
        found = [one for one in leaks(told, split, world.catalog) if one.check == "statistics"]
        assert [one.refused for one in found if "within each" in one.what] == kinds
