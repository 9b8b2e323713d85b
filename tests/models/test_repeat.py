"""Repeats: what had been met, how often and when, by hand; serving as in training."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from kg.building.build import build_graph
from kg.sequences import Sequences
from kg.testing import tiny
from models.recommender import IntentRecommender, ModelConfig
from models.repeat import PAUSE, Met, Past, RepeatBonus, doubling


def one_history(items, time=None):
    items = np.array(items)
    kinds = np.zeros(len(items), np.int64)
    times = None if time is None else np.array(time)
    return Sequences(np.array([0, len(items)]), items, kinds, times, 9)


def test_doubling():
    values = torch.tensor([0, 0.9, 1, 2, 3, 4, 7.9, 8, 1e9])
    assert doubling(values, 5).tolist() == [0, 0, 1, 2, 2, 3, 3, 4, 4]


def told(met: Met) -> list[tuple]:
    """(row, item, count, [(visits ago, hours)]) of each pair."""
    out = []
    for g, (row, item, count) in enumerate(zip(met.row, met.item, met.count, strict=True)):
        of = met.group == g
        visits = zip(met.ago[of].tolist(), met.hours[of].tolist(), strict=True)
        out.append((int(row), int(item), int(count), sorted(visits)))
    return out


def test_what_had_been_met_by_hand():
    hour = 3600
    day = 24 * hour
    items, time = [5, 7, 5, 5, 2, 7], [0, 0, day, day + 60, 2 * day, 2 * day]
    past = Past(one_history(items, time))
    met = past.until(np.array([3, 0, 5, -1]))
    assert told(met) == [
        (0, 5, 2, [(0, pytest.approx(1 / 60)), (1, pytest.approx(24 + 1 / 60))]),  # once a visit
        (0, 7, 1, [(1, pytest.approx(24 + 1 / 60))]),
        (1, 5, 1, [(0, 0)]),  # later events are not known yet
        (2, 2, 1, [(0, 0)]),
        (2, 5, 2, [(1, 24), (2, 48)]),
        (2, 7, 2, [(0, 0), (2, 48)]),
    ]


def test_without_times_every_event_is_a_visit():
    met = Past(one_history([5, 7, 5])).until(np.array([2]))
    assert met.hours.isnan().all()
    assert met.ago.tolist() == [2, 0, 1]
    assert met.item.tolist() == [5, 7]


@given(st.lists(st.lists(st.integers(0, 3), max_size=7), min_size=1, max_size=4), st.data())
def test_what_had_been_met_against_a_slow_loop(rows, data):
    item = np.array([i for row in rows for i in row], np.int64)
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    gaps = data.draw(st.lists(st.sampled_from([0, 9 * 3600]), min_size=len(item),
                              max_size=len(item)))  # fmt: skip
    time = np.cumsum(np.array(gaps, np.int64))
    histories = Sequences(offsets, item, np.zeros(len(item), np.int64), time, 4)
    visit = histories.visits(PAUSE)
    want = []
    for event in range(len(item)):
        begin = int(offsets[histories.row[event]])
        for i in sorted(set(item[begin : event + 1].tolist())):
            in_visits = {visit[e] for e in range(begin, event + 1) if item[e] == i}
            want.append((event, i, len(in_visits), sorted(visit[event] - v for v in in_visits)))
    met = Past(histories).until(np.arange(len(item)))
    found = [(r, i, c, [ago for ago, _ in v]) for r, i, c, v in told(met)]
    assert found == want


def test_the_bonus_by_hand():
    hour = 3600
    past = Past(one_history([5, 7, 5, 2], [0, 0, 9 * hour, 9 * hour]))
    repeat = RepeatBonus(2)
    with torch.no_grad():
        for part in (repeat.count, repeat.visits, repeat.elapsed, repeat.rest):
            part.copy_(torch.randn_like(part))
        repeat.person.weight.copy_(torch.tensor([[2.0, -1.0]]))
        repeat.item.weight.copy_(torch.tensor([[0.5, 3.0], [-1.0, 0.2]]))
    query, items = torch.randn(2, 2), torch.randn(9, 2)
    found = repeat(past.until(np.array([3, 0])), query, items)
    assert found.row.tolist() == [0, 0, 0, 1]
    assert found.item.tolist() == [2, 5, 7, 5]
    one = query[0]
    anyway = items @ one + 10 * repeat.rest + 0.5 * items[:, 0] + 3 * items[:, 1]
    habit = 2 * one[0] - one[1] - items[:, 0] + 0.2 * items[:, 1]
    now, before = repeat.visits[0] + repeat.elapsed[1], repeat.visits[2] + repeat.elapsed[5]
    both = torch.logsumexp(10 * torch.stack([now, before]), 0)
    excited = torch.stack([
        10 * (repeat.count[0] + now),
        10 * repeat.count[1] + both,  # twice
        10 * (repeat.count[0] + before),  # a visit and nine hours ago
    ])  # fmt: skip
    own = torch.tensor([2, 5, 7])
    want = torch.logaddexp(anyway[own], excited + habit[own])
    torch.testing.assert_close(found.bonus[:3] + items[own] @ one, want)


def test_after_many_visits_what_the_vectors_say_no_longer_counts():
    repeat, items = RepeatBonus(2), torch.tensor([[3.0, 0.0], [-3.0, 0.0]])
    with torch.no_grad():
        repeat.rest.fill_(-0.5)
    query = torch.tensor([[1.0, 0.0]])
    spread = []
    for visits in (1, 3000):
        met = Past(one_history([0, 1] * visits)).until(np.array([2 * visits - 1]))
        with torch.no_grad():
            found = repeat(met, query, items)
        score = (items @ query[0])[found.item] + found.bonus
        spread.append(float(score[0] - score[1]))
    assert spread[0] > 0.1 > spread[1] > 0


def test_whole_histories_count_however_few_events_are_read():
    histories = one_history([5] * 40 + [7] * 10)
    met = Past(histories).until(np.array([49]))
    assert dict(zip(met.item.tolist(), met.count.tolist(), strict=True)) == {5: 40, 7: 10}


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
    met = Past(histories).until(histories.offsets[1:] - 1)
    trained = model.repeat(met, torch.from_numpy(queries), items)
    want = np.zeros_like(served)
    want[trained.row, trained.item] = trained.bonus.detach()
    np.testing.assert_allclose(served, want, atol=1e-5)
    assert set(served[0].nonzero()[0]) == set(histories.items_of(0).tolist())


def test_a_model_without_repeats_gives_none(model):
    _, histories = model
    world = tiny()
    text = np.eye(len(world.catalog), dtype=np.float32)
    plain = IntentRecommender(build_graph(world.log, world.catalog), text, ModelConfig(dim=8))
    assert (
        plain.repeat_bonus(histories, np.zeros((len(histories), 8), np.float32), torch.zeros(1, 8))
        is None
    )
