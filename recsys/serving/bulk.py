"""What many people get, and what they want, as frames."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from recsys.hits import Hits
from recsys.intent.wants import language_of, probabilities_of_users
from recsys.serving.answers import FewerItems, first_intents

if TYPE_CHECKING:
    from recsys.recommender import Recommender

WANTS = {"user_id": pl.String, "intent": pl.String, "probability": pl.Float64,
         "usual": pl.Float64, "stage": pl.String, "rank": pl.Int64}  # fmt: skip
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


def intents_frame(
    rec: Recommender, rows: np.ndarray, k: int, language: str | None, by: str
) -> pl.DataFrame:  # fmt: skip
    """The first k intents and the stage of the users `rows` int64 [U] of the log."""
    spoken, told = language_of(rec, language), []
    if rec.intent is not None and rec.intent.head is not None:
        names, usual = rec.intent.names(spoken), rec.intent.head.usual.numpy()
        for user, p in zip(
            rec.log.users.decode(rows), probabilities_of_users(rec, rows), strict=True
        ):
            if np.isnan(p).any():
                continue
            stage = rec.stage(user)
            told += [
                (user, one.name, one.probability, one.usual, stage, rank)
                for rank, one in enumerate(first_intents(names, p, usual, k, by), 1)
            ]
    return pl.DataFrame(told, WANTS, orient="row")


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
