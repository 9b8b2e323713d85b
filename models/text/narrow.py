"""Encoders with fewer heads, neurons or layers than they were built with, on disk and in memory.

Neurons and layers are numbers that config.json has of its own. Heads that keep their width are
not: "kept_heads" stands there for how many each layer keeps, `models.text.folder.load_model` reads
it, and other tools refuse such a folder for its shapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from kg.errors import UsageError
from models.text.folder import KEPT

FAMILIES = ("bert", "camembert", "electra", "ernie", "roberta", "xlm-roberta")
"""Families of encoders whose layers are built alike."""


def layers_of(encoder: Any) -> list[Any]:
    """The encoder's layers; `UsageError` for a family that is built otherwise."""
    kind = encoder.config.model_type
    if kind not in FAMILIES:
        raise UsageError(
            f"An encoder that is made smaller must be one of {', '.join(FAMILIES)}. Got {kind!r}."
        )
    return list(encoder.encoder.layer)


def keep_layers(encoder: Any, at: Sequence[int]) -> None:
    """Leave only these layers, in this order, in place."""
    layers = layers_of(encoder)
    encoder.encoder.layer = nn.ModuleList([layers[number] for number in at])
    encoder.config.num_hidden_layers = len(at)


def narrow(encoder: Any, heads: Sequence[np.ndarray], neurons: Sequence[np.ndarray]) -> None:
    """Leave only these heads and feed-forward neurons of each layer, in place.

    One array of numbers a layer, those of heads all of one length and those of neurons as well.
    """
    for layer, some, others in zip(layers_of(encoder), heads, neurons, strict=True):
        _narrow_attention(layer.attention, some)
        layer.intermediate.dense = _taken(layer.intermediate.dense, others, 0)
        layer.output.dense = _taken(layer.output.dense, others, 1)
    config = encoder.config
    config.intermediate_size = len(neurons[0])
    if len(heads[0]) != getattr(config, KEPT, config.num_attention_heads):
        setattr(config, KEPT, len(heads[0]))


def _narrow_attention(attention: Any, heads: np.ndarray) -> None:
    inner = attention.self
    size = inner.attention_head_size
    at = (heads[:, None] * size + np.arange(size)).ravel()
    for name in ("query", "key", "value"):
        setattr(inner, name, _taken(getattr(inner, name), at, 0))
    attention.output.dense = _taken(attention.output.dense, at, 1)
    inner.num_attention_heads, inner.all_head_size = len(heads), len(at)


def _taken(layer: Any, at: np.ndarray, side: int) -> nn.Linear:
    """The layer with only these outputs (side 0) or inputs (side 1)."""
    index = torch.from_numpy(at)
    weight = layer.weight.detach().index_select(side, index)
    made = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    bias = layer.bias.detach()
    made.weight = nn.Parameter(weight)
    made.bias = nn.Parameter(bias.index_select(0, index) if side == 0 else bias.clone())
    return made


def bare_model(folder: Path) -> Any:
    """A network of the size that config.json tells, its weights at random; torch's generator is
    left as it was.
    """
    from transformers import AutoConfig, AutoModel

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    with torch.random.fork_rng(devices=[]):
        model = AutoModel.from_config(config, dtype=torch.float32)
    kept = getattr(config, KEPT, None)
    if kept is not None:
        count = config.num_hidden_layers
        neurons = np.arange(config.intermediate_size)
        narrow(model, [np.arange(kept)] * count, [neurons] * count)
    return model
