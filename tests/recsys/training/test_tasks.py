"""Behaviours that count more or less, and what a query learns beside the next item."""

import numpy as np
import pytest
import torch

from kg.building.build import build_graph
from kg.catalog import Catalog
from kg.clean import clean
from kg.errors import UsageError
from kg.events import EventLog
from kg.schema import behaviour_named
from kg.sequences import Sequences
from kg.split import leave_one_out
from kg.testing import planted
from models.batch import training_batches
from models.losses import full_softmax, sampled_softmax
from models.recommender import IntentRecommender, ModelConfig
from recsys.training.config import RunConfig
from recsys.training.settings import TrainConfig
from recsys.training.tasks import Tasks, behaviour_weights
from recsys.training.train import train

KINDS = [behaviour_named(name) for name in ("cart", "purchase", "view")]


def config(max_epochs=10, **settings):
    return TrainConfig(max_epochs=max_epochs, learning_rate=5e-3, **settings)


def trained(log, catalog, settings, hold_out=True, graph=True):
    split = leave_one_out(log, valid=hold_out, test=False)
    torch.manual_seed(0)
    text = np.zeros((len(catalog), 2), np.float32)
    model = IntentRecommender(
        build_graph(split.train, catalog), text,
        ModelConfig(dim=16, layers=1, dropout=0.1, max_length=12), behaviours=len(log.behaviours),
    )  # fmt: skip
    if not graph:
        model.items.graph_gate.requires_grad_(False).zero_()
    for _ in train(model, split, settings):
        pass
    return model, split


def queries_and_batch(model, split):
    (batch,) = training_batches(Sequences.of(split.train), 12, 10**6, np.random.default_rng(0))
    with torch.inference_mode():
        hidden = model(batch, model.items().vector)
    return hidden[batch.target], batch


# ---- weights of behaviours ---------------------------------------------------------------


def test_weights_by_strength_and_by_name():
    assert behaviour_weights(KINDS, TrainConfig()) is None
    assert behaviour_weights(KINDS, TrainConfig(behaviour_power=1)).tolist() == [2.5, 3, 1]
    some = behaviour_weights(KINDS, TrainConfig(behaviour_power=2, behaviour_weights={"view": 0}))
    assert some.tolist() == [6.25, 9, 0]
    with pytest.raises(UsageError, match="Got 'buy' instead"):
        behaviour_weights(KINDS, TrainConfig(behaviour_weights={"buy": 2}))
    search = (*KINDS, behaviour_named("search"))
    none = dict.fromkeys([kind.name for kind in KINDS], 0)
    with pytest.raises(UsageError, match="must be above 0, and not that of searches"):
        behaviour_weights(search, TrainConfig(behaviour_weights=none))
    with pytest.raises(UsageError, match="above 0"):
        behaviour_weights(KINDS[:1], TrainConfig(behaviour_weights={"cart": 0}))


def test_weights_from_a_file(tmp_path):
    file = tmp_path / "run.toml"
    file.write_text("[train]\nnext_behaviour = 0.1\n[train.behaviour_weights]\npurchase = 3\n")
    assert RunConfig.read(file).train.behaviour_weights == {"purchase": 3}
    file.write_text("[train.behaviour_weights]\npurchase = -1\n")
    with pytest.raises(UsageError, match="purchase"):
        RunConfig.read(file)


def test_a_target_of_weight_zero_is_as_if_it_were_not_there():
    query, items = torch.randn(6, 4), torch.randn(9, 4)
    positive, negative = torch.tensor([0, 1, 2, 3, 4, 5]), torch.tensor([6, 7, 8])
    weight = torch.tensor([0.0, 2, 0, 2, 2, 0])
    keep = weight > 0
    allowed = torch.ones(9, dtype=torch.bool)
    torch.testing.assert_close(
        full_softmax(query, items, positive, allowed, weight=weight),
        full_softmax(query[keep], items, positive[keep], allowed),
    )
    torch.testing.assert_close(
        sampled_softmax(query, items, positive, negative, 9, weight=weight),
        sampled_softmax(query[keep], items, positive[keep], negative, 9),
    )


