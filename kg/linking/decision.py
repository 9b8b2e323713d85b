"""Which candidates are links, and which a person must see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from kg.errors import UsageError
from kg.folders import write_text
from kg.linking.blocking import HOW, Candidates, candidates
from kg.linking.confidence import CLOSE, LEAST, MARGIN, WORTH
from kg.linking.titles import Titled
from kg.tables import BYTE_ORDER_MARK

SHOWN = 3
"""Candidates of an item that a person sees."""
COLUMNS = ("item_id", "title", "entity_id", "name", "confidence", "how")
SCHEMA = {name: pl.Float64 if name == "confidence" else pl.String for name in COLUMNS}


@dataclass(frozen=True, eq=False)
class Links:
    """What is linked, tables with the columns `COLUMNS`.

    accepted  one row per item and per entity
    review    up to `SHOWN` rows per item that is not accepted, the surest first
    none      the items of no candidate
    """

    accepted: pl.DataFrame
    review: pl.DataFrame
    none: tuple[str, ...]

    def table(self) -> pl.DataFrame:
        """entity_id, item_id, confidence, how of what is accepted, sorted."""
        kept = self.accepted.select("entity_id", "item_id", "confidence", "how")
        return kept.sort("entity_id", "item_id")

    def write_review(self, file: str | Path) -> None:
        """The table for a person, with an empty column `take` to mark; `DataError` if it cannot
        be written.
        """
        rows = self.review.with_columns(take=pl.lit(""))
        table = rows.write_csv(float_precision=4, quote_style="always")
        write_text(Path(file), BYTE_ORDER_MARK + table)

    def with_reviewed(self, taken: pl.DataFrame) -> Links:
        """With the links of `read_review`, which outweigh what was accepted: an item that loses
        its entity to them goes to review.
        """
        fresh = self.accepted.join(taken, on="item_id", how="anti")
        kept = fresh.join(taken, on="entity_id", how="anti")
        lost = fresh.join(kept, on="item_id", how="anti")
        review = pl.concat([self.review.join(taken, on="item_id", how="anti"), lost])
        told = set(taken["item_id"])
        none = tuple(item for item in self.none if item not in told)
        return replace(self, accepted=pl.concat([kept, taken]), review=review, none=none)


def link(
    items: Titled,
    entities: Titled,
    least: float = LEAST,
    *,
    margin: float = MARGIN,
    worth: float = WORTH,
    fuzzy: bool = True,
) -> Links:
    """Which entity each item is, by titles alone; see the module, `candidates` and `decide`."""
    found = candidates(items, entities, worth=worth, fuzzy=fuzzy)
    return decide(items, entities, found, least, margin=margin)


def decide(
    items: Titled, entities: Titled, found: Candidates, least: float = LEAST, *,
    margin: float = MARGIN,
) -> Links:  # fmt: skip
    """What is accepted of the candidates.

    That is the best one of an item if its confidence is at least `least` and it is exact or
    `margin` ahead of the second; not if other items claim its entity, unless it alone is exact.
    Raises `UsageError` unless 0 < least <= 1 and 0 <= margin <= 1.
    """
    if not (0 < least <= 1 and 0 <= margin <= 1):
        raise UsageError(
            f"Linking needs 0 < least <= 1 and 0 <= margin <= 1. Got {least:g} and {margin:g}."
        )
    found, place = found.ranked()
    sure = (place == 0) & (found.confidence >= least - CLOSE)
    exact = found.how == HOW.index("exact")
    sure &= exact | (found.confidence - _second(found, place) >= margin - CLOSE)
    claims = np.bincount(found.entity[sure], minlength=len(entities))
    sure &= exact | (claims[found.entity] == 1)
    open_ = ~np.isin(found.item, found.item[sure]) & (place < SHOWN)
    none = np.setdiff1d(np.arange(len(items)), found.item)
    accepted, review = (_frame(items, entities, found.where(kept)) for kept in (sure, open_))
    return Links(accepted, review, tuple(items.ids[i] for i in none))


def _second(found: Candidates, place: np.ndarray) -> np.ndarray:
    """float64 [P]: of a ranked table, the confidence that comes next in the same item, or 0."""
    follows = np.append(place[1:] > 0, False)
    return np.where(follows, np.append(found.confidence[1:], 0.0), 0.0)


def _frame(items: Titled, entities: Titled, found: Candidates) -> pl.DataFrame:
    mine, theirs = found.item.tolist(), found.entity.tolist()
    columns = (
        [items.ids[i] for i in mine], [items.titles[i] for i in mine],
        [entities.ids[e] for e in theirs], [entities.titles[e] for e in theirs],
        found.confidence, [HOW[code] for code in found.how],
    )  # fmt: skip
    return pl.DataFrame(dict(zip(COLUMNS, columns, strict=True)), schema=SCHEMA)
