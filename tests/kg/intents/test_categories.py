"""Categories to intents, worked out by hand on the tiny world."""

import numpy as np
import pytest

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.errors import UsageError
from kg.events import EventLog
from kg.intents.categories import categories_absent, categories_left, taxonomy_labels
from kg.intents.taxonomy import Intent, Taxonomy
from kg.testing import tiny


def taxonomy(**listed):
    """Intents by key: categories, or a pair of them and a parent."""
    pairs = {k: v if isinstance(v, tuple) else (v, None) for k, v in listed.items()}
    return Taxonomy(tuple(
        Intent(key, {"en": f"The {key}"}, categories=tuple(names), parent=parent)
        for key, (names, parent) in pairs.items()
    ))  # fmt: skip


def graph_of(**attributes):
    rows = len(next(iter(attributes.values())))
    catalog = Catalog.of([f"i{n}" for n in range(rows)], attributes=attributes)
    log = EventLog(catalog.ids, catalog.ids, (), *(np.zeros(0, np.int64) for _ in range(3)))
    return build_graph(log, catalog)


@pytest.fixture
def graph():
    world = tiny()
    return build_graph(world.log, world.catalog, triples=world.triples)


def test_items_have_intents_by_category_and_their_ancestors(graph):
    mine = taxonomy(
        all=[], looks=(["ＢＥＡＵＴＹ"], "all"), away=(["Outdoor", "sport"], "all"), music=["music"]
    )
    labels = taxonomy_labels(mine, graph)
    assert labels.names == ("all", "looks", "away")  # music is on no item
    assert labels.relation == ("item", "category", "category")
    np.testing.assert_array_equal(
        labels.item.toarray(),
        [[1, 1, 0]] * 3 + [[1, 0, 1]] * 3 + [[0, 0, 0]] * 2,
    )
    assert labels.item.dtype == np.float32
    assert labels.of_item(4) == ["all", "away"]
    assert categories_left(mine, graph) == ["kitchen"]
    assert categories_absent(mine, graph) == ["sport", "music"]


def test_another_relation_by_name(graph):
    mine = taxonomy(polish=["Aurora"], hiking=["Fells"])
    assert len(taxonomy_labels(mine, graph)) == 0  # a maker is no category
    labels = taxonomy_labels(mine, graph, "made_by")
    assert labels.names == ("polish", "hiking")
    assert labels.item.toarray()[[0, 2, 5]].tolist() == [[1, 0], [0, 0], [0, 1]]
    assert categories_left(mine, graph, "made_by") == []
    with pytest.raises(UsageError, match=r"category, made_by\. Got 'maker'"):
        taxonomy_labels(mine, graph, "maker")


def test_parts_and_beginnings_of_paths_fit():
    graph = graph_of(category=[["Beauty > Hair > Shampoo"], ["Beauty>Nails"], ["Dogs > Hair"]])
    mine = taxonomy(
        beauty=["beauty"], hair=["BEAUTY>hair"], soap=["shampoo"], part=["Hair > Shampoo"]
    )
    labels = taxonomy_labels(mine, graph)
    assert [labels.of_item(row) for row in range(3)] == [["beauty", "hair", "soap"], ["beauty"], []]
    assert categories_left(mine, graph) == ["Dogs > Hair"]
    assert categories_absent(mine, graph) == ["Hair > Shampoo"]


def test_categories_of_several_relations_are_joined():
    graph = graph_of(genre=[["Jazz"], [], ["Jazz"]], department=[[], ["音乐"], ["音乐"]])
    labels = taxonomy_labels(taxonomy(music=["jazz", "音乐"]), graph)
    assert labels.item.toarray().tolist() == [[1], [1], [1]]
    assert labels.relation[1] == "genre"


def test_without_a_category_every_fact_is_one():
    graph = graph_of(mood=[["sad"], ["gay"], []])
    mine = taxonomy(grief=["Sad"])
    assert taxonomy_labels(mine, graph).item.toarray().tolist() == [[1], [0], [0]]
    assert categories_left(mine, graph) == ["gay"]


def test_what_is_left_is_told_by_number_of_items_and_nothing_says_nothing():
    graph = graph_of(genres=[["b"], ["a"], ["b"], ["c"], ["(no genres listed)"]])
    assert categories_left(taxonomy(other=["c"]), graph) == ["b", "a"]


def test_no_fact_at_all_gives_no_label():
    graph = graph_of(category=[[], []])
    labels = taxonomy_labels(taxonomy(music=["music"]), graph)
    assert (labels.names, labels.item.shape, labels.relation) == ((), (2, 0), None)
