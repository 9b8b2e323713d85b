"""What a query must tell beside the next item: which behaviour comes, and which named intent.

Both heads are tied to what the model has (the embeddings of behaviours, and of the nodes that name
intents), so that they add no weight; each is off at weight 0. Here too: how much the targets of
each behaviour count.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from kg.errors import UsageError, suggest
from kg.graph import KnowledgeGraph
from kg.intents.labels import intent_labels
from kg.schema import Behaviour
from models.batch import Batch, Wanted
from models.losses import mean
from models.recommender import IntentRecommender

if TYPE_CHECKING:
    from recsys.training.settings import TrainConfig


class Tasks:
    """The weights of targets, and the losses beside that of the next item."""

    def __init__(
        self, model: IntentRecommender, behaviours: Sequence[Behaviour], config: TrainConfig
    ) -> None:
        self.model, self.config = model, config
        self._weight = behaviour_weights(behaviours, config)
        self._nodes = _intent_nodes(model.graph) if config.next_intent else None

    def weight(self, wanted: Wanted) -> Tensor:
        """float32 [K], how much each wanted item counts: its share, by its behaviour."""
        share = wanted.share
        if self._weight is None:
            return share
        return share * self._weight.to(share.device)[wanted.behaviour]

    def loss(self, batch: Batch, hidden: Tensor) -> Tensor:
        """a · CE(next behaviour) + b · CE(next intent), means over what is wanted after the events
        of hidden [B, L, D].

        The logits of a behaviour are q · e of its embedding in the sequence, those of an intent
        q · x of its node; of an item with several intents one is drawn evenly.
        """
        wanted, out = batch.wanted, hidden.new_zeros(())
        if self.config.next_behaviour == 0 and self._nodes is None:
            return out
        query = hidden[batch.target][wanted.row]  # [K, D]
        if self.config.next_behaviour:
            logits = (query @ self.model.sequence.behaviour.weight.T).float()  # [K, kinds]
            found = F.cross_entropy(logits, wanted.behaviour, reduction="none")
            out = out + self.config.next_behaviour * mean(found, wanted.share)
        if self._nodes is not None:
            kind, *nodes = self._nodes
            start, node = (part.to(query.device) for part in nodes)
            count = start[wanted.item + 1] - start[wanted.item]
            has = count > 0
            if has.any():
                some = torch.rand(len(count), device=count.device)
                drawn = start[wanted.item] + (some * count).long()
                logits = (query[has] @ self.model.items.feature(kind).T).float()  # [K, nodes]
                found = F.cross_entropy(logits, node[drawn[has]], reduction="none")
                out = out + self.config.next_intent * mean(found, wanted.share[has])
        return out


def behaviour_weights(behaviours: Sequence[Behaviour], config: TrainConfig) -> Tensor | None:
    """float32 [kinds]: strength ** `behaviour_power`, or what `behaviour_weights` says by name.

    None where all are 1. `UsageError` for a name that no event of the training part has.
    """
    names = [behaviour.name for behaviour in behaviours]
    for name in config.behaviour_weights:
        if name not in names:
            raise UsageError(
                f"The 'behaviour_weights' of TrainConfig must name behaviours of the log "
                f"({', '.join(names)}). Got {name!r} instead.{suggest(name, names)}"
            )
    found = np.array(
        [config.behaviour_weights.get(b.name, b.weight**config.behaviour_power)
         for b in behaviours], np.float32,
    )  # fmt: skip
    of_items = np.array([b.name != "search" for b in behaviours], bool)  # no target is a search
    if of_items.any() and not (found[of_items] > 0).any():
        raise UsageError(
            "At least one of the 'behaviour_weights' of TrainConfig must be above 0, and not that "
            "of searches."
        )
    return None if (found == 1).all() else torch.from_numpy(found)


def _intent_nodes(graph: KnowledgeGraph) -> tuple[str, Tensor, Tensor] | None:
    """The node type that names intents, and the nodes of each item: node[start[i]:start[i + 1]].

    None where the graph has none.
    """
    relation = intent_labels(graph.facts(), min_items=1).relation
    if relation is None:
        return None
    item, node = graph.edges[relation]  # int64 [2, E]
    order = np.lexsort((node, item))
    counts = np.bincount(item, minlength=len(graph.vocabs["item"]))
    start = np.concatenate([[0], np.cumsum(counts)])
    return relation[2], torch.from_numpy(start), torch.from_numpy(node[order])
