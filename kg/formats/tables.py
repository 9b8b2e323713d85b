"""What a data set is, whatever files it came in: a few tables of text.

Every format of the field is read into `Tables` and written from them, so that n formats need n
readers and not n² converters. The plain form on disk (`write_plain`, `read_plain`) is what
`kgintent build` takes: events.csv, items.csv, users.csv, triples.csv, entities.csv and
NAME.npz of vectors in a folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from kg.broken import Broken
from kg.building.triples import ENTITY_COLUMNS, TRIPLE_COLUMNS
from kg.catalog import ITEM_COLUMNS, USER_COLUMNS
from kg.errors import BrokenLine, DataError, UsageError
from kg.events import EVENT_COLUMNS
from kg.tables import column_names, pick_columns, place, read_table, without_empty
from kg.vectors import read_npz

EVENTS = ("user_id", "item_id", "behaviour", "timestamp", "value", "query")
TRIPLES = ("head", "relation", "tail")
ENTITIES = ("entity_id", "type", "name", "item_id")


@dataclass(frozen=True)
class Named:
    """Vectors of some ids: ids [n] of text, values float32 [n, D]."""

    ids: tuple[str, ...]
    values: np.ndarray


@dataclass(frozen=True)
class Tables:
    """Tables whose cells are all text (null: empty), columns in this order, those left out that
    the source does not have:

    events    `EVENTS`; timestamp in UTC seconds or ISO 8601; item_id is null for a search alone
    items     item_id, title, text, then attributes; several values of a cell joined by '|'
    users     user_id, then attributes, in the same way
    triples   `TRIPLES`: ends are ids of entities, or of items where there are no entities; perhaps
              timestamp, when the fact came to be known
    entities  `ENTITIES`; item_id is set for those that are items
    vectors   by name, of items, or of users where the name begins with 'user:'
    notes     what was left out, guessed or renamed: a sentence each, for the person who asked
    """

    events: pl.DataFrame | None = None
    items: pl.DataFrame | None = None
    users: pl.DataFrame | None = None
    triples: pl.DataFrame | None = None
    entities: pl.DataFrame | None = None
    vectors: Mapping[str, Named] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, needed in NEEDED.items():
            frame = getattr(self, name)
            if frame is None:
                continue
            for column in needed:
                if column not in frame.columns:
                    raise DataError(f"The table {name} must have a column {column!r}.")
            other = [column for column in frame.columns if frame[column].dtype != pl.String]
            if other:
                raise DataError(f"The columns of {name} must be text. Got others: {other}.")

    def there(self) -> dict[str, pl.DataFrame]:
        """The tables that are not None, by name."""
        found = {name: getattr(self, name) for name in NEEDED}
        return {name: frame for name, frame in found.items() if frame is not None}


NEEDED = {"events": ("user_id",), "items": ("item_id",), "users": ("user_id",),
          "triples": TRIPLES, "entities": ("entity_id",)}  # fmt: skip


@dataclass(frozen=True)
class Format:
    """One format of the field.

    `recognises` says cheaply whether a path looks like it; `read` raises `DataError` naming file,
    line and value where it is not; `write` makes the files in an empty folder, None: read only, and
    takes what the data set is called as a third argument where the files are called so (`named`);
    `lost` says what writing these tables changes or leaves out, a sentence each. `bags`: the order
    in which it has events means nothing. `facts_only`: it has no columns of items, which become
    facts when it is written.
    """

    name: str
    what: str
    recognises: Callable[[Path], bool]
    read: Callable[..., Tables]
    write: Callable[..., None] | None = None
    lost: Callable[[Tables], tuple[str, ...]] = lambda tables: ()
    dated: bool = False
    bags: bool = False
    facts_only: bool = False
    named: bool = False
    skips: bool = False

    def left_out(self, tables: Tables) -> tuple[str, ...]:
        """`lost`, and the dates of facts where the format has no place for them (`dated`)."""
        facts = tables.triples
        if self.dated or facts is None or "timestamp" not in facts.columns:
            return self.lost(tables)
        return (*self.lost(tables), "Left out: the dates of facts.")


def with_items(tables: Tables) -> Tables:
    """With the items of the events, where there are events and no table of items."""
    events = tables.events
    if tables.items is not None or events is None or "item_id" not in events.columns:
        return tables
    items = events.select("item_id").drop_nulls().unique(maintain_order=True)
    note = f"There is no table of items: {len(items):,} are those of the events, without a title."
    return replace(tables, items=items, notes=(*tables.notes, note))


def vector_file(name: str) -> str:
    """What the plain form calls the file of these vectors: NAME.npz, or user-NAME.npz."""
    return f"{name.replace(':', '-')}.npz"


def write_plain(tables: Tables, folder: Path) -> None:
    """CSV and npz files into a folder that is there."""
    for name, frame in tables.there().items():
        frame.write_csv(folder / f"{name}.csv")
    for name, vectors in tables.vectors.items():
        np.savez_compressed(
            folder / vector_file(name), ids=np.array(vectors.ids, str), vectors=vectors.values
        )


_SPELLED = {"events": EVENT_COLUMNS, "items": ITEM_COLUMNS, "users": USER_COLUMNS,
            "triples": TRIPLE_COLUMNS, "entities": ENTITY_COLUMNS}  # fmt: skip
_OURS = {"user": "user_id", "item": "item_id", "time": "timestamp"}
"""Roles of events that are called otherwise here."""


def _called(name: str, file: Path, broken: Broken | None = None) -> pl.DataFrame:
    """The table with our names for the columns whose role is seen."""
    frame = read_table(file, broken)
    roles = pick_columns(frame, _SPELLED[name], {}, needed=(), where=str(file))
    ours = {column: _OURS.get(role, role) for role, column in roles.items()}
    found = frame.rename({k: v for k, v in ours.items() if v == k or v not in frame.columns})
    for column in NEEDED[name]:
        if column not in found.columns:
            raise DataError(
                f"{file}, line 1, must name a column {column!r}, or as build knows it. "
                f"Got {', '.join(frame.columns[:12])} instead."
            )
    rows = None
    if broken is not None and name != "events":
        found, rows = without_empty(found, NEEDED[name], str(file), broken)
    if name == "triples":
        check_ids(found, TRIPLES, file, once=False)
    elif name != "events":
        check_ids(found, NEEDED[name], file, rows=rows)
    return found


def check_ids(
    frame: pl.DataFrame, columns: Sequence[str], file: Path, once: bool = True,
    rows: np.ndarray | None = None,
) -> None:  # fmt: skip
    """`DataError` naming the line (that of `frame`, or else by its row, which is that of `rows`, in
    the file) of the first cell of these columns that is empty or, unless not `once`, stands there
    again.
    """
    for name in columns:
        empty, again = frame[name].is_null(), frame[name].is_duplicated()
        bad = empty | (again & ~frame[name].is_first_distinct() if once else empty)
        if bad.any():
            row = int(bad.arg_true()[0])
            numbered = "line" in frame.columns and frame["line"].dtype.is_integer()
            line = frame["line"][row] if numbered else None  # a user's column may be called so too
            number = row + 1 if rows is None else int(rows[row])
            where = place(file, number) if line is None else f"{file}, line {line}"
            if empty[row]:
                raise BrokenLine(f"{where}: the {name} must not be empty.")
            raise DataError(
                f"{where}: each {name} must stand once. Got {frame[name][row]!r} again."
            )


def looks_plain(path: Path) -> bool:
    """Whether one of the files is there, whatever its columns are called, or it is one of triples
    (others alone could be of any format).
    """
    if path.is_dir():
        return any((path / f"{name}.csv").is_file() for name in NEEDED)
    try:
        names = {name.lower().strip() for name in column_names(path)}
    except (DataError, UsageError):
        return False
    return all(names.intersection(TRIPLE_COLUMNS[role]) for role in TRIPLES)


def read_plain(path: Path, broken: Broken | None = None) -> Tables:
    """The inverse of `write_plain`, or a file of triples alone; columns may be called as
    `kgintent build` finds them. To `broken`, if given, go lines with another number of cells, or
    without an id.
    """
    if not path.is_dir():
        return Tables(triples=_called("triples", path, broken))
    files = {name: path / f"{name}.csv" for name in NEEDED}
    found: dict[str, Any] = {
        name: _called(name, file, broken) for name, file in files.items() if file.is_file()
    }
    if not found:
        raise DataError(f"{path} holds none of {', '.join(f'{n}.csv' for n in NEEDED)}.")
    for file in sorted(path.glob("*.npz")):
        kind, dash, name = file.stem.partition("-")
        own = f"user:{name}" if (kind, dash) == ("user", "-") else file.stem
        ids, values = read_npz(file)
        found.setdefault("vectors", {})[own] = Named(tuple(ids), values.astype(np.float32))
    return Tables(**found)
