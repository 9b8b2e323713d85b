"""How much of the id that goes with its content a new item gets."""

import numpy as np
import pytest
import torch

from kg.build import build_graph
from kg.events import EventLog
from kg.sequences import Sequences
from kg.split import leave_one_out
from kg.testing import planted
from models.recommender import IntentRecommender, ModelConfig
from models.text import HashEncoder
from recsys.newcomers import choose_expected
from recsys.train import TrainConfig, train


@pytest.fixture(scope="module")
def trained():
    """A model whose ids know what people like, and whose content says nothing by itself: it is
    projected at random, so that only a regression on it tells where an item belongs.
    """
    world = planted(np.random.default_rng(0), users=400, items=80, signal=1.0)
    split = leave_one_out(world.log)
    torch.manual_seed(0)
    config = ModelConfig(dim=16, layers=1, dropout=0.1, text_dim=16, max_length=12, id_dropout=0.0)
    model = IntentRecommender(
        build_graph(split.train, world.catalog), HashEncoder(32).encode(world.catalog.full_texts()),
        config, behaviours=len(split.train.behaviours),
    )  # fmt: skip
    for _ in train(model, split, TrainConfig(max_epochs=12, learning_rate=5e-3)):
        pass
    with torch.no_grad():
        model.items.project.weight.normal_(std=1e-3)
        model.items.graph_gate.zero_()
    return model, split


def chosen(model, split, valid=None) -> float:
    valid = split.valid if valid is None else valid
    choose_expected(model, Sequences.of(split.train), valid, None, np.random.default_rng(0))
    return float(model.items.expect_share)


def test_where_content_tells_who_takes_an_item_much_is_expected_of_it(trained):
    model, split = trained
    assert chosen(model, split) >= 0.25
    assert model.items.expect_weight.any()


def test_where_it_does_not_nothing_is(trained):
    model, split = trained
    model.items.expect_share.fill_(1.0)  # said before, of another model
    before = model.items.delta.weight.detach().clone()
    with torch.no_grad():
        model.items.delta.weight.copy_(before[torch.randperm(len(before))])
    try:
        assert chosen(model, split) == 0
        model.items.counts[0], count = 0, model.items.counts[0].item()
        assert not model.items().id[0].any()
        model.items.counts[0] = count
    finally:
        with torch.no_grad():
            model.items.delta.weight.copy_(before)


def test_without_a_validation_part_the_share_stays(trained):
    model, split = trained
    nobody: EventLog = split.valid.take(np.zeros(len(split.valid), bool))
    model.items.expect_share.fill_(0.5)
    assert chosen(model, split, nobody) == 0.5
