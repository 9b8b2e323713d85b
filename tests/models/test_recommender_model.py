"""The assembled model: intent through a gate, queries of histories, counts."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from kg.building.build import build_graph
from kg.sequences import Sequences
from kg.testing import tiny
from models.batch import history_batches
from models.recommender import IntentRecommender, ModelConfig, item_counts
from models.text import HashEncoder


@pytest.fixture
def parts():
    torch.manual_seed(0)
    world = tiny()
    graph = build_graph(world.log, world.catalog, triples=world.triples)
    text = HashEncoder(16).encode(world.catalog.full_texts())
    kinds = len(world.log.behaviours)
    model = IntentRecommender(graph, text, ModelConfig(dim=8), behaviours=kinds, intent_dim=5)
    return model.eval(), Sequences.of(world.log), world.log


def test_intent_has_no_influence_while_the_gate_is_shut(parts):
    model, histories, _ = parts
    assert model.gates()["intent"] == 0
    ((_, batch),) = history_batches(histories, 10, 10)
    told = replace(batch, intent=torch.randn(len(histories), 5))
    items = model.items().vector
    assert torch.equal(model(batch, items), model(told, items))


def test_the_shut_gate_still_learns(parts):
    model, histories, _ = parts
    ((_, batch),) = history_batches(histories, 10, 10)
    told = replace(batch, intent=torch.randn(len(histories), 5))
    query = model(told, model.items().vector)
    (query * torch.randn_like(query)).sum().backward()
    assert model.intent_gate.grad.abs() > 1e-4


def test_an_open_gate_is_heard_from_known_from_on_only(parts):
    model, histories, _ = parts
    with torch.no_grad():
        model.intent_gate.fill_(1.0)
    ((_, batch),) = history_batches(histories, 10, 10)
    known = torch.tensor([0, 1, 2, 10**9, -4, 1])
    told = replace(batch, intent=torch.randn(6, 5), known_from=known)
    items = model.items().vector
    moved = (model(told, items) - model(batch, items)).abs().amax(-1) > 1e-6
    place = torch.arange(moved.shape[1])
    assert torch.equal(moved, place >= known[:, None])
    always = model(replace(told, known_from=None), items) - model(batch, items)
    assert (always.abs().amax(-1) > 1e-6).all()


def test_encode_histories_reads_the_last_event_and_keeps_order(parts):
    model, histories, _ = parts
    items = model.items().vector.detach()
    queries = model.encode_histories(histories, items)
    for user in range(len(histories)):
        alone = model.encode_histories(histories.take(np.array([user])), items)
        np.testing.assert_allclose(alone[0], queries[user], atol=1e-5)
    ((rows, batch),) = history_batches(histories, 10, 10)
    hidden = model(batch, items).detach()
    longest = int(batch.mask.sum(1).argmax())
    last = int(batch.mask[longest].sum()) - 1
    np.testing.assert_allclose(queries[rows[longest]], hidden[longest, last], atol=1e-6)
    empty = Sequences.single(np.zeros(0, np.int64), len(items))
    assert not model.encode_histories(empty, items).any()


def test_encode_histories_gives_each_row_its_own_intent(parts):
    model, histories, _ = parts
    with torch.no_grad():
        model.intent_gate.fill_(1.0)
    items = model.items().vector.detach()
    intent = np.zeros((6, 5), np.float32)
    base = model.encode_histories(histories, items, intent)
    intent[1] = 3.0
    moved = np.abs(model.encode_histories(histories, items, intent) - base).max(1) > 1e-5
    assert moved.tolist() == [False, True, False, False, False, False]


def test_counts_come_from_the_graph_and_the_cold_item_is_untrained(parts):
    model, _, log = parts
    assert model.trained_items.tolist() == (log.item_counts() > 0).tolist()
    assert not model.trained_items[5]
    assert item_counts(model.graph.facts()).tolist() == [0] * 8


def test_heads_must_divide_dim():
    with pytest.raises(ValueError, match="heads"):
        ModelConfig(dim=8, heads=3)
