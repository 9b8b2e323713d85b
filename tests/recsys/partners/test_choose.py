"""Who stands beside a trained model: only who would be missed, and in which lists."""

import numpy as np

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.clean import clean
from kg.events import EventLog
from kg.storage import Dataset
from recsys.training.config import RunConfig
from recsys.training.fit import fit

KINDS, EACH = 8, 10


def world(again: float, kinds: bool = True, people: int = 200) -> Dataset:
    """Everybody takes items of one kind (or of any), and with a chance of `again` an earlier one
    once more.
    """
    rng = np.random.default_rng(0)
    users, items = [], []
    for user in range(people):
        own = rng.permutation(KINDS * EACH)
        if kinds:
            own = own[own % KINDS == user % KINDS]
        taken: list[int] = []
        for item in own[:6].tolist():
            while taken and rng.random() < again:
                items.append(taken[rng.integers(len(taken))])
                users.append(user)
            taken.append(item)
            items.append(item)
            users.append(user)
    catalog = Catalog.of([f"i{n:02d}" for n in range(KINDS * EACH)])
    log = EventLog.of([f"u{u:03d}" for u in users], [f"i{i:02d}" for i in items])
    log = clean(log, catalog.ids)[0]
    return Dataset(log, catalog, build_graph(log, catalog))


def partners(data: Dataset, **more: dict):
    settings = {"model": {"dim": 8, "layers": 1}, "train": {"max_epochs": 1}} | more
    return fit(data, "hash", RunConfig(**settings), hold_out="last").recommender.partners


def test_one_of_two_that_say_the_same_is_enough():
    found = partners(world(again=0.0))
    assert (found.neighbours is None) != (found.factors is None)
    assert found.trend is None
    assert found.habits is None
    assert found.mixed == 0


def test_nothing_stands_beside_where_there_is_nothing_to_say():
    found = partners(world(again=0.0, kinds=False))
    assert (found.neighbours, found.factors, found.trend, found.mixed) == (None, None, None, 0)


def test_what_is_switched_off_is_not_there():
    off = {"neighbours": {"kind": "none"}, "factors": {"factor_dim": 0}}
    found = partners(world(again=0.0), **off)
    assert (found.neighbours, found.factors) == (None, None)


def test_in_lists_of_all_items_they_count_as_far_as_they_help():
    seldom, often = partners(world(again=0.08)), partners(world(again=0.6))
    for found in (seldom, often):
        assert found.neighbours is not None or found.factors is not None
    assert seldom.mixed > often.mixed
