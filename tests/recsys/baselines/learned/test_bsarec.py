"""BSARec: the filter against numpy's transform, the contract, the signal."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from kg.errors import UsageError
from kg.sequences import Sequences
from kg.testing import tiny
from recsys.baselines.learned.bsarec import (
    BSARec,
    BSARecBlock,
    BSARecConfig,
    BSARecNetwork,
    _steps,
    low_pass,
    padded,
    prefixes,
)
from recsys.baselines.learned.fitting import FitConfig
from recsys.testing import check_recommender

SMALL = BSARecConfig(dim=16, dropout=0.1, max_length=8)


def quick(epochs: int = 2, seed: int = 0) -> FitConfig:
    return FitConfig(max_epochs=epochs, learning_rate=5e-3, batch=64, seed=seed)


def test_contract():
    log = tiny().log
    check_recommender(BSARec.fit(log, SMALL, quick()), log)


def test_contract_planted_and_beats_popularity(world):
    heard = []
    model = BSARec.fit(world.split, SMALL, quick(6), heard.append)
    check_recommender(model, world.split.train)
    assert heard
    assert world.ndcg(model) > 1.5 * world.popularity()


def test_same_seed_same_scores(world, assert_seeded):
    assert_seeded(lambda seed: BSARec.fit(world.split.train, SMALL, quick(1, seed)))


@pytest.mark.parametrize(("length", "cutoff"), [(50, 5), (50, 3), (9, 4), (6, 0), (1, 5)])
def test_low_pass_is_numpys_rfft(length, cutoff):
    x = np.random.default_rng(0).standard_normal((length, 7))
    spectrum = np.fft.rfft(x, axis=0, norm="ortho")
    spectrum[cutoff // 2 + 1 :] = 0
    wanted = np.fft.irfft(spectrum, n=length, axis=0, norm="ortho")
    found = low_pass(length, cutoff) @ torch.from_numpy(x).float()
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-5)


def test_a_filter_that_keeps_all_is_the_identity():
    torch.testing.assert_close(low_pass(10, 99), torch.eye(10), atol=1e-6, rtol=0)
    torch.testing.assert_close(low_pass(10, 0), torch.full((10, 10), 0.1))


def test_the_filtered_state_scales_the_rest_by_beta():
    block = BSARecBlock(BSARecConfig(dim=4, max_length=6, cutoff=3)).eval()
    x = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(1))
    spectrum = torch.fft.rfft(x, dim=1)
    spectrum[:, 2:] = 0
    low = torch.fft.irfft(spectrum, n=6, dim=1)
    wanted = low + block.root_beta.detach() ** 2 * (x - low)
    torch.testing.assert_close(block.filtered(x, slice(None)).detach(), wanted)


def test_the_last_place_alone_is_that_of_all():
    block = BSARecBlock(BSARecConfig(dim=8, heads=2, max_length=6)).eval()
    x = torch.randn(3, 6, 8, generator=torch.Generator().manual_seed(1))
    offset = torch.randn(3, 1, 6, 6, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(block(x, offset, last=True), block(x, offset)[:, -1:])


def test_attention_sees_earlier_events_and_no_padding():
    block = BSARecBlock(BSARecConfig(dim=8, max_length=5)).eval()
    network = BSARecNetwork(9, BSARecConfig(dim=8, max_length=5)).eval()
    seen = []
    network.blocks[0].forward = lambda x, offset, last: seen.append(offset) or block(x, offset)
    network(*padded(np.array([3, 4]), np.array([0]), np.array([2]), 5))
    allowed = (seen[0][0, 0] == 0).int().tolist()
    assert allowed == [[0] * 5, [0] * 5, [0] * 5, [0, 0, 0, 1, 0], [0, 0, 0, 1, 1]]


def test_padding_has_a_place_but_no_item():
    network = BSARecNetwork(9, BSARecConfig(dim=8, max_length=5)).eval()
    item, mask = padded(np.array([3, 4]), np.array([0]), np.array([2]), 5)
    other = torch.where(mask, item, 7)
    torch.testing.assert_close(network(item, mask), network(other, mask))


def test_prefixes_by_hand():
    offsets = np.array([0, 3, 3, 4, 9])
    sequences = Sequences(offsets, np.arange(9), np.zeros(9, np.int64), None, 9)
    first, target = prefixes(sequences, 3)  # of the last history, 6 7 8 are read
    assert list(zip(first.tolist(), target.tolist(), strict=True)) == [
        (0, 1), (0, 2), (6, 7), (6, 8),
    ]  # fmt: skip
    item, mask = padded(sequences.item, first, target, 3)
    assert mask.int().tolist() == [[0, 0, 1], [0, 1, 1], [0, 0, 1], [0, 1, 1]]
    assert item.tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 6], [0, 6, 7]]


def test_padded_keeps_the_last_events():
    item, mask = padded(np.arange(9), np.array([2]), np.array([9]), 4)
    assert item.tolist() == [[5, 6, 7, 8]]
    assert mask.all()


def test_loss_is_cross_entropy_at_the_last_event(world):
    model = BSARec.untrained(world.split.train, SMALL)  # in eval mode: no dropout
    histories = model.items.encode(Sequences.of(world.split.train)).take(np.array([5]))
    (loss,) = _steps(model, histories, 99, np.random.default_rng(0))
    wanted = []
    for stop in range(1, len(histories.item)):
        state = model.network(*padded(histories.item, np.array([0]), np.array([stop]), 8))
        target = torch.tensor([histories.item[stop]])
        wanted.append(F.cross_entropy(state @ model.network.item.weight.T, target))
    torch.testing.assert_close(loss, torch.stack(wanted).mean())


def test_heads_must_divide_dim():
    with pytest.raises(UsageError, match=r"multiple of its 'heads'. Got 10 and 3 instead"):
        BSARecNetwork(5, BSARecConfig(dim=10, heads=3))
