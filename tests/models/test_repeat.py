"""Repeats: who holds what, how often and since when, by hand; serving as in training."""

import numpy as np
import pytest
import torch

from kg.build import build_graph
from kg.sequences import Sequences
from kg.testing import tiny
from models.batch import history_batches
from models.recommender import IntentRecommender, ModelConfig
from models.repeat import RepeatBonus, doubling


def one_history(items, time=None):
    items = np.array(items)
    kinds = np.zeros(len(items), np.int64)
    times = None if time is None else np.array(time)
    return Sequences(np.array([0, len(items)]), items, kinds, times, 9)


def batch_of(histories, reach=50):
    ((_, batch),) = history_batches(histories, reach, 10)
    return batch


def test_doubling():
    values = torch.tensor([0, 0.9, 1, 2, 3, 4, 7.9, 8, 1e9])
    assert doubling(values, 5).tolist() == [0, 0, 1, 2, 2, 3, 3, 4, 4]


def test_only_the_latest_of_an_item_holds():
    batch = batch_of(one_history([5, 7, 5, 2]))
    holds = RepeatBonus(3)(batch, torch.zeros(1, 4, 3), torch.zeros(9, 3)).holds[0]
    assert holds.int().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 1, 1, 1]]


def test_the_bonus_by_hand():
    hour = 3600
    batch = batch_of(one_history([5, 7, 5, 2], [0, 0, 5 * hour, 5 * hour]))
    repeat = RepeatBonus(2)
    with torch.no_grad():
        for part in (repeat.count, repeat.place, repeat.elapsed):
            part.copy_(torch.randn_like(part))
        repeat.person.weight.copy_(torch.tensor([[2.0, -1.0]]))
        repeat.item.weight.copy_(torch.tensor([[0.5, 3.0]]))
    query, items = torch.randn(1, 4, 2), torch.randn(9, 2)
    found = repeat(batch, query, items).bonus[0, 3]  # seen from the last event
    person = 2 * query[0, 3, 0] - query[0, 3, 1]
    worth = 0.5 * items[:, 0] + 3 * items[:, 1]
    count, place, elapsed = repeat.count, repeat.place, repeat.elapsed
    first = place[2] + elapsed[4]  # item 5, three events and five hours ago
    again = place[1] + elapsed[1]  # and once more, one event and no time ago
    both = torch.logsumexp(10 * torch.stack([first, again]), 0)
    want = [
        10 * (count[1] + place[2] + elapsed[4]) + worth[7],  # once, two events and 5 hours ago
        10 * count[2] + both + worth[5],
        10 * (count[1] + place[0] + elapsed[1]) + worth[2],
    ]
    torch.testing.assert_close(found[1:], torch.stack(want) + person)
    untimed = repeat(batch_of(one_history([5, 7, 5, 2])), query, items).bonus[0, 3, 3]
    torch.testing.assert_close(untimed, 10 * (count[1] + place[0] + elapsed[0]) + person + worth[2])


def test_an_event_that_has_not_happened_yet_excites_nothing():
    repeat, query, items = RepeatBonus(2), torch.randn(1, 3, 2), torch.randn(9, 2)
    with torch.no_grad():
        repeat.place.copy_(torch.randn_like(repeat.place))
    whole = repeat(batch_of(one_history([5, 7, 5])), query, items).bonus[0, 1, 0]
    start = repeat(batch_of(one_history([5, 7])), query[:, :2], items).bonus[0, 1, 0]
    torch.testing.assert_close(whole, start)


def test_counts_reach_back_beyond_the_window():
    batch = batch_of(one_history([5, 5, 5, 5, 7]), reach=2)
    assert batch.item.tolist() == [[5, 7]]
    assert batch.count.tolist() == [[4, 1]]
    assert RepeatBonus(2)(batch, torch.zeros(1, 2, 2), torch.zeros(9, 2)).holds[0, 1].tolist() == [
        True,
        True,
    ]


@pytest.fixture
def model():
    world = tiny()
    graph = build_graph(world.log, world.catalog)
    text = np.eye(len(world.catalog), dtype=np.float32)
    torch.manual_seed(0)
    out = IntentRecommender(graph, text, ModelConfig(dim=8, repeats=True), behaviours=4)
    with torch.no_grad():
        for value in out.repeat.parameters():
            value.copy_(torch.randn_like(value))
    return out.eval(), Sequences.of(world.log)


def test_what_serves_is_what_the_last_position_was_trained_with(model):
    model, histories = model
    items = model.items().vector.detach()
    queries = model.encode_histories(histories, items)
    served = model.repeat_bonus(histories, queries, items).toarray()
    assert served.shape == (len(histories), len(items))
    ((rows, batch),) = history_batches(histories, 50, 99)
    trained = model.repeat(batch, model(batch, items), items)
    for place, user in enumerate(rows.tolist()):
        want = np.zeros(len(items), np.float32)
        last = int(batch.mask[place].sum()) - 1
        if last >= 0:
            holds = trained.holds[place, last]
            want[batch.item[place, holds]] = trained.bonus[place, last, holds].detach()
            assert set(np.flatnonzero(want)) == set(histories.items_of(user).tolist())
        np.testing.assert_allclose(served[user], want, atol=1e-5)


def test_a_model_without_repeats_gives_none(model):
    _, histories = model
    world = tiny()
    text = np.eye(len(world.catalog), dtype=np.float32)
    plain = IntentRecommender(build_graph(world.log, world.catalog), text, ModelConfig(dim=8))
    assert (
        plain.repeat_bonus(histories, np.zeros((len(histories), 8), np.float32), torch.zeros(1, 8))
        is None
    )
