"""What an encoder may read before training: nothing of what comes after the cut."""

import numpy as np

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.events import EventLog
from kg.split import leave_one_out
from recsys.intent.pretraining import examples_of

TITLES = {"a": "Apple", "b": "Bread", "c": "Cheese", "d": "Dates"}


def world():
    catalog = Catalog.of(list(TITLES), list(TITLES.values()),
                         attributes={"kind": [["fruit"], ["bakery"], [], ["fruit"]]})  # fmt: skip
    log = EventLog.of(["u"] * 4 + ["v"] * 3, list("abcd") + list("bad"), behaviour="purchase",
                      time=np.arange(7))  # fmt: skip
    return catalog, log


def test_by_hand_and_never_after_the_cut():
    catalog, log = world()
    train = leave_one_out(log).train  # u: a b; v: b
    graph = build_graph(train, catalog)
    found = examples_of(train, catalog, graph, np.random.default_rng(0))
    assert ("bought Apple (fruit)", "Bread") in found.pairs or (
        "bought Apple", "Bread") in found.pairs  # fmt: skip
    assert ("Apple", "kind: fruit") in found.pairs
    assert all("Cheese" not in text for pair in found.pairs for text in pair)
    assert all("Dates" not in pair[0] for pair in found.pairs if "bought" in pair[0])
    assert [len(told) for told in found.sequences] == [2]
    assert found.joined(found.sequences[0]).count("bought") == 2
    assert {text.split(".")[0].split(",")[0] for text in found.texts} >= {"Apple", "Dates"}


def test_bags_have_no_order_to_learn():
    catalog, log = world()
    bag = EventLog.of(log.users.decode(log.user), log.items.decode(log.item), ordered=False)
    found = examples_of(bag, catalog, build_graph(bag, catalog), np.random.default_rng(0))
    assert found.sequences == []
