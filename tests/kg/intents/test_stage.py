"""Browsing, comparing or buying: the rule, case by case, on the tiny world's items."""

import pytest

from kg.building.build import build_graph
from kg.errors import UsageError
from kg.intents.labels import intent_labels
from kg.intents.stage import stage
from kg.testing import tiny


@pytest.fixture
def labels():
    world = tiny()
    return intent_labels(build_graph(world.log, world.catalog), min_items=1)


@pytest.mark.parametrize(
    ("behaviours", "items", "wanted"),
    [
        ([], [], "browsing"),
        (["view"], [0], "browsing"),
        (["view", "view"], [0, 0], "browsing"),  # the same item twice
        (["view", "view"], [0, 3], "browsing"),  # beauty and outdoor
        (["view", "view"], [0, 1], "comparing"),  # two of beauty
        (["click", "search", "pv"], [3, -1, 5], "comparing"),  # a usual spelling counts
        (["rating", "rating"], [0, 1], "browsing"),
        (["favourite"], [0], "comparing"),
        (["收藏"], [0], "comparing"),
        (["cart", "view", "view"], [0, 1, 2], "buying"),
        (["purchase", "view", "view", "view"], [0, 3, 6, 99], "browsing"),  # too long ago
        (["purchase", "view", "view", "view"], [0, 1, 2, 6], "comparing"),
        (["checkout"], [-1], "buying"),
        (["view", *["search"] * 7, "view"], [0, *[-1] * 7, 1], "browsing"),  # nine events
        (["view", *["search"] * 6, "view"], [0, *[-1] * 6, 1], "comparing"),
    ],
)
def test_the_rule(labels, behaviours, items, wanted):
    assert stage(behaviours, items, labels) == wanted


def test_without_items_or_labels(labels):
    assert stage(["view", "view"], [], labels) == "browsing"
    assert stage(["view", "view"], [0, 1]) == "browsing"
    assert stage(["view", "bought"]) == "buying"
    for name in (
        "加入购物车",
        "下单",
        "加入購物車",
        "支付",
        "Add to Cart",
        "begin_checkout",
        "paid",
    ):
        assert stage(["view", name]) == "buying", name


def test_one_item_per_behaviour(labels):
    with pytest.raises(UsageError, match=r"one item per behaviour \(2\)"):
        stage(["view", "view"], [0], labels)
