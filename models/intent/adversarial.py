"""Training against the worst small change of the word embeddings: adversarial regularisation.

A change δ [B, T, D] is added to the output of the embedding module while the loss is computed, so
weights are never touched. Each function takes `loss`, which runs the model on one batch and returns
its loss, and adds gradients to the parameters as `loss().backward()` would:

    loss_fn().backward()                                              # the clean gradients
    fgm(model.get_input_embeddings(), loss_fn, mask, epsilon=0.5)     # and the adversarial ones
    optimiser.step()

The mask, bool [B, T], is True at real tokens: padding is not changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from kg.errors import UsageError

Loss = Callable[[], Tensor]


def fgm(embedding: nn.Embedding, loss: Loss, mask: Tensor, epsilon: float = 1.0) -> Tensor:
    """Adds the gradients at δ = ε g / |g|, g = ∂loss/∂δ at 0, one norm a text; returns that loss.

    Fast gradient method (Miyato et al. 2017, arXiv:1605.07725). The clean gradients are yours.
    """
    delta = _zero(embedding, mask)
    slope = _slope(embedding, loss, delta)
    return _learned(embedding, loss, _stepped(delta, slope, mask, epsilon, epsilon))


def pgd(
    embedding: nn.Embedding, loss: Loss, mask: Tensor, epsilon: float = 1.0, step: float = 0.3,
    steps: int = 3,
) -> Tensor:  # fmt: skip
    """As `fgm` at the δ of several steps: δ ← Π_{|δ| ≤ ε}(δ + α g / |g|), α = `step`.

    Projected gradient descent (Madry et al. 2018, arXiv:1706.06083), in the L2 norm of a text.
    """
    _check_steps(steps)
    delta = _zero(embedding, mask)
    for _ in range(steps):
        delta = _stepped(delta, _slope(embedding, loss, delta), mask, step, epsilon)
    return _learned(embedding, loss, delta)


def free_lb(
    embedding: nn.Embedding, loss: Loss, mask: Tensor, rng: np.random.Generator,
    epsilon: float = 1.0, step: float = 0.3, steps: int = 3, start: float = 0.1,
) -> Tensor:  # fmt: skip
    """Adds the mean gradient over the steps of `pgd` from a random δ; returns the mean loss.

    FreeLB (Zhu et al. 2020, arXiv:1909.11764): each backward pass gives the slope of δ and, free of
    charge, gradients of the parameters; it stands for the clean pass too. `start` is the norm of
    the first δ of each text, drawn evenly in direction.
    """
    _check_steps(steps)
    delta = _zero(embedding, mask)
    noise = torch.from_numpy(rng.standard_normal(tuple(delta.shape))).to(delta)
    delta = _stepped(delta, noise, mask, start, epsilon)
    total = delta.new_zeros(())
    for _ in range(steps):
        total += _learned(embedding, loss, delta.requires_grad_(), 1 / steps) / steps
        slope = torch.zeros_like(delta) if delta.grad is None else delta.grad
        delta = _stepped(delta.detach(), slope, mask, step, epsilon)
    return total


@contextmanager
def perturbed(embedding: nn.Embedding, delta: Tensor) -> Iterator[None]:
    """Inside, the output of `embedding` is its own plus δ [B, T, D]."""

    def added(module: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> Tensor:
        if out.shape != delta.shape:
            raise UsageError(
                f"The 'mask' of an attack must be [B, T] = {list(out.shape[:2])}, as the batch "
                f"of 'loss'. Got {list(delta.shape[:2])} instead."
            )
        return out + delta

    handle = embedding.register_forward_hook(added)
    try:
        yield
    finally:
        handle.remove()


def norms(delta: Tensor) -> Tensor:
    """The length of the whole change of each text, [B, 1, 1] of [B, T, D]."""
    return delta.flatten(1).norm(dim=1)[:, None, None]


def _stepped(delta: Tensor, slope: Tensor, mask: Tensor, step: float, epsilon: float) -> Tensor:
    """Π_{|δ| ≤ ε}(δ + step · g / |g|) for each text, 0 on padding and where g is 0."""
    slope = slope * mask[:, :, None]
    tiny = torch.finfo(slope.dtype).tiny
    delta = delta + step * slope / norms(slope).clamp(min=tiny)
    return delta * (epsilon / norms(delta).clamp(min=tiny)).clamp(max=1)


def _zero(embedding: nn.Embedding, mask: Tensor) -> Tensor:
    """δ = 0 [B, T, D]."""
    return embedding.weight.new_zeros((*mask.shape, embedding.weight.shape[1]))


def _slope(embedding: nn.Embedding, loss: Loss, delta: Tensor) -> Tensor:
    """∂loss/∂δ [B, T, D]; the gradients of the parameters are left alone."""
    delta = delta.detach().requires_grad_()
    with perturbed(embedding, delta):
        value = loss()
    return torch.autograd.grad(value, delta)[0]


def _learned(embedding: nn.Embedding, loss: Loss, delta: Tensor, weight: float = 1.0) -> Tensor:
    """The loss under δ, after its gradients times `weight` were added."""
    with perturbed(embedding, delta):
        value = loss()
    (value * weight).backward()
    return value.detach()


def _check_steps(steps: int) -> None:
    if steps < 1:
        raise UsageError(f"The 'steps' of an attack must be an int >= 1. Got {steps} instead.")
