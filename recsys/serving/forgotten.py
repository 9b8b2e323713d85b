"""What a run was told since its training that one trained anew on other data will not know."""

from __future__ import annotations

import numpy as np
import polars as pl

from kg.checking.diff import difference
from kg.events import EventLog
from kg.storage import Dataset
from recsys.recommender import Recommender
from recsys.serving.live import SAME

NAMED = 10
"""So many ids are called by name."""


def forgotten(rec: Recommender, data: Dataset, facts: int = 0) -> list[str]:
    """A line for each kind of thing that this run was told and these data lack: items that were
    removed, are sold out, were added or replaced, events, what was turned down, `facts` (so many
    were added), and how many people were forgotten, whose ids nobody knows any more.
    """
    items, catalog = rec.items, data.catalog
    row = catalog.ids.encode(items.ids, missing="negative")
    newest, there = items.newest == np.arange(len(items)), row >= 0
    late = items.living & (np.arange(len(items)) >= items.trained)
    groups = {
        "removed items, in answers again": newest & ~items.living & there,
        "items out of stock, in answers again": items.living & items.absent & there,
        "items that were added": late & ~there,
        "items that were replaced, as they are in the data": late & _differs(rec, data, row),
    }
    lines = [_line(rec, where, what) for what, where in groups.items() if where.any()]
    if events := _events(rec, data.log):
        lines.append(f"{events:,} events that were added")
    if refused := len(data.declined.joined(rec.declined)) - len(data.declined):
        lines.append(f"{refused:,} times that somebody turned an item down, in their lists again")
    if facts and (gone := min(facts, _facts(rec, data))):
        lines.append(f"up to {gone:,} facts that were added")
    if rec.forgotten:
        lines.append(
            f"{rec.forgotten:,} people who were forgotten, known again if the data have them"
        )
    return lines


def _line(rec: Recommender, where: np.ndarray, what: str) -> str:
    ids = [rec.items.ids[code] for code in np.flatnonzero(where).tolist()]
    more = ", …" if len(ids) > NAMED else ""
    return f"{len(ids):,} {what}: {', '.join(ids[:NAMED])}{more}"


def _differs(rec: Recommender, data: Dataset, row: np.ndarray) -> np.ndarray:
    """bool [N]: items that were told since the training, and of which the data say otherwise in a
    title, a number or an attribute; a column that one of them lacks says nothing.
    """
    catalog, out = data.catalog, np.zeros(len(rec.items), bool)
    cells = {a.name: a.cells(len(catalog)) for a in catalog.attributes
             if a.name not in catalog.numbers}  # fmt: skip
    for code in range(rec.items.trained, len(rec.items)):
        if (at := int(row[code])) < 0:
            continue
        told = rec.items.told.get(code, {})
        out[code] = (
            rec.items.titles[code] != catalog.titles[at]
            or any(_other(values[code], catalog.numbers[name][at])
                   for name, values in rec.items.numbers.items() if name in catalog.numbers)
            or any(set(told[name]) != set(some[at])
                   for name, some in cells.items() if told.get(name))
        )  # fmt: skip
    return out


def _other(one: float, another: float) -> bool:
    return not (np.isnan(one) or np.isclose(one, another, equal_nan=True))


def _events(rec: Recommender, log: EventLog) -> int:
    """How many events came since the training that are not in the log."""
    if rec.base is None:
        return 0
    logs = {"run": rec.log, "base": rec.base, "data": log}
    frames = [_plain(one).with_columns(of=pl.lit(name)) for name, one in logs.items()]
    keys = [name for name in SAME if all(name in frame.columns for frame in frames)]
    each = pl.concat([frame.select(*keys, "of") for frame in frames]).group_by(keys)
    count = each.agg((pl.col("of") == name).sum().cast(pl.Int64).alias(name) for name in logs)
    known = pl.max_horizontal("base", "data")
    return int(count.select((pl.col("run") - known).clip(0).sum()).item())


def _plain(log: EventLog) -> pl.DataFrame:
    frame = log.to_frame()
    return frame if "query" in frame.columns else frame.with_columns(query=pl.lit(""))


def _facts(rec: Recommender, data: Dataset) -> int:
    """How many facts of the run are not in the data."""
    changes = difference(rec.model.graph.facts(), data.graph.facts())
    return sum(change.removed for change in changes if change.what == "edges")
