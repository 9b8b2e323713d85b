"""SASRec: the contract, the signal, causality, and what its padding amounts to."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from kg.errors import UsageError
from kg.sequences import Sequences
from kg.testing import tiny
from recsys.baselines.learned.fitting import FitConfig
from recsys.baselines.learned.sasrec import SASRec, SASRecConfig, SASRecNetwork, _steps
from recsys.testing import check_recommender

SMALL = SASRecConfig(dim=16, dropout=0.1, max_length=8)


def quick(epochs: int = 3, seed: int = 0) -> FitConfig:
    return FitConfig(max_epochs=epochs, learning_rate=5e-3, batch=256, seed=seed)


@pytest.fixture(scope="module")
def network() -> SASRecNetwork:
    torch.manual_seed(0)
    out = SASRecNetwork(9, SASRecConfig(dim=8, heads=2, max_length=6)).eval()
    for parameter in out.parameters():  # zero biases would hide mistakes
        torch.nn.init.normal_(parameter, std=0.5)
    return out


def test_contract():
    log = tiny().log
    check_recommender(SASRec.fit(log, SMALL, quick()), log)


def test_contract_planted_and_beats_popularity(world):
    heard = []
    model = SASRec.fit(world.split, SMALL, quick(12), heard.append)
    check_recommender(model, world.split.train)
    assert [report.epoch for report in heard] == list(range(1, len(heard) + 1))
    assert world.ndcg(model) > 1.5 * world.popularity()


def test_same_seed_same_scores(world, assert_seeded):
    assert_seeded(lambda seed: SASRec.fit(world.split.train, SMALL, quick(2, seed)))


def test_a_later_event_changes_no_earlier_state(network):
    item = torch.tensor([[1, 2, 3, 4, 5]])
    other = torch.tensor([[1, 2, 3, 7, 8]])
    mask = torch.ones_like(item, dtype=torch.bool)
    before, after = network(item, mask), network(other, mask)
    torch.testing.assert_close(before[:, :3], after[:, :3])
    assert not torch.allclose(before[:, 3:], after[:, 3:])


def test_padding_changes_nothing(network):
    item = torch.tensor([[4, 2, 6]])
    mask = torch.ones(1, 3, dtype=torch.bool)
    padded = network(F.pad(item, (0, 3), value=8), F.pad(mask, (0, 3)))
    torch.testing.assert_close(padded[:, :3], network(item, mask))


def test_equals_left_padding_with_masked_keys(network):
    history = [4, 2, 6, 1]
    slots = network.place.num_embeddings
    pads = slots - len(history)
    codes = torch.tensor([0] * pads + history)
    real = torch.arange(slots) >= pads
    place = network.place.weight.flip(0)  # slot s is the (slots - 1 - s)-th from the end
    x = (network.item.weight[codes] * 8**0.5 + place) * real[:, None]
    seen = torch.tril(torch.ones(slots, slots)).bool() & real | torch.eye(slots).bool()
    for block in network.blocks:
        q, kv = block.query(block.norm1(x)), block.key_value(x)
        heads = []
        for h in range(2):
            part = slice(4 * h, 4 * h + 4)
            scores = q[:, part] @ kv[:, :8][:, part].T / 2
            weight = scores.masked_fill(~seen, -np.inf).softmax(-1)
            heads.append(weight @ kv[:, 8:][:, part])
        y = block.norm2(x + block.out(torch.cat(heads, 1)))
        x = (y + block.down(F.relu(block.up(y)))) * real[:, None]
    wanted = network.norm(x)[pads:]
    found = network(torch.tensor([history]), torch.ones(1, 4, dtype=torch.bool))[0]
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


def test_only_the_last_events_are_read(world):
    model = SASRec.fit(world.split.train, SMALL, quick(1))
    long = np.arange(20)
    whole, tail = (model.scores(Sequences.single(x, 48)) for x in (long, long[-8:]))
    np.testing.assert_allclose(whole, tail, rtol=1e-5, atol=1e-6)


def test_full_loss_is_cross_entropy_at_every_event(world):
    model = SASRec.untrained(world.split.train, SMALL)  # in eval mode: no dropout
    histories = model.items.encode(Sequences.of(world.split.train)).take(np.array([5]))
    (loss,) = _steps(model, histories, 99, np.random.default_rng(0))
    items = torch.from_numpy(histories.item)
    states = model.network(items[None, :-1], torch.ones(1, len(items) - 1, dtype=torch.bool))[0]
    wanted = F.cross_entropy(states @ model.network.item.weight.T, items[1:])
    torch.testing.assert_close(loss, wanted)


def test_sampled_softmax_learns_as_well(world):
    config = SMALL.model_copy(update={"negatives": 30})
    assert world.ndcg(SASRec.fit(world.split, config, quick(12))) > 1.3 * world.popularity()


def test_heads_must_divide_dim():
    with pytest.raises(UsageError, match=r"multiple of its 'heads'. Got 10 and 3 instead"):
        SASRecNetwork(5, SASRecConfig(dim=10, heads=3))
