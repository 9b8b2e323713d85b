"""Heads and feed-forward neurons that matter least, really taken out of a BERT.

Importance is |dL/dm| at a mask m of ones, the first-order estimate of what the loss would change
were the part left out, a text at a time and summed over texts: Michel et al. 2019,
arXiv:1905.10650, for heads; Hou et al. 2020, arXiv:2004.04037 (DynaBERT), for neurons as well. As
m multiplies what enters a linear layer, x, this is |Σ x · dL/dx| over the places of the text, so
no mask is ever made. Every layer keeps the same number of heads and of neurons.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn

from kg.errors import UsageError
from kg.intents.labelled import LabelledTexts
from models.intent.linear import classification_loss
from models.intent.tuned import TunedClassifier, TunedNetwork, let_learn
from models.text.narrow import layers_of, narrow

TEXTS = 1000
"""So many texts, drawn, tell what matters."""
_BATCH = 32


@dataclass(frozen=True)
class Importance:
    """heads float64 [layers, H] and neurons float64 [layers, F]: the larger, the more it matters,
    within its layer.
    """

    heads: np.ndarray
    neurons: np.ndarray


def importance(model: TunedClassifier, data: LabelledTexts) -> Importance:
    """What each head and neuron matters to the loss of these texts; the model stays as it is.

    `model` is of method "full". Raises `UsageError` for an encoder of an unknown build.
    """
    network = copy.deepcopy(model.network).eval()
    let_learn(network.encoder)
    layers = layers_of(network.encoder)
    heads = np.zeros((len(layers), layers[0].attention.self.num_attention_heads))
    neurons = np.zeros((len(layers), layers[0].output.dense.in_features))
    tokens = model.tokens(data.texts, data.over(model.labels).carries)
    order = np.argsort([len(ids) for ids in tokens.ids], kind="stable")
    for at in np.array_split(order, -(-len(order) // _BATCH)) if len(order) else ():
        with _entering(layers) as seen:
            _add_gradients(network, *tokens.batch(at), model.many)
            for number, (states, middle) in enumerate(seen):
                gain = _gain(states).unflatten(1, (heads.shape[1], -1)).sum(2)  # [B, H]
                heads[number] += gain.abs().sum(0).numpy()
                neurons[number] += _gain(middle).abs().sum(0).numpy()
        network.zero_grad()
    return Importance(heads, neurons)


def _add_gradients(
    network: TunedNetwork, ids: Tensor, mask: Tensor, target: Tensor, many: bool
) -> None:
    logits, _ = network(ids, mask)
    classification_loss(logits, target, many).sum().backward()


def _gain(states: Tensor) -> Tensor:
    """Σ over places of x · dL/dx: [B, W, F] -> [B, F]."""
    assert states.grad is not None, "only asked after the backward pass"
    return (states.detach() * states.grad).sum(1)


@contextmanager
def _entering(layers: list[Any]) -> Iterator[list[list[Tensor]]]:
    """For each layer, what enters the linear layers after attention and after the neurons."""
    seen: list[list[Tensor]] = [[] for _ in layers]

    def keep(into: list[Tensor]) -> Any:
        def hook(_: nn.Module, entering: tuple[Tensor, ...]) -> None:
            entering[0].retain_grad()
            into.append(entering[0])

        return hook

    hooks = [part.register_forward_pre_hook(keep(into)) for layer, into in
             zip(layers, seen, strict=True)
             for part in (layer.attention.output.dense, layer.output.dense)]  # fmt: skip
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def pruned(
    model: TunedClassifier, data: LabelledTexts, rng: np.random.Generator,
    *, heads: float = 0.5, forward: float = 0.5,
) -> TunedClassifier:  # fmt: skip
    """A copy that keeps these shares of each layer's heads and feed-forward neurons, at least one.

    The texts tell which; `model` is of method "full". The copy has not recovered yet: see
    `models.intent.distil.taught`. Raises `UsageError` for a share outside (0, 1].
    """
    for name, share in (("heads", heads), ("forward", forward)):
        if not 0 < share <= 1:
            raise UsageError(f"The '{name}' of pruned must be a share in (0, 1]. Got {share!r}.")
    rows = np.sort(rng.permutation(len(data))[:TEXTS])
    found = importance(model, data.take(rows))
    network = copy.deepcopy(model.network)
    narrow(network.encoder, _best(found.heads, heads), _best(found.neurons, forward))
    return TunedClassifier(
        model.labels, model.many, "full", model.folder, network.eval(), model.max_tokens
    )


def _best(value: np.ndarray, share: float) -> list[np.ndarray]:
    """The numbers of this share of each row's largest values, ascending."""
    count = max(1, round(share * value.shape[1]))
    return [np.sort(np.argsort(-row, kind="stable")[:count]) for row in value]
