"""Steps of Adam over losses that come one by one, drawn from a generator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from kg.sequences import Sequences
from models.device import drawing
from recsys.baselines.content.base import Factors, scored

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


@dataclass(frozen=True, eq=False)
class Transformed:
    """score = f_U(w) · v_j, w the factors of a history and f_U the `user` of a network.

    items: v float32 [N, D]. Items without events and content (not `told`, bool [N]) are -inf; a
    history without a known item is scored by popularity.
    """

    factors: Factors
    network: nn.Module
    items: np.ndarray
    told: np.ndarray
    counts: np.ndarray

    @torch.inference_mode()
    def scores(self, histories: Sequences) -> np.ndarray:
        """float32 [U, N]."""
        user, empty = self.factors.users(histories)
        transform = self.network.get_submodule("user")
        asked = transform(torch.from_numpy(user / self.factors.scale)).numpy()
        return scored(asked, self.items, self.told, empty, self.counts)
