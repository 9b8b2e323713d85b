"""LightGCN: propagation and fold-in against dense matrices, the contract, the signal."""

import numpy as np
import pytest
import torch

from kg.sequences import Sequences
from kg.testing import tiny
from recsys.baselines.learned.fitting import FitConfig
from recsys.baselines.learned.lightgcn import LightGCN, LightGCNConfig
from recsys.testing import check_recommender

SMALL = LightGCNConfig(dim=16)


def quick(epochs: int = 3, seed: int = 0) -> FitConfig:
    return FitConfig(max_epochs=epochs, learning_rate=2e-2, batch=256, seed=seed)


def dense(model: LightGCN, log) -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    """Layers of users and items, by the matrix [U + M, U + M] of the paper."""
    touched = torch.from_numpy(Sequences.of(log).matrix()[:, model.items.known].toarray())
    users = len(touched)
    whole = torch.zeros(sum(touched.shape), sum(touched.shape))
    whole[:users, users:], whole[users:, :users] = touched, touched.T
    scale = whole.sum(1).clamp(min=1) ** -0.5
    x = torch.cat([model.network.user, model.network.item])
    layers = [x]
    for _ in range(model.config.layers):
        layers.append(scale[:, None] * whole * scale @ layers[-1])
    return [x[:users] for x in layers], [x[users:] for x in layers]


@pytest.mark.parametrize("loss", ["bpr", "softmax"])
def test_contract(loss):
    log = tiny().log
    config = SMALL.model_copy(update={"loss": loss, "negatives": 4})
    check_recommender(LightGCN.fit(log, config, quick()), log)


@pytest.mark.parametrize("change", [{}, {"user_vectors": False}, {"loss": "softmax"}])
def test_contract_planted_and_beats_popularity(world, change):
    config = SMALL.model_copy(update={"negatives": 30, **change})
    model = LightGCN.fit(world.split, config, quick(15))
    check_recommender(model, world.split.train)
    assert world.ndcg(model) > 1.5 * world.popularity()


def test_same_seed_same_scores(world, assert_seeded):
    assert_seeded(lambda seed: LightGCN.fit(world.split.train, SMALL, quick(2, seed)))


def test_propagation_and_its_gradient_are_the_dense_ones(world):
    log = world.split.train
    model = LightGCN.untrained(log, SMALL)
    found, wanted = model.network(), dense(model, log)
    for sparse_layers, dense_layers in zip(found, wanted, strict=True):
        assert len(sparse_layers) == 4
        for a, b in zip(sparse_layers, dense_layers, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)
    parameters = [model.network.user, model.network.item]
    weight = torch.randn(parameters[0].shape, generator=torch.Generator().manual_seed(0))
    grads = [
        torch.autograd.grad((torch.stack(users).mean(0) * weight).sum(), parameters)
        for users, _ in (found, wanted)
    ]
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("user_vectors", [True, False])
def test_fold_in_is_the_trained_user_less_its_own_vector(world, user_vectors):
    log = world.split.train
    model = LightGCN.fit(log, SMALL.model_copy(update={"user_vectors": user_vectors}), quick(2))
    with torch.no_grad():
        users, items = dense(model, log)
        told = (torch.stack(users).sum(0) - model.network.user) / 4
        wanted = (told @ torch.stack(items).mean(0).T).numpy()
    scores = model.scores(Sequences.of(log))[:, model.items.known]
    np.testing.assert_allclose(scores, wanted, rtol=1e-3, atol=1e-5)
    assert user_vectors or not model.network.user.any()


def test_repeated_events_say_no_more_than_one(world):
    model = LightGCN.fit(world.split.train, SMALL, quick(1))
    once, thrice = (model.scores(Sequences.single(np.array(x), 48)) for x in ([3, 5], [3, 5, 3, 3]))
    np.testing.assert_allclose(once, thrice, rtol=1e-5)
