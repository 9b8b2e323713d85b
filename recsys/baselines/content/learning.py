"""Steps of Adam over losses that come one by one, drawn from a generator."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from models.device import drawing

Losses = Iterator[Tensor]


def learn(
    network: nn.Module, losses: Losses, rng: np.random.Generator, *, steps: int, rate: float,
    decay: float = 0.0,
) -> None:  # fmt: skip
    """Descend the first `steps` of the losses; `rate` falls in a line to a tenth of itself."""
    optimiser = torch.optim.AdamW(network.parameters(), rate, weight_decay=decay)
    line = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.1, max(steps, 1))
    network.train()
    with drawing(int(rng.integers(2**31))):
        for _, loss in zip(range(steps), losses, strict=False):
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            line.step()
    network.eval()


def unit_scale(content: np.ndarray, told: np.ndarray) -> np.ndarray:
    """The content with rows of mean square 1 on average, where there is any: what networks like."""
    size = float(np.sqrt(np.square(content[told]).mean()))
    return np.asarray(content / max(size, 1e-12), np.float32)
