"""The lists of many people as frames: user_id, item_id, score, rank."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from recsys.hits import Hits
from recsys.serving.answers import FewerItems

if TYPE_CHECKING:
    from recsys.recommender import Recommender

KINDS = {"user_id": pl.String, "item_id": pl.String, "score": pl.Float32, "rank": pl.Int64}


def frame_of(rec: Recommender, rows: np.ndarray, hits: Hits) -> pl.DataFrame:
    """What was found for the users `rows` int64 [U] of the log."""
    row, place = np.nonzero(hits.index >= 0)
    ids = rec.items.ids
    return pl.DataFrame(
        {
            "user_id": rec.log.users.decode(rows[row]),
            "item_id": [ids[code] for code in hits.index[row, place].tolist()],
            "score": hits.score[row, place],
            "rank": place + 1,
        },
        KINDS,
    )


def in_turn(
    rec: Recommender, rows: np.ndarray, k: int, filter_seen: bool | None, wishes: Mapping[str, Any]
) -> pl.DataFrame:
    """The same by a call of `recommend` for each. That a list is short is seen in it, so that no
    warning tells of it.
    """
    told: list[tuple[str, str, float, int]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FewerItems)
        for user in rec.log.users.decode(rows):
            found = rec.recommend(user, k=k, filter_seen=filter_seen, **wishes)
            told += [(user, one.item, one.score, rank) for rank, one in enumerate(found, 1)]
    return pl.DataFrame(told, KINDS, orient="row")
