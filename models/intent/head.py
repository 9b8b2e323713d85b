"""A multi-label head over frozen intent embeddings, calibrated on users it was not fitted to."""

from __future__ import annotations

import copy

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional as F

from models.intent.calibrate import calibrated
from models.losses import multi_label


class IntentConfig(BaseModel):
    """How intents are learned."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    hidden: int = Field(128, ge=1, description="Width of the hidden layer.")
    dropout: float = Field(0.2, ge=0, lt=1)
    epochs: int = Field(60, ge=1, description="At most; stops when held-out users get worse.")
    learning_rate: float = Field(2e-3, gt=0)
    horizon: int = Field(3, ge=1, description="Events ahead whose labels are the weak label.")
    histories: bool = Field(
        True,
        description="Whether the encoder reads histories; else queries hear nothing of them, and "
        "named intents come from the labels of what was met.",
    )
    last: int = Field(8, ge=1, description="Events that are verbalised.")
    relation: str | None = Field(None, description="The fact about items that names intents.")
    level: int | None = Field(None, ge=1, description="Of paths of categories, so many parts.")


class IntentHead(nn.Module):
    """Intent embedding [n, T] and recent labels [n, R, L] -> logits [n, L].

    z = net([√T · embedding, recent]) + Σ_r w_r ⊙ recent_r: what was read, and for each label how
    much of it there was lately (`kg.intents.recent`). `probabilities` are calibrated: sigmoid(a z +
    b), a and b fitted on held-out users (Platt 1999), one pair for all labels, so that rare labels
    are not fitted to noise. `usual` [L] is how often each label came next in what it was fitted to.
    """

    scale: Tensor
    shift: Tensor
    usual: Tensor

    def __init__(
        self, width: int, labels: int, config: IntentConfig | None = None, recent: int = 0
    ) -> None:
        """`recent` is R, 0 for a head that hears of no labels."""
        super().__init__()
        config = config or IntentConfig()
        self.held_loss = float("inf")  # of the fit, on what it held out
        self.own = nn.Parameter(torch.zeros(recent, labels))
        self.net = nn.Sequential(
            nn.Linear(width + recent * labels, config.hidden), nn.GELU(),
            nn.Dropout(config.dropout), nn.Linear(config.hidden, labels),
        )  # fmt: skip
        self.register_buffer("scale", torch.tensor(1.0))
        self.register_buffer("shift", torch.tensor(0.0))
        self.register_buffer("usual", torch.zeros(labels))

    def forward(self, embedding: Tensor, recent: Tensor) -> Tensor:
        """An embedding without a width, [n, 0], is that of no text."""
        return self._read(embedding, recent.flatten(1)) + (self.own * recent).sum(1)

    def _read(self, embedding: Tensor, recent: Tensor) -> Tensor:
        if embedding.shape[1]:
            return self.net(torch.cat([embedding * embedding.shape[1] ** 0.5, recent], 1))
        first = self.net[0]
        assert isinstance(first, nn.Linear)
        weight = first.weight[:, first.in_features - recent.shape[1] :]  # zeros add nothing
        return self.net[1:](F.linear(recent, weight, first.bias))

    @torch.inference_mode()
    def probabilities(self, embedding: np.ndarray, recent: np.ndarray | None = None) -> np.ndarray:
        """float32 [n, L] in (0, 1); `recent` is needed by a head that hears of it."""
        self.eval()
        logits = self(*_inputs(embedding, recent, self.own.shape[1]))
        return torch.sigmoid(self.scale * logits + self.shift).numpy()


def _inputs(embedding: np.ndarray, recent: np.ndarray | None, labels: int) -> tuple[Tensor, Tensor]:
    if recent is None:
        recent = np.zeros((len(embedding), 0, labels), np.float32)
    told = (np.ascontiguousarray(part, np.float32) for part in (embedding, recent))
    one, other = (torch.from_numpy(part) for part in told)
    return one, other


def fit_intent_head(
    embedding: np.ndarray,
    labels: np.ndarray,
    group: np.ndarray,
    config: IntentConfig,
    rng: np.random.Generator,
    recent: np.ndarray | None = None,
    asked: np.ndarray | None = None,
) -> IntentHead:
    """A head fitted to float32 [n, T], recent labels [n, R, L] and 0/1 labels [n, L]; `group` [n]
    (users) is never divided.

    A tenth of the groups is held out: for the choice of the epoch and for the calibration, for
    which of them the rows `asked` bool [n] count (None: all), that are like what will be asked.
    Where no row has a text (all 0), a text says nothing to the head either.
    """
    asked = np.ones(len(labels), bool) if asked is None else asked
    told = _inputs(embedding, recent, labels.shape[1])
    with torch.random.fork_rng(devices=[]):
        return _fit(told, labels, group, config, rng, asked)


def held_groups(group: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """bool [n]: the rows of a tenth of the groups, drawn; of none where there is only one."""
    groups = np.unique(group)
    count = max(1, len(groups) // 10) if len(groups) > 1 else 0
    return np.isin(group, rng.permutation(groups)[:count])


def _fit(
    told: tuple[Tensor, Tensor], labels: np.ndarray, group: np.ndarray, config: IntentConfig,
    rng: np.random.Generator, asked: np.ndarray,
) -> IntentHead:  # fmt: skip
    is_held = held_groups(group, rng)
    torch.manual_seed(int(rng.integers(2**31)))
    width, recent = told[0].shape[1], told[1].shape[1]
    head = IntentHead(width, labels.shape[1], config, recent)
    if silent := not told[0].any():
        told = told[0][:, :0], told[1]
    y = torch.from_numpy(labels)
    fitted, held, kept = (
        torch.from_numpy(np.flatnonzero(rows)) for rows in (~is_held, is_held, is_held & asked)
    )
    held = held if len(held) else fitted
    kept = kept if len(kept) else held
    optimiser = torch.optim.AdamW(head.parameters(), lr=config.learning_rate, weight_decay=1e-2)
    best, state, waited = float("inf"), copy.deepcopy(head.state_dict()), 0
    for _ in range(config.epochs):
        head.train()
        for part in np.array_split(rng.permutation(len(fitted)), max(1, len(fitted) // 256)):
            rows = fitted[part]
            loss = multi_label(head(told[0][rows], told[1][rows]), y[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        head.eval()
        with torch.inference_mode():
            now = multi_label(head(told[0][held], told[1][held]), y[held]).item()
        if now < best:
            best, state, waited = now, copy.deepcopy(head.state_dict()), 0
        elif (waited := waited + 1) >= 5:
            break
    head.load_state_dict(state)
    head.eval()
    if silent:
        with torch.no_grad():
            head.net.get_submodule("0").get_parameter("weight")[:, :width] = 0
    with torch.inference_mode():
        logits = head(told[0][kept], told[1][kept])
    head.held_loss = multi_label(logits, y[kept]).item()
    found = calibrated(logits.numpy(), y[kept].numpy() > 0, many=True)
    head.scale.fill_(found.scale)
    head.shift.fill_(found.shift)
    head.usual.copy_(y[torch.from_numpy(asked)].float().mean(0))
    return head
