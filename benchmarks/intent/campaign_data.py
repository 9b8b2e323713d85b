"""Campaigns, who was exposed to them, and what was known of each household the day before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path

import numpy as np
import polars as pl

from kg.tables import read_table

DAY = 86_400
RECENT = 56 * DAY
SMOOTH = 20  # rows of the mean over all types that stand beside those of a type
COLUMNS = {"intent": (0, 1), "frequency": (2,), "popularity": (3,), "habit": (4,)}
"""Which columns of `Rows.x` belong to a part."""


@dataclass(frozen=True)
class World:
    """Lines [n] of purchases by household, category and basket; campaigns [C]; rows [R] of who was
    exposed to which, and whether they redeemed; redemptions [D]. Times in seconds.
    """

    line_user: np.ndarray
    line_category: np.ndarray
    line_basket: np.ndarray
    line_time: np.ndarray
    start: np.ndarray
    end: np.ndarray
    kind: np.ndarray
    covers: np.ndarray  # float [C, K]: the share of a campaign's products in each category
    user: np.ndarray
    campaign: np.ndarray
    redeemed: np.ndarray  # bool [R]
    redemption_user: np.ndarray
    redemption_time: np.ndarray
    households: list[str]
    campaigns: list[str]
    categories: list[tuple[str, str]]  # English and Chinese


@dataclass(frozen=True)
class Rows:
    """What is known of each row: x float [R, 5] in the order of `COLUMNS`; the category in which
    purchases and campaign agree most, int [R], -1 for none; its share of the purchases, float [R].
    """

    x: np.ndarray
    matched: np.ndarray
    share: np.ndarray


def read(data: Path) -> World:
    """The files of complete-journey."""
    lines, items, shown, used, entities, triples = (
        read_table(data / f"{name}.csv.gz")
        for name in ("interactions", "items", "campaign_exposures", "coupon_redemptions",
                     "entities", "triples")
    )  # fmt: skip
    shown = shown.unique(["user_id", "campaign_id"], maintain_order=True)
    events = shown.unique("campaign_id", maintain_order=True)
    households = sorted({*lines["user_id"], *shown["user_id"], *used["user_id"]}, key=int)
    campaigns = events["campaign_id"].to_list()
    names = items.select("product_category", "category_zh").fill_null("").unique().sort(pl.all())
    categories = names.unique("product_category", keep="last", maintain_order=True)
    of_item = dict(zip(items["item_id"], items["product_category"].fill_null(""), strict=True))
    line_category = _codes(categories["product_category"].to_list(),
                           lines["item_id"].replace_strict(of_item))  # fmt: skip
    redeemed = set(used.select("user_id", "campaign_id").iter_rows())
    return World(
        _codes(households, lines["user_id"]), line_category,
        lines["basket_id"].cast(pl.Int64).to_numpy(), lines["timestamp"].cast(pl.Int64).to_numpy(),
        seconds(events["start_date"]), seconds(events["end_date"]) + DAY,
        events["campaign_type"].to_numpy(),
        _covers(campaigns, categories["product_category"].to_list(), of_item, entities, triples),
        _codes(households, shown["user_id"]), _codes(campaigns, shown["campaign_id"]),
        np.array([row in redeemed for row in shown.select("user_id", "campaign_id").iter_rows()]),
        _codes(households, used["user_id"]), seconds(used["redemption_date"]),
        households, campaigns, list(categories.iter_rows()),
    )  # fmt: skip


def _covers(
    campaigns: list[str], categories: list[str], of_item: dict[str, str], entities: pl.DataFrame,
    triples: pl.DataFrame,
) -> np.ndarray:  # fmt: skip
    """float [C, K] from coupon–covers–item and coupon–part_of–campaign."""
    of = {relation: triples.filter(pl.col("relation") == relation).select("head", "tail")
          for relation in ("covers", "part_of")}  # fmt: skip
    both = of["part_of"].join(of["covers"], on="head", suffix="_item")
    pairs = both.select("tail", "tail_item").unique(maintain_order=True)
    name = dict(zip(entities["entity_id"], entities["name"], strict=True))
    item = dict(zip(entities["entity_id"], entities["item_id"], strict=True))
    out = np.zeros((len(campaigns), len(categories)))
    row = {campaign: number for number, campaign in enumerate(campaigns)}
    column = {category: number for number, category in enumerate(categories)}
    for campaign, product in pairs.iter_rows():
        if name[campaign] in row:
            out[row[name[campaign]], column[of_item[item[product]]]] += 1
    return out / np.maximum(out.sum(axis=1, keepdims=True), 1)


def shares(world: World, now: float, half_life: float) -> np.ndarray:
    """float [U, K]: of what each household bought before `now`, how much was of each category.

    A line counts 2^(-age / half-life); a household without a line has a row of zeros.
    """
    known = world.line_time < now
    weight = 0.5 ** ((now - world.line_time[known]) / (half_life * DAY))
    size = (len(world.households), len(world.categories))
    at = world.line_user[known] * size[1] + world.line_category[known]
    total = np.bincount(at, weight, size[0] * size[1]).reshape(size)
    return total / np.maximum(total.sum(axis=1, keepdims=True), 1e-12)


def rows_of(world: World, half_life: float) -> Rows:
    """Each row as it was known when its campaign began."""
    count = len(world.user)
    x, matched, share = np.zeros((count, 5)), np.full(count, -1), np.zeros(count)
    for campaign, now in enumerate(world.start.tolist()):
        rows = np.flatnonzero(world.campaign == campaign)
        user, cover = world.user[rows], world.covers[campaign]
        own = shares(world, now, half_life)[user]  # [r, K]
        agree = own * cover
        length = np.linalg.norm(own, axis=1) * np.linalg.norm(cover)
        x[rows, 0] = agree.sum(axis=1) / np.maximum(length, 1e-12)
        x[rows, 1] = own @ (cover > 0)
        x[rows, 2] = np.log1p(_baskets(world, now)[user])
        x[rows, 3] = _popularity(world, campaign)
        before = world.redemption_user[world.redemption_time < now]
        x[rows, 4] = np.log1p(np.bincount(before, minlength=len(world.households))[user])
        best = agree.argmax(axis=1)
        matched[rows] = np.where(agree.max(axis=1) > 0, best, -1)
        share[rows] = own[np.arange(len(rows)), best]
    return Rows(x, matched, share)


def _baskets(world: World, now: float) -> np.ndarray:
    recent = (world.line_time < now) & (world.line_time >= now - RECENT)
    pairs = np.unique(np.stack([world.line_user[recent], world.line_basket[recent]]), axis=1)
    return np.bincount(pairs[0], minlength=len(world.households))


def _popularity(world: World, campaign: int) -> float:
    ended = world.end[world.campaign] <= world.start[campaign]
    if not ended.any():
        return 0.0
    same = ended & (world.kind[world.campaign] == world.kind[campaign])
    overall = world.redeemed[ended].mean()
    return float((world.redeemed[same].sum() + SMOOTH * overall) / (same.sum() + SMOOTH))


def _codes(names: list[str], column: pl.Series) -> np.ndarray:
    """int64: the number of each cell among the names."""
    number = {name: at for at, name in enumerate(names)}
    return column.replace_strict(number, return_dtype=pl.Int64).to_numpy()


def seconds(column: pl.Series) -> np.ndarray:
    """float64: epoch seconds of dates, at midnight UTC."""
    days = [datetime.combine(date.fromisoformat(day), time(), UTC) for day in column.to_list()]
    return np.array([day.timestamp() for day in days])
