"""Histories without an order: nothing may depend on the order in which a file happens to stand."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.errors import DataError
from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import leave_one_out
from kg.storage import Dataset, load_dataset, save_dataset
from models.recommender import IntentRecommender, ModelConfig
from recsys import Recommender, RunConfig, fit
from recsys.training.fit import resolved

ITEMS = [f"i{n}" for n in range(12)]


def bags(users=120, seed=0):
    """Each person likes three to six items of one half; the file is sorted by item."""
    rng = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        half = ITEMS[:6] if user % 2 else ITEMS[6:]
        rows += [(f"u{user}", item) for item in rng.choice(half, rng.integers(3, 7), False)]
    return sorted(rows, key=lambda row: row[1])


def log_of(rows, **how):
    return EventLog.of([user for user, _ in rows], [item for _, item in rows], **how)


def test_an_order_is_drawn_that_is_not_the_files():
    rows = bags()
    log = log_of(rows, ordered=False)
    first = log.item[np.r_[0, np.cumsum(log.user_counts())[:-1]]]
    lowest = [min(log.item[log.user == user]) for user in range(len(log.users))]
    assert 0.1 < np.mean(first == lowest) < 0.5
    again = log_of(rows, ordered=False)
    np.testing.assert_array_equal(again.item, log.item)
    assert sorted(zip(log.user.tolist(), log.item.tolist(), strict=True)) == sorted(
        zip(log_of(rows).user.tolist(), log_of(rows).item.tolist(), strict=True)
    )


def test_times_are_an_order():
    with pytest.raises(DataError, match="with times are ordered"):
        log_of(bags(), ordered=False, time=np.arange(len(bags())))


def test_a_prefix_stays_in_front_when_the_rest_is_shuffled():
    histories = Sequences.of(log_of(bags()))
    first = np.minimum(2, histories.lengths)
    mixed = histories.shuffled(np.random.default_rng(0), first)
    moved = 0
    for row in range(len(histories)):
        before, after = histories.items_of(row), mixed.items_of(row)
        assert set(before[:2]) == set(after[:2])
        assert sorted(before[2:]) == sorted(after[2:])
        moved += not np.array_equal(before, after)
    assert moved > len(histories) / 2
    assert not mixed.ordered


def test_the_log_keeps_it_on_disk_and_through_a_split(tmp_path):
    catalog = Catalog.of(ITEMS)
    log = log_of(bags(), ordered=False)
    data = Dataset(log, catalog, build_graph(log, catalog))
    save_dataset(tmp_path / "d", data, {})
    assert not load_dataset(tmp_path / "d").log.ordered
    split = leave_one_out(log)
    assert not split.train.ordered
    assert not split.part("test")[0].ordered
    assert resolved(ModelConfig(), split).ordered is False


def test_a_query_does_not_hang_on_how_the_bag_was_written():
    log = log_of(bags())
    graph = build_graph(log, Catalog.of(ITEMS))
    config = ModelConfig(dim=16, heads=2, ordered=False)
    torch.manual_seed(0)
    model = IntentRecommender(graph, np.zeros((12, 4), np.float32), config)
    for block in model.sequence.blocks:
        assert not block.distance.requires_grad
    items = model.items().vector.detach()
    one, two = (
        model.encode_histories(Sequences.single(np.array(codes), 12), items)
        for codes in ([0, 1, 2, 3, 4, 5], [0, 2, 1, 4, 3, 5])
    )
    # the mean over four orders of the same six items: near, and nearer than one order's queries
    ordered = IntentRecommender(
        graph, np.zeros((12, 4), np.float32), config.model_copy(update={"ordered": True})
    )
    ordered.load_state_dict(model.state_dict())
    a, b = (
        ordered.encode_histories(Sequences.single(np.array(codes), 12), items)
        for codes in ([0, 1, 2, 3, 4, 5], [5, 2, 1, 4, 3, 0])
    )
    assert np.linalg.norm(one - two) < np.linalg.norm(a - b)


def test_repeats_and_searches_need_an_order():
    with pytest.raises(ValidationError, match="need ordered events"):
        ModelConfig(ordered=False, repeats=True)


def test_bags_sorted_by_item_are_learned_and_answered(tmp_path):
    rows, catalog = bags(), Catalog.of(ITEMS)
    log = log_of(rows, ordered=False)
    data = Dataset(log, catalog, build_graph(log, catalog))
    config = RunConfig(model={"dim": 16, "heads": 2}, train={"max_epochs": 15})
    rec = fit(data, "hash", config).recommender
    rec.save(tmp_path / "r")
    back = Recommender.load(tmp_path / "r")
    assert back.model.config.ordered is False
    for history, half in ((["i0", "i1", "i2"], ITEMS[:6]), (["i11", "i7"], ITEMS[6:])):
        found = [r.item for r in back.recommend(history=history, k=3)]
        assert set(found) <= set(half)
        assert found == [r.item for r in rec.recommend(history=history, k=3)]


def test_from_the_command_line(call, tmp_path):
    events, items = tmp_path / "e.csv", tmp_path / "i.csv"
    events.write_text("\n".join(["user,item,time", *(f"{u},{i},7" for u, i in bags())]), "utf-8")
    items.write_text("\n".join(["item,title", *(f"{i},thing {i}" for i in ITEMS)]), "utf-8")
    code, _, err = call("build", events, items, "-o", tmp_path / "d", "--no-order")
    assert code == 0, err
    log = load_dataset(tmp_path / "d").log
    assert (log.ordered, log.time) == (False, None)
