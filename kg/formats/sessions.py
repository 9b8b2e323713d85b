"""Two logs of shops: RetailRocket (views, carts, purchases) and Diginetica (with searches).

Verified in public code and data descriptions that quote the files: every header below, the names
of RetailRocket's events and its milliseconds, Diginetica's ';' and 'NA' and that each of its lines
of purchases has its own itemId. From memory: that Diginetica's timeframe is the milliseconds since
the session began (one repository says so, too; its numbers only order a session).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from kg.errors import DataError
from kg.formats.rows import events_frame, headed_table, header_of, member
from kg.formats.tables import Format, Tables, check_ids
from kg.tables import numbers, place, read_table

# RetailRocket

_EVENTS = ("timestamp", "visitorid", "event", "itemid")
_BEHAVIOURS = {"view": "view", "addtocart": "cart", "transaction": "purchase"}
_PROPERTIES = ("timestamp", "itemid", "property", "value")
_RETAIL_NOTES = (
    "An item's category is the first by time of its categoryid: a later one could be a trace of "
    "what happened. The other properties (available, which changes, and hashed ones) are left out.",
    "Categories are numbers in the source: they are written c1016, so that they are no quantities.",
    "The transaction ids are left out.",
)


def _is_retailrocket(path: Path) -> bool:
    return path.is_dir() and header_of(path / "events.csv") >= set(_EVENTS)


def _read_retailrocket(folder: Path) -> Tables:
    events = _visits(member(folder, "events.csv", "retailrocket"))
    files = sorted(folder.glob("item_properties*.csv"))
    if not files:
        note = "There is no item_properties_part1.csv, so nothing is known of the items."
        return Tables(events=events, notes=(note, *_RETAIL_NOTES[2:]))
    known = _first_categories(files)
    tree, notes = folder / "category_tree.csv", list(_RETAIL_NOTES)
    if not tree.is_file():
        notes.append("There is no category_tree.csv, so no category has one above it.")
    parents = _parents(tree) if tree.is_file() else {}
    paths = _paths(parents, known["category"].unique().to_list())
    items = events.select("item_id").drop_nulls().unique(maintain_order=True).join(
        known, on="item_id", how="full", coalesce=True, maintain_order="left_right"
    )  # fmt: skip
    triples, entities = _tree(known, parents, paths)
    return Tables(
        events=events,
        items=items.with_columns(pl.col("category").replace_strict(paths, default=None)),
        triples=triples, entities=entities, notes=tuple(notes),
    )  # fmt: skip


def _visits(file: Path) -> pl.DataFrame:
    frame = headed_table(file, _EVENTS)
    wrong = np.flatnonzero(~frame["event"].is_in(list(_BEHAVIOURS)).fill_null(False).to_numpy())
    if wrong.size:
        row = int(wrong[0])
        raise DataError(
            f"{place(file, row + 1)}: an event must be one of {', '.join(_BEHAVIOURS)}. "
            f"Got {frame['event'][row]!r} instead."
        )
    frame = frame.with_columns(_whole(frame["timestamp"], file).alias("ms"))
    frame = frame.sort("ms", maintain_order=True)  # within a second the order is kept
    return events_frame(frame.select(
        pl.col("visitorid").alias("user_id"), pl.col("itemid").alias("item_id"),
        pl.col("event").replace(_BEHAVIOURS).alias("behaviour"),
        (pl.col("ms") // 1000).cast(pl.String).alias("timestamp"),
    ))  # fmt: skip


def _whole(column: pl.Series, file: Path) -> pl.Series:
    """Whole numbers; `DataError` names the line of what is none or is empty."""
    found = column.cast(pl.Int64, strict=False)
    wrong = np.flatnonzero(found.is_null().to_numpy())
    if wrong.size:
        row = int(wrong[0])
        raise DataError(
            f"{place(file, row + 1)}: column {column.name!r} must be a whole number. "
            f"Got {column[row]!r} instead."
        )
    return found


def _first_categories(files: list[Path]) -> pl.DataFrame:
    """item_id and the category that stands first by time, of the items that have one."""
    parts = [_categories(file) for file in files]
    frame = pl.concat(parts).sort("ms", maintain_order=True)
    return frame.unique("item_id", keep="first", maintain_order=True).select("item_id", "category")


def _categories(file: Path) -> pl.DataFrame:
    """The rows of one file that tell a categoryid: 20 million rows are not kept in memory."""
    if not header_of(file) >= set(_PROPERTIES):
        headed_table(file, _PROPERTIES)  # says what is wrong
    lazy = pl.scan_csv(file, infer_schema=False).select(_PROPERTIES)
    try:
        told = (pl.col("property") == "categoryid") & pl.col("itemid").is_not_null()
        frame = lazy.filter(told).collect()
    except pl.exceptions.PolarsError as error:
        read_table(file)  # names the line
        raise DataError(f"{file} cannot be read: {error}.") from None
    return frame.select(
        pl.col("itemid").alias("item_id"),
        ("c" + pl.col("value")).alias("category"),
        _whole(frame["timestamp"], file).alias("ms"),
    )


def _parents(file: Path) -> dict[str, str | None]:
    """The parent of each category, None at the top."""
    frame = headed_table(file, ("categoryid", "parentid"))
    named = (("c" + pl.col(name)).alias(name) for name in frame.columns)
    return dict(frame.select(named).iter_rows())


def _paths(parents: dict[str, str | None], used: list[str | None]) -> dict[str, str]:
    """Every category's path from the top; a circle is cut where it closes."""
    paths = {}
    above = [parent for parent in parents.values() if parent is not None]
    for category in dict.fromkeys([*parents, *above, *(one for one in used if one is not None)]):
        steps: list[str] = []
        at: str | None = category
        while at is not None and at not in steps:
            steps.append(at)
            at = parents.get(at)
        paths[category] = " > ".join(reversed(steps))
    return paths


