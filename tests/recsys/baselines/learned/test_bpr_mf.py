"""BPR-MF: scores by hand, the contract, the signal."""

import numpy as np
import torch

from kg.sequences import Sequences
from kg.testing import tiny
from recsys.baselines.learned.bpr_mf import BPRMF, BPRConfig, _steps
from recsys.baselines.learned.fitting import FitConfig
from recsys.baselines.learned.pairs import Pairs
from recsys.testing import check_recommender

SMALL = BPRConfig(dim=16)


def quick(epochs: int = 3, seed: int = 0) -> FitConfig:
    return FitConfig(max_epochs=epochs, learning_rate=2e-2, batch=256, seed=seed)


def test_contract():
    log = tiny().log
    check_recommender(BPRMF.fit(log, SMALL, quick()), log)


def test_contract_planted_and_beats_popularity(world):
    model = BPRMF.fit(world.split, SMALL, quick(15))
    check_recommender(model, world.split.train)
    assert world.ndcg(model) > 1.5 * world.popularity()


def test_same_seed_same_scores(world, assert_seeded):
    assert_seeded(lambda seed: BPRMF.fit(world.split.train, SMALL, quick(2, seed)))


def test_scores_by_hand(world):
    model = BPRMF.fit(world.split.train, SMALL, quick(2))
    assert len(model.items) == 48  # every item was touched: codes are item numbers
    p, q, b = (x.detach().numpy() for x in model.network.parameters())
    scores = model.scores(Sequences.single(np.array([7, 2, 7]), 48))
    np.testing.assert_allclose(scores[0], (p[7] + p[2]) / 2**0.5 @ q.T + b, rtol=1e-4, atol=1e-5)


def test_a_target_does_not_speak_for_itself(world):
    """The loss of a history of two items has no p_i · q_i in it."""
    model = BPRMF.untrained(world.split.train, BPRConfig(dim=4, l2=0.0))
    two = Sequences.single(np.array([3, 9]), len(model.items))
    (loss,) = _steps(model, Pairs.of(two), 99, np.random.default_rng(0))
    network = model.network
    with torch.no_grad():
        (held,) = Pairs.of(two).held_out(99, np.random.default_rng(0))
        other = torch.tensor([9, 3]) if held.item[0] == 3 else torch.tensor([3, 9])
        p, q = network.source[other], network.target
        gap = (p * (q[held.item] - q[held.negative])).sum(1)
        wanted = -torch.log(torch.sigmoid(gap)).mean()
    torch.testing.assert_close(loss.detach(), wanted)
