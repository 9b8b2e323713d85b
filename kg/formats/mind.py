"""MIND, Microsoft's news data: behaviors.tsv, news.tsv and the entities of Wikidata in the news.

The columns stand in our survey of peers; the keys of the entities and an example of a news line
were verified in a public copy of MIND's own description (Spanish edition). From memory: the form
of a time ("11/15/2019 8:55:22 AM"), that the test part has no labels, and that every line of a
user in one file has the same history.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from kg.errors import DataError
from kg.formats.rows import bare_table, events_frame, member
from kg.formats.tables import Format, Tables, check_ids

_BEHAVIOURS = ("impression", "user_id", "time", "history", "impressions")
_NEWS = ("item_id", "category", "subcategory", "title", "text", "url", "title_entities",
         "abstract_entities")  # fmt: skip
_NOTES = (
    "The news that a user had clicked before the first impression have no times: they stand one "
    "second apart, just before it; the histories of later impressions are left out.",
    "The times have no zone: they are read as UTC.",
    "The addresses (url) of the news are left out.",
)
_VECTORS = "entity_embedding.vec", "relation_embedding.vec"


def _recognises(path: Path) -> bool:
    return (path / "behaviors.tsv").is_file() and (path / "news.tsv").is_file()


def read_mind(folder: Path, views: bool = False) -> Tables:
    """One part of MIND. `views`: what was shown and not clicked becomes events of "view"."""
    file = member(folder, "behaviors.tsv", "mind")
    frame = _timed(bare_table(file, "\t", _BEHAVIOURS), file)
    events = pl.concat([_past(frame), _shown(frame, file, views)])
    events = events.sort("seconds", maintain_order=True)
    events = events.with_columns(pl.col("seconds").cast(pl.String).alias("timestamp"))
    news_file = member(folder, "news.tsv", "mind")
    news = bare_table(news_file, "\t", _NEWS)
    check_ids(news, ("item_id",), news_file)
    triples, entities = _mentions(news, news_file)
    notes = list(_NOTES)
    if not views:
        notes.append("What was shown and not clicked (-0) is left out.")
    left = [name for name in _VECTORS if (folder / name).is_file()]
    if left:
        notes.append(f"The vectors in {' and '.join(left)} are left out: they are not of items.")
    return Tables(
        events=events_frame(events), items=_items(news), triples=triples, entities=entities,
        notes=tuple(notes),
    )  # fmt: skip


def _timed(frame: pl.DataFrame, file: Path) -> pl.DataFrame:
    """With `seconds`; `DataError` names the line of a time that cannot be read."""
    times = frame["time"].str.to_datetime("%m/%d/%Y %I:%M:%S %p", strict=False, time_unit="us")
    wrong = np.flatnonzero(times.is_null().to_numpy())
    if wrong.size:
        row = int(wrong[0])
        raise DataError(
            f"{file}, line {frame['line'][row]}: a time must look like '11/15/2019 8:55:22 AM'. "
            f"Got {frame['time'][row]!r} instead."
        )
    return frame.with_columns(times.dt.epoch("s").alias("seconds"))


def _past(frame: pl.DataFrame) -> pl.DataFrame:
    """The history of each user's first line, one second apart, ending just before its time."""
    first = frame.sort("seconds", maintain_order=True).unique(
        "user_id", keep="first", maintain_order=True
    )
    past = _exploded(first, "history")
    back = pl.len().over("user_id") - pl.int_range(pl.len()).over("user_id")
    return past.select(
        "user_id",
        pl.col("history").alias("item_id"),
        pl.lit("click").alias("behaviour"),
        pl.col("seconds") - back.cast(pl.Int64),
    )


def _shown(frame: pl.DataFrame, file: Path, views: bool) -> pl.DataFrame:
    """The clicks, and with `views` the rest of what was shown, at the time of their line."""
    shown = _exploded(frame, "impressions")
    word = shown["impressions"]
    clicked = word.str.ends_with("-1")
    wrong = np.flatnonzero(~(clicked | word.str.ends_with("-0")).to_numpy())
    if wrong.size:
        row = int(wrong[0])
        raise DataError(
            f"{file}, line {shown['line'][row]}: an impression must end in -1 (clicked) or -0. Got "
            f"{word[row]!r} instead (the test part of MIND has no clicks)."
        )
    kind = pl.when(clicked).then(pl.lit("click")).otherwise(pl.lit("view"))
    shown = shown.with_columns(kind.alias("behaviour"))
    kept = shown if views else shown.filter(clicked)
    return kept.select(
        "user_id", pl.col("impressions").str.head(-2).alias("item_id"), "behaviour", "seconds"
    )


def _exploded(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """A row for each of the words of a column."""
    lists = frame.select("user_id", "seconds", "line", pl.col(column).str.split(" "))
    words = lists.explode(column)
    return words.filter(pl.col(column) != "")  # and not null


def _items(news: pl.DataFrame) -> pl.DataFrame:
    path = pl.concat_str("category", "subcategory", separator=" > ", ignore_nulls=True)
    return news.select("item_id", "title", "text", path.replace("", None).alias("category"))


def _mentions(news: pl.DataFrame, file: Path) -> tuple[pl.DataFrame | None, pl.DataFrame | None]:
    """Triples "item mentions entity" and the entities that they need: these, and the items."""
    pairs: dict[tuple[str, str], None] = {}
    names: dict[str, str] = {}
    for column in ("title_entities", "abstract_entities"):
        for item, line, cell in news.select("item_id", "line", column).iter_rows():
            for entity, label in _listed(cell, f"{file}, line {line}: the {column}"):
                pairs[item, entity] = None
                names.setdefault(entity, label)
    if not pairs:
        return None, None
    rows = [(item, "mentions", entity) for item, entity in pairs]
    triples = pl.DataFrame(rows, schema=dict.fromkeys(("head", "relation", "tail"), pl.String),
                           orient="row")  # fmt: skip
    item = news.select(
        pl.col("item_id").alias("entity_id"), pl.lit("item").alias("type"),
        pl.col("title").alias("name"), "item_id",
    )  # fmt: skip
    known = pl.DataFrame({"entity_id": list(names), "name": list(names.values())}).select(
        "entity_id", pl.lit("entity").alias("type"), pl.col("name").replace("", None),
        pl.lit(None, pl.String).alias("item_id"),
    )  # fmt: skip
    return triples, pl.concat([item, known])


def _listed(cell: str | None, where: str) -> Iterator[tuple[str, str]]:
    """The ids and labels of a JSON list of entities; those without an id are passed over."""
    if cell is None or cell == "[]":
        return
    try:
        found = json.loads(cell)
        for one in found:
            if one.get("WikidataId"):
                yield str(one["WikidataId"]), str(one.get("Label") or "")
    except (ValueError, AttributeError, TypeError):
        raise DataError(
            f"{where} must be a JSON list of entities. Got {cell[:60]!r} instead."
        ) from None


FORMAT = Format(
    "mind",
    "MIND's behaviors.tsv and news.tsv: clicks on news that mention Wikidata's entities",
    _recognises,
    read_mind,
)
