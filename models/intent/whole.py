"""Any classifier that reads by BERT as one network that can be made smaller: a copy that answers
the same, its new weights merged into the encoder.
"""

from __future__ import annotations

import copy
import math

import numpy as np
import torch

from kg.errors import UsageError
from models.intent.adapters import merged
from models.intent.contract import TextClassifier
from models.intent.frozen import FrozenClassifier
from models.intent.int8 import Int8Classifier
from models.intent.settings import TextTraining
from models.intent.tuned import TunedClassifier, TunedNetwork
from models.text import BertEncoder
from models.text.folder import load_model

NEEDS = "full, lora, adalora, ia3, or frozen with a BERT"


def whole(model: TextClassifier, method: str) -> TunedClassifier:
    """A copy of method "full"; `UsageError` where no encoder can be had from the classifier.

    `method` is what the message calls it.
    """
    if isinstance(model, FrozenClassifier):
        reader = getattr(model.encoder, "inner", model.encoder)  # behind one that loads it late
        if isinstance(reader, BertEncoder):
            return _of_frozen(model, reader)
    if isinstance(model, TunedClassifier) and not isinstance(model, Int8Classifier):
        network = copy.deepcopy(model.network)
        network.encoder = merged(network.encoder)
        return TunedClassifier(
            model.labels, model.many, "full", model.folder, network.eval(), model.max_tokens
        )
    raise UsageError(f"What is compressed must be of method {NEEDS}. Got {method!r}.")


def _of_frozen(model: FrozenClassifier, reader: BertEncoder) -> TunedClassifier:
    """Its regression as the last layer of a network."""
    config = TextTraining(max_tokens=reader.max_tokens)
    network = TunedNetwork(load_model(reader.folder), len(model.labels), config, reader.pooling)
    _set_head(network, model.mean, model.spread, model.weight, model.bias)
    return TunedClassifier(
        model.labels, model.many, "full", reader.folder, network.eval(), reader.max_tokens
    )


def _set_head(
    network: TunedNetwork, mean: np.ndarray, spread: np.ndarray, weight: np.ndarray,
    bias: np.ndarray,
) -> None:  # fmt: skip
    """W ((v - mean) / spread) + b of a vector v of length 1 as the last layer, which reads
    u = sqrt(D) v: W' = W / (spread sqrt(D)), b' = b - (W / spread) mean.
    """
    scaled = weight / spread
    with torch.no_grad():
        network.last.weight.copy_(torch.from_numpy(scaled / math.sqrt(len(mean))))
        network.last.bias.copy_(torch.from_numpy(bias - scaled @ mean))
