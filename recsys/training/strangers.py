"""Learning to answer people without a history: their profile must rank what they went on to do.

Popularity is what such a profile starts from, and what it falls back to where it does not help.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from kg.events import EventLog
from kg.sequences import Sequences
from models.batch import Batch, Wanted
from models.recommender import IntentRecommender
from recsys.judging.evaluate import evaluate_queries
from recsys.metrics.significance import surely

SHARE = 0.25
"""Rows of people without a history, for each target of people with one."""


def with_strangers(
    model: IntentRecommender, batch: Batch, query: Tensor, wanted: Wanted, items: Tensor,
    prior: Tensor,
) -> tuple[Tensor, Wanted, Tensor]:  # fmt: skip
    """Queries [P, D], what is `wanted` of them, and a quarter more moments, for the people of the
    batch with a profile; the items for all.

    The query is the profile alone, the positive one of the person's items, drawn evenly; so a
    profile is trained as it will be asked, by every event of the people who have one. To their
    scores the log of the items' counts, `prior` [N], is added (as a dimension of items [N, D]), so
    that the profile has to learn only in what its people differ from everybody.
    """
    if model.people is None:
        return query, wanted, items
    alone = model.people(batch)  # [B, D]
    ask = torch.nonzero((alone != 0).any(1) & batch.has_item.any(1)).ravel()
    if len(ask) == 0:
        return query, wanted, items
    times = (SHARE * batch.target[ask].sum(1)).ceil().long().clamp(min=1)
    ask = ask.repeat_interleave(times)  # int64 [A]
    drawn = torch.multinomial(batch.has_item[ask].float(), 1).ravel()
    more = Wanted(
        len(query) + torch.arange(len(ask), device=ask.device), batch.item[ask, drawn],
        batch.behaviour[ask, drawn], query.new_ones(len(ask), dtype=torch.float32),
    )  # fmt: skip
    asked = F.pad(alone[ask], (0, 1), value=1.0)  # [A, D + 1]
    query = torch.cat([F.pad(query, (0, 1)), asked])
    return query, wanted.and_(more), torch.cat([items, prior[:, None]], 1)


TRUST = (0.0, 0.25, 0.5, 0.75, 1.0)
"""How far a profile alone may be believed."""


def choose_trust(model: IntentRecommender, histories: Sequences, valid: EventLog) -> None:
    """Set how far a profile alone is believed to what ranks the validation events best.

    People with a history are asked as if it were not known (it is masked all the same). The best
    NDCG@10 wins if it is ahead of popularity alone by two standard errors over people; else the
    profile is not believed. People of training are asked, so it is a little too good a judgement.
    """
    if model.people is None or not valid.has_item.any():
        return
    with torch.inference_mode():
        items = model.items().vector
        nobody = histories.take(np.zeros(0, np.int64))
        empty = replace(nobody, offsets=np.zeros(len(histories) + 1, np.int64), who=histories.who,
                        searches=None)  # fmt: skip
        model.people.trust.fill_(1.0)
        alone = model.encode_histories(empty, items)
    asked, vectors = model.with_prior(empty, alone, items.numpy())
    if not alone.any():
        return
    scores = []
    for trust in TRUST:
        queries = asked.copy()
        queries[:, : alone.shape[1]] *= trust
        report = evaluate_queries(queries, vectors, histories, valid, ks=(10,), batch=1024)
        scores.append(report.per_user["ndcg@10"])
    best = int(np.argmax([score.mean() for score in scores]))
    gain = scores[best] - scores[0]  # TRUST[0] is popularity alone
    model.people.trust.fill_(TRUST[best] if surely(gain) else 0.0)
