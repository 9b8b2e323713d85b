"""A trained model over other facts: the same weights, nothing learned again.

The graph network is inductive: items tell their neighbours what they are like, neighbours tell the
items. A node that training did not know starts from nothing, as people do, and says what the items
next to it are like; its name is not read. A relation that training did not know is not heard.
"""

from __future__ import annotations

import numpy as np
import torch

from kg.graph import KnowledgeGraph
from models.device import drawing
from models.features import Features
from models.recommender import IntentRecommender


def hearing(
    model: IntentRecommender, graph: KnowledgeGraph, text: np.ndarray,
    features: Features | None = None,
) -> IntentRecommender:  # fmt: skip
    """A new model that hears `graph` in the place of its own; text float32 [N, T] are the items'
    encoder vectors.

    Items are numbered as in the model's graph, other nodes are matched by type and id. The events
    of the model's graph must be in `graph` where the model listens to them. `features` are the
    model's own, but for people and searches that are not there any more; without them users are
    numbered as in the model's graph, too.
    """
    counts = model.items.counts.numpy(force=True).astype(np.int64)
    with drawing(0):
        other = IntentRecommender(
            graph, text, model.config, behaviours=model.sequence.behaviour.num_embeddings,
            intent_dim=model.intent_dim, counts=counts, whitening=model.whitening,
            features=features or model.features,
        )  # fmt: skip
    known = model.state_dict()
    with torch.no_grad():
        for name, weights in other.state_dict().items():
            if name in known and known[name].shape == weights.shape:
                weights.copy_(known[name])
            else:
                weights.zero_()  # the gate of a relation that training did not know
        for kind in other.items.node_types:
            _copy_nodes(kind, model, other)
        if features is not None:
            _copy_values(model, other)
    return other.eval()


def _copy_nodes(kind: str, model: IntentRecommender, other: IntentRecommender) -> None:
    """The trained vectors of a node type at their new numbers, zeros for new nodes."""
    table = other.items.feature(kind)
    table.zero_()
    if kind not in model.items.node_types:
        return
    at = other.graph.vocabs[kind].encode(model.graph.vocabs[kind].ids, missing="negative")
    here = np.flatnonzero(at >= 0)
    table[torch.from_numpy(at[here])] = model.items.feature(kind)[torch.from_numpy(here)]


def _copy_values(model: IntentRecommender, other: IntentRecommender) -> None:
    """The trained vectors of the values that people have, at their new numbers."""
    known, left = model.features.people, other.features.people
    if model.people is None or other.people is None or known is None or left is None:
        return
    sizes = [len(values) for _, values in known.attributes]
    starts = np.cumsum([0, *sizes])[:-1]
    rows = [np.zeros(0, np.int64)]
    for (_, old), (_, new), start in zip(known.attributes, left.attributes, starts, strict=True):
        rows.append(old.encode(new.ids) + start)
    at = torch.from_numpy(np.concatenate(rows))
    other.people.tower.value.weight.copy_(model.people.tower.value.weight[at])