def _tree(
    known: pl.DataFrame, parents: dict[str, str | None], paths: dict[str, str]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The categories as a tree of entities to which the items are tied.

    Items are called item:1, since item 1016 and category 1016 are two things.
    """
    known = known.filter(pl.col("category").is_not_null())
    tied = known.select(
        ("item:" + pl.col("item_id")).alias("head"), pl.lit("leaf_category").alias("relation"),
        pl.col("category").alias("tail"),
    )  # fmt: skip
    pairs = [(child, "subcategory_of", parent) for child, parent in parents.items() if parent]
    schema = dict.fromkeys(("head", "relation", "tail"), pl.String)
    triples = pl.concat([pl.DataFrame(pairs, schema=schema, orient="row"), tied])
    categories = pl.DataFrame({"entity_id": list(paths), "name": list(paths.values())}).select(
        "entity_id", pl.lit("category").alias("type"), "name",
        pl.lit(None, pl.String).alias("item_id"),
    )  # fmt: skip
    items = known.select(
        ("item:" + pl.col("item_id")).alias("entity_id"), pl.lit("item").alias("type"),
        pl.lit(None, pl.String).alias("name"), "item_id",
    )  # fmt: skip
    return triples, pl.concat([categories, items])


# Diginetica

_VISIT = ("sessionId", "userId", "timeframe", "eventdate")
_SPELLED = {"sessionId": "session_id", "userId": "user_id", "itemId": "item_id"}
"""As SR-GNN and what came of it have the names in their copies of the views."""
_DIGINETICA_NOTES = (
    "A session without a userId is a user of its own, called session:ID; one with it belongs to "
    "that user as a whole.",
    "The source tells days, and milliseconds within a session: the time of day is made up of "
    "these, so the order of two sessions of one day means nothing.",
    "The words of queries and titles are hashed numbers, the price is a logarithm (price_log2), "
    "and categories are written c12, so that they are no quantities.",
    "The items that a search showed and how long it took are left out.",
)


def _is_diginetica(path: Path) -> bool:
    return (path / "train-item-views.csv").is_file()


def _read_diginetica(folder: Path) -> Tables:
    notes = list(_DIGINETICA_NOTES)
    views = _table(member(folder, "train-item-views.csv", "diginetica"), (*_VISIT, "itemId"))
    parts = [views.with_columns(pl.lit("view").alias("behaviour"))]
    purchases = folder / "train-purchases.csv"
    if purchases.is_file():
        parts.append(_bought(purchases, notes))
    else:
        notes.append("There is no train-purchases.csv, so there are no purchases.")
    queries = folder / "train-queries.csv"
    if queries.is_file():
        parts += _searches(queries, folder / "train-clicks.csv", notes)
    else:
        notes.append("There is no train-queries.csv, so there are no searches and their clicks.")
    events = _joined(pl.concat(parts, how="diagonal"))
    items = _products(folder, notes) if (folder / "products.csv").is_file() else None
    if items is None:
        notes.append("There is no products.csv, so nothing is known of the items.")
    return Tables(events=events, items=items, notes=tuple(notes))


def _table(file: Path, names: tuple[str, ...]) -> pl.DataFrame:
    """These columns with NA as null, and `ms` where the file tells a day."""
    present = header_of(file)
    absent = {name: other for name, other in _SPELLED.items() if name not in present}
    found = [absent[name] if absent.get(name) in present else name for name in names]
    frame = headed_table(file, found).rename(dict(zip(found, names, strict=True)))
    frame = frame.with_columns(pl.all().replace("NA", None))
    if "eventdate" not in names:
        return frame
    days = frame["eventdate"].str.to_date("%Y-%m-%d", strict=False)
    wrong = np.flatnonzero(days.is_null().to_numpy())
    if wrong.size:
        row = int(wrong[0])
        raise DataError(
            f"{place(file, row + 1)}: column 'eventdate' must be a day such as 2016-05-09. "
            f"Got {frame['eventdate'][row]!r} instead."
        )
    day = days.cast(pl.Datetime("ms")).dt.epoch("ms")
    return frame.with_columns((day + _whole(frame["timeframe"], file)).alias("ms"))


def _bought(file: Path, notes: list[str]) -> pl.DataFrame:
    frame = _table(file, (*_VISIT, "itemId"))
    kept = frame.filter(pl.col("itemId").is_not_null())
    if kept.height < frame.height:
        lost = frame.height - kept.height
        notes.append(f"Purchases without an itemId are left out: {lost:,} of {frame.height:,}.")
    return kept.with_columns(pl.lit("purchase").alias("behaviour"))


def _searches(file: Path, clicks: Path, notes: list[str]) -> list[pl.DataFrame]:
    """Searches in words, and the clicks on what any search showed."""
    frame = _table(file, ("queryId", *_VISIT, "searchstring.tokens"))
    words = frame.filter(pl.col("searchstring.tokens").is_not_null())
    if words.height < frame.height:
        lost = frame.height - words.height
        notes.append(
            f"Searches without words (a category was opened) are left out: {lost:,} of "
            f"{frame.height:,}."
        )
    query = pl.col("searchstring.tokens").str.replace_all(",", " ").alias("query")
    found = [words.select(*_VISIT, "ms", query, pl.lit("search").alias("behaviour"))]
    if not clicks.is_file():
        notes.append(
            "There is no train-clicks.csv, so there are no clicks on what searches showed."
        )
        return found
    return [*found, _clicked(frame, clicks, notes)]


def _clicked(queries: pl.DataFrame, file: Path, notes: list[str]) -> pl.DataFrame:
    """A click has no session of its own: it is that of its query, and so is the day."""
    frame = _table(file, ("queryId", "timeframe", "itemId"))
    frame = frame.with_columns(_whole(frame["timeframe"], file).alias("at"))
    day = pl.col("ms") - pl.col("timeframe").cast(pl.Int64)
    asked = queries.select("queryId", "sessionId", "userId", day.alias("day"))
    known = frame.join(asked.unique("queryId", keep="first"), on="queryId", how="inner",
                       maintain_order="left")  # fmt: skip
    if known.height < frame.height:
        lost = frame.height - known.height
        notes.append(f"Clicks on unknown queries are left out: {lost:,} of {frame.height:,}.")
    return known.select("sessionId", "userId", "itemId", (pl.col("day") + pl.col("at")).alias("ms"),
                        pl.lit("click").alias("behaviour"))  # fmt: skip


def _joined(frame: pl.DataFrame) -> pl.DataFrame:
    """All events by time, each with the user of its session."""
    user = pl.col("userId").drop_nulls().first().over("sessionId")
    return events_frame(frame.sort("ms", maintain_order=True).with_columns(
        pl.coalesce(user, "session:" + pl.col("sessionId")).alias("user_id"),
        pl.col("itemId").alias("item_id"),
        (pl.col("ms") // 1000).cast(pl.String).alias("timestamp"),
    ))  # fmt: skip


def _products(folder: Path, notes: list[str]) -> pl.DataFrame:
    names = ("itemId", "pricelog2", "product.name.tokens")
    file, other = folder / "products.csv", folder / "product-categories.csv"
    goods = _table(file, names)
    check_ids(goods, ("itemId",), file)
    numbers(goods["pricelog2"], str(file))
    columns = {
        "item_id": pl.col("itemId"),
        "title": pl.col("product.name.tokens").str.replace_all(",", " "),
        "category": "c" + pl.col("categoryId"),
        "price_log2": pl.col("pricelog2"),
    }
    if other.is_file():
        kinds = _table(other, ("itemId", "categoryId"))
        kinds = kinds.unique("itemId", keep="first", maintain_order=True)
        goods = goods.join(kinds, on="itemId", how="left", maintain_order="left")
    else:
        notes.append("There is no product-categories.csv, so the items have no category.")
        columns.pop("category")
    return goods.select(column.alias(name) for name, column in columns.items())


FORMATS: tuple[Format, ...] = (
    Format(
        "retailrocket",
        "RetailRocket's events.csv, item_properties_part*.csv and category_tree.csv",
        _is_retailrocket,
        _read_retailrocket,
    ),
    Format(
        "diginetica",
        "Diginetica's (CIKM Cup 2016) views, purchases, searches and their clicks, and products",
        _is_diginetica,
        _read_diginetica,
    ),
)