@pytest.mark.parametrize("loss", ["full", "sampled"])
def test_what_counts_is_recommended(loss):
    """Each user looks at items of the first half and buys of the second."""
    rng = np.random.default_rng(0)
    catalog = Catalog.of([f"i{n:02d}" for n in range(20)])
    bought = rng.random((60, 10)) < 0.5
    item = np.where(bought, 10, 0) + rng.integers(0, 10, (60, 10))
    log = EventLog.of(
        np.repeat([f"u{n:02d}" for n in range(60)], 10).tolist(),
        [f"i{n:02d}" for n in item.ravel()],
        behaviour=np.where(bought, "purchase", "view").ravel().tolist(),
    )  # fmt: skip
    log = clean(log, catalog.ids)[0]
    mass = {}
    for name, other in (("purchase", "view"), ("view", "purchase")):
        settings = config(behaviour_weights={name: 1, other: 0.05}, loss=loss, negatives=30)
        model, split = trained(log, catalog, settings, hold_out=False)
        query, _ = queries_and_batch(model, split)
        with torch.inference_mode():
            score = (query @ model.items().vector.T).softmax(1)
        mass[name] = score[:, 10:].sum(1).mean().item()
    assert mass["purchase"] > 0.7
    assert mass["view"] < 0.3


# ---- other tasks -------------------------------------------------------------------------


def test_the_next_behaviour_is_learned_where_it_is_asked_for():
    """After a view comes a purchase, after a purchase a view."""
    rng = np.random.default_rng(0)
    catalog = Catalog.of([f"i{n:02d}" for n in range(20)])
    kinds = ["view", "purchase"] * 5
    log = EventLog.of(
        np.repeat([f"u{n:02d}" for n in range(60)], 10).tolist(),
        [f"i{n:02d}" for n in rng.integers(0, 20, 600)], behaviour=kinds * 60,
    )  # fmt: skip
    log = clean(log, catalog.ids)[0]
    right = {}
    for weight in (0.0, 1.0):
        model, split = trained(log, catalog, config(40, next_behaviour=weight), hold_out=False)
        query, batch = queries_and_batch(model, split)
        logits = query @ model.sequence.behaviour.weight.detach().T
        right[weight] = (logits.argmax(1) == batch.wanted.behaviour).float().mean().item()
    assert right[1.0] > 0.95
    assert right[0.0] < 0.8


def test_the_next_intent_is_learned_where_it_is_asked_for():
    """The graph is shut: what the nodes of categories learn comes from this task alone."""
    world = planted(np.random.default_rng(0), users=120)
    kind = torch.from_numpy(world.catalog.attribute("category").value)
    surprise = {}
    for weight in (0.0, 1.0):
        settings = config(30, next_intent=weight)
        model, split = trained(world.log, world.catalog, settings, False, graph=False)
        query, batch = queries_and_batch(model, split)
        logits = query @ model.items.feature("category").detach().T
        want = kind[batch.wanted.item]
        surprise[weight] = torch.nn.functional.cross_entropy(logits, want).item()
    assert surprise[1.0] < 1.2
    assert surprise[0.0] > 1.6  # chance is log 6 = 1.79


def test_off_they_add_nothing_and_a_graph_without_intents_has_none():
    world = planted(np.random.default_rng(0), users=20)
    model, split = trained(world.log, world.catalog, TrainConfig(max_epochs=1))
    _, batch = queries_and_batch(model, split)
    hidden = model(batch, model.items().vector)
    kinds = split.train.behaviours
    assert Tasks(model, kinds, TrainConfig()).loss(batch, hidden) == 0
    both = Tasks(model, kinds, TrainConfig(next_intent=1, next_behaviour=1)).loss(batch, hidden)
    assert both > 0.5
    bare = Catalog.of(world.catalog.ids.ids)
    model, split = trained(world.log, bare, TrainConfig(max_epochs=1, next_intent=1))
    assert Tasks(model, kinds, TrainConfig(next_intent=1)).loss(batch, hidden) == 0
