"""Learning to answer people without a history: their profile must rank what they went on to do."""

from __future__ import annotations

import torch
from torch import Tensor

from models.batch import Batch
from models.recommender import IntentRecommender

Rows = tuple[Tensor, Tensor, Tensor, tuple[Tensor, ...] | None]
"""Queries [P, D], positives and their behaviours int64 [P], and what the loss knows of repeats,
each [P, L].
"""


def with_strangers(model: IntentRecommender, batch: Batch, rows: Rows) -> Rows:
    """`rows` and one more for each person of the batch with a profile.

    Its query is the profile alone, its positive one of the person's items, drawn evenly; so a
    profile is trained as it will be asked, by every event of the people who have one.
    """
    if model.people is None:
        return rows
    query, positive, kind, repeats = rows
    alone = model.people(batch)  # [B, D]
    ask = torch.nonzero((alone != 0).any(1) & batch.has_item.any(1)).ravel()
    if len(ask) == 0:
        return rows
    drawn = torch.multinomial(batch.has_item[ask].float(), 1).ravel()
    if repeats is not None:
        own, *rest = repeats  # nothing was met before: no item (-1)
        none = own.new_full((len(ask), own.shape[1]), -1)
        zero = [x.new_zeros((len(ask), x.shape[1])) for x in rest]
        repeats = tuple(torch.cat(pair) for pair in zip(repeats, (none, *zero), strict=True))
    positive = torch.cat([positive, batch.item[ask, drawn]])
    kind = torch.cat([kind, batch.behaviour[ask, drawn]])
    return torch.cat([query, alone[ask]]), positive, kind, repeats
