"""A multi-label head over frozen intent embeddings, calibrated on users it was not fitted to."""

from __future__ import annotations

import copy

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from models.losses import multi_label


class IntentConfig(BaseModel):
    """How intents are learned."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    hidden: int = Field(128, ge=1, description="Width of the hidden layer.")
    dropout: float = Field(0.2, ge=0, lt=1)
    epochs: int = Field(60, ge=1, description="At most; stops when held-out users get worse.")
    learning_rate: float = Field(2e-3, gt=0)
    horizon: int = Field(3, ge=1, description="Events ahead whose labels are the weak label.")
    last: int = Field(8, ge=1, description="Events that are verbalised.")
    relation: str | None = Field(None, description="The fact about items that names intents.")
    level: int | None = Field(None, ge=1, description="Of paths of categories, so many parts.")


class IntentHead(nn.Module):
    """Intent embedding [n, T] -> logits [n, L]; `probabilities` are calibrated.

    p = sigmoid(a · logit + b) with a, b fitted on held-out users (Platt 1999), one pair for all
    labels, so that rare labels are not fitted to noise.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, width: int, labels: int, config: IntentConfig | None = None) -> None:
        super().__init__()
        config = config or IntentConfig()
        self.net = nn.Sequential(
            nn.Linear(width, config.hidden), nn.GELU(), nn.Dropout(config.dropout),
            nn.Linear(config.hidden, labels),
        )  # fmt: skip
        self.register_buffer("scale", torch.tensor(1.0))
        self.register_buffer("shift", torch.tensor(0.0))

    def forward(self, embedding: Tensor) -> Tensor:
        return self.net(embedding)

    @torch.inference_mode()
    def probabilities(self, embedding: np.ndarray) -> np.ndarray:
        """float32 [n, L] in (0, 1)."""
        self.eval()
        logits = self(torch.from_numpy(np.ascontiguousarray(embedding, np.float32)))
        return torch.sigmoid(self.scale * logits + self.shift).numpy()


def fit_intent_head(
    embedding: np.ndarray,
    labels: np.ndarray,
    group: np.ndarray,
    config: IntentConfig,
    rng: np.random.Generator,
) -> IntentHead:
    """A head fitted to float32 [n, T] and 0/1 labels [n, L]; `group` [n] (users) is never divided.

    A tenth of the groups is held out: for the choice of the epoch and for the calibration.
    """
    with torch.random.fork_rng(devices=[]):
        return _fit(embedding, labels, group, config, rng)


def _fit(
    embedding: np.ndarray, labels: np.ndarray, group: np.ndarray, config: IntentConfig,
    rng: np.random.Generator,
) -> IntentHead:  # fmt: skip
    groups = np.unique(group)
    held = rng.permutation(groups)[: max(1, len(groups) // 10)] if len(groups) > 1 else groups[:0]
    is_held = np.isin(group, held)
    torch.manual_seed(int(rng.integers(2**31)))
    head = IntentHead(embedding.shape[1], labels.shape[1], config)
    x, y = torch.from_numpy(embedding), torch.from_numpy(labels)
    train_x, train_y = x[~is_held], y[~is_held]
    held_x, held_y = (x[is_held], y[is_held]) if is_held.any() else (train_x, train_y)
    optimiser = torch.optim.AdamW(head.parameters(), lr=config.learning_rate, weight_decay=1e-2)
    best, state, waited = float("inf"), copy.deepcopy(head.state_dict()), 0
    for _ in range(config.epochs):
        head.train()
        for part in np.array_split(rng.permutation(len(train_x)), max(1, len(train_x) // 256)):
            loss = multi_label(head(train_x[part]), train_y[part])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        head.eval()
        with torch.inference_mode():
            now = multi_label(head(held_x), held_y).item()
        if now < best:
            best, state, waited = now, copy.deepcopy(head.state_dict()), 0
        elif (waited := waited + 1) >= 5:
            break
    head.load_state_dict(state)
    _calibrate(head, held_x, held_y)
    return head


def _calibrate(head: IntentHead, x: Tensor, y: Tensor) -> None:
    head.eval()
    with torch.no_grad():
        logits = head(x)
    scale = torch.ones((), requires_grad=True)
    shift = torch.zeros((), requires_grad=True)
    optimiser = torch.optim.LBFGS([scale, shift], max_iter=50)

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = multi_label(scale * logits + shift, y)
        loss.backward()
        return loss

    optimiser.step(closure)
    if torch.isfinite(scale) and torch.isfinite(shift) and scale > 0:
        head.scale.copy_(scale.detach())
        head.shift.copy_(shift.detach())
