"""Dropout: the rate, the expectation, and independence of its elements."""

import pytest
import torch

from models.dropout import STEPS, Dropout, dropout


@pytest.mark.parametrize("rate", [0.1, 0.4, 0.9])
def test_the_share_of_zeros_and_the_mean(rate):
    torch.manual_seed(0)
    out = dropout(torch.ones(1000, 501), rate)  # not a multiple of eight bytes
    real = round(rate * STEPS) / STEPS
    assert (out == 0).float().mean().item() == pytest.approx(real, abs=0.003)
    assert out.mean().item() == pytest.approx(1.0, abs=0.02)
    assert out.unique().tolist() == pytest.approx([0.0, 1 / (1 - real)])


def test_every_element_is_drawn_by_itself():
    torch.manual_seed(0)
    kept = (dropout(torch.ones(20_000, 16), 0.5) > 0).double()
    pairs = torch.corrcoef(kept.T) - torch.eye(16, dtype=torch.float64)
    assert pairs.abs().max().item() < 0.04  # 0.04 is more than five standard errors


def test_the_gradient_is_that_of_the_kept_elements():
    x = torch.randn(40, 3, requires_grad=True)
    torch.manual_seed(1)
    out = dropout(x, 0.5)
    out.sum().backward()
    assert torch.equal(x.grad == 0, out == 0)
    assert x.grad[out != 0].unique().tolist() == [2.0]


def test_off_in_eval_and_at_rate_zero():
    x = torch.randn(5, 4)
    assert torch.equal(Dropout(0.5).eval()(x), x)
    assert torch.equal(Dropout(0.0).train()(x), x)
    assert not torch.equal(Dropout(0.5).train()(x), x)


def test_the_same_seed_gives_the_same_mask():
    def drawn(seed):
        torch.manual_seed(seed)
        return dropout(torch.ones(100), 0.5)

    assert torch.equal(drawn(3), drawn(3))
    assert not torch.equal(drawn(3), drawn(4))
