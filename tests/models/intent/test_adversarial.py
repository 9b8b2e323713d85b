"""The three attacks on a tiny random BERT: norms, padding, gradients; weights are not touched."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from kg.errors import UsageError
from models.intent import adversarial as module
from models.intent.adversarial import fgm, free_lb, norms, pgd


class Batch:
    """Random texts of different lengths, labels, and a small BERT that classifies them."""

    def __init__(self, seed: int, dropout: float = 0.0) -> None:
        from transformers import BertConfig, BertModel

        torch.manual_seed(seed)
        config = BertConfig(
            vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=32, max_position_embeddings=16, hidden_dropout_prob=dropout,
        )  # fmt: skip
        self.bert, self.head = BertModel(config, add_pooling_layer=False), torch.nn.Linear(16, 3)
        self.bert.eval()
        self.ids = torch.randint(5, 50, (6, 9))
        self.mask = torch.arange(9) < torch.tensor([[9], [7], [5], [4], [2], [1]])  # [B, T]
        self.labels = torch.randint(3, (6,))
        self.embedding = self.bert.get_input_embeddings()

    def loss(self) -> torch.Tensor:
        hidden = self.bert(input_ids=self.ids, attention_mask=self.mask.long()).last_hidden_state
        weight = self.mask[:, :, None].float()
        return F.cross_entropy(self.head((hidden * weight).sum(1) / weight.sum(1)), self.labels)

    def gradients(self) -> dict[str, torch.Tensor]:
        found = {name: p.grad.clone() for name, p in self.bert.named_parameters()}
        self.bert.zero_grad()
        return found


@pytest.fixture(autouse=True)
def own_randomness():
    with torch.random.fork_rng(devices=[]):
        yield


def attacks(batch: Batch):
    rng = np.random.default_rng(0)
    return {
        "fgm": lambda: fgm(batch.embedding, batch.loss, batch.mask, 0.05),
        "pgd": lambda: pgd(batch.embedding, batch.loss, batch.mask, 0.05, 0.02),
        "free_lb": lambda: free_lb(batch.embedding, batch.loss, batch.mask, rng, 0.05, 0.02, 3),
    }


@pytest.fixture
def deltas(monkeypatch) -> list[torch.Tensor]:
    """The changes under which gradients were learned."""
    seen: list[torch.Tensor] = []
    original = module._learned

    def spy(embedding, loss, delta, *weight):
        seen.append(delta.detach().clone())
        return original(embedding, loss, delta, *weight)

    monkeypatch.setattr(module, "_learned", spy)
    return seen


def test_fgm_changes_each_text_by_epsilon_and_no_padding(deltas) -> None:
    batch = Batch(0)
    fgm(batch.embedding, batch.loss, batch.mask, 0.05)
    torch.testing.assert_close(norms(deltas[0]).flatten(), torch.full((6,), 0.05))
    assert not deltas[0][~batch.mask].any()


def test_pgd_and_free_lb_stay_in_the_ball(deltas) -> None:
    batch = Batch(1)
    pgd(batch.embedding, batch.loss, batch.mask, 0.05, 0.04, 3)
    free_lb(batch.embedding, batch.loss, batch.mask, np.random.default_rng(0), 0.05, 0.04, 3, 0.02)
    assert len(deltas) == 1 + 3
    for delta in deltas:
        assert (norms(delta) <= 0.05 * 1.0001).all()
        assert not delta[~batch.mask].any()
    torch.testing.assert_close(norms(deltas[1]).flatten(), torch.full((6,), 0.02))
    pgd(batch.embedding, batch.loss, batch.mask, 9.0, 0.04, 1)  # one step, far from the rim
    torch.testing.assert_close(norms(deltas[-1]).flatten(), torch.full((6,), 0.04))


@pytest.mark.parametrize("name", ["fgm", "pgd", "free_lb"])
def test_the_loss_rises_on_most_batches(name: str) -> None:
    gains = []
    for seed in range(8):
        batch = Batch(seed)
        gains.append(attacks(batch)[name]().item() - batch.loss().item())
    assert sum(gain > 0 for gain in gains) >= 7


@pytest.mark.parametrize("name", ["fgm", "pgd", "free_lb"])
def test_weights_stay_gradients_are_added_and_differ_and_no_hook_remains(name: str) -> None:
    batch = Batch(2)
    before = {key: value.clone() for key, value in batch.bert.state_dict().items()}
    batch.loss().backward()
    clean = batch.gradients()
    attacks(batch)[name]()
    hostile = batch.gradients()
    assert any(not torch.allclose(clean[key], hostile[key], atol=1e-6) for key in clean)
    batch.loss().backward()
    attacks(batch)[name]()
    for key, both in batch.gradients().items():
        torch.testing.assert_close(both, clean[key] + hostile[key], atol=1e-5, rtol=1e-4)
    assert all(torch.equal(before[key], value) for key, value in batch.bert.state_dict().items())
    assert not batch.embedding._forward_hooks


def test_no_step_is_the_clean_gradient() -> None:
    batch = Batch(3)
    batch.loss().backward()
    clean = batch.gradients()
    for attack in (
        lambda: fgm(batch.embedding, batch.loss, batch.mask, 0.0),
        lambda: free_lb(batch.embedding, batch.loss, batch.mask, np.random.default_rng(0), 0.0),
    ):
        attack()
        for key, found in batch.gradients().items():
            torch.testing.assert_close(found, clean[key], atol=1e-6, rtol=1e-4)


def test_frozen_embeddings_can_be_attacked() -> None:
    batch = Batch(4)
    batch.embedding.weight.requires_grad_(False)
    assert fgm(batch.embedding, batch.loss, batch.mask, 0.05) > batch.loss()
    assert batch.embedding.weight.grad is None


def test_misuse_is_named_and_leaves_no_hook() -> None:
    batch = Batch(5)
    with pytest.raises(UsageError, match=r"'mask' of an attack must be \[B, T\] = \[6, 9\]"):
        fgm(batch.embedding, batch.loss, batch.mask[:1])
    with pytest.raises(UsageError, match="'steps' of an attack must be an int >= 1"):
        pgd(batch.embedding, batch.loss, batch.mask, steps=0)
    assert not batch.embedding._forward_hooks
