"""From tables to a folder of atomic files, and what these cannot hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from kg.errors import DataError
from kg.formats.recbole.links import ENDS, FRIENDS, friends_of
from kg.formats.tables import Named, Tables
from kg.times import NO_TIME, to_seconds


def write(tables: Tables, folder: Path, name: str = "") -> None:
    """NAME.inter and, for what there is, .user, .item, .kg, .link, .net, .entity and vectors, where
    NAME is `name`, or else that of the folder.

    Raises `DataError` if there are no events, a value is no number, or two columns would get the
    same name. What is changed or lost on the way is said by `lost`.
    """
    if tables.events is None or tables.events.height == 0:
        raise DataError("Files for RecBole must hold events. Got tables without any.")
    stem = folder / (name or folder.absolute().name)
    _save(_events_out(tables.events), _file(stem, "inter"))
    users = tables.users
    if users is not None and (links := friends_of(users, _people(tables))) is not None:
        _save({f"{end}:token": links[end] for end in ENDS}, _file(stem, "net"))
        users = users.drop(FRIENDS)
    for suffix, frame in (("user", users), ("item", tables.items)):
        if frame is not None and frame.height:
            _save(_rows_out(frame), _file(stem, suffix))
    _write_graph(tables, stem)
    for key, vectors in tables.vectors.items():
        _write_vectors(key, vectors, stem)


def _people(tables: Tables) -> pl.Series:
    """The ids of users in the events and the table of users."""
    frames = (tables.events, tables.users)
    return pl.concat([frame["user_id"] for frame in frames if frame is not None]).drop_nulls()


def _file(stem: Path, suffix: str) -> Path:
    """NAME.suffix, whatever dots NAME has."""
    return stem.with_name(f"{stem.name}.{suffix}")


def lost(tables: Tables) -> tuple[str, ...]:
    """What `write` changes or leaves out of these tables: a sentence each."""
    said = ["A tab or line break in a cell becomes a space, a colon or space in a column's name _."]
    for name, frame in (("users", tables.users), ("items", tables.items)):
        if frame is not None and (spaced := _with_spaces(frame)):
            said.append(
                f"In {sum(spaced.values()):,} cells of {name} ({', '.join(spaced)}), each space "
                "inside a value becomes an underscore, since a space stands between values."
            )
    return tuple(said)


def _with_spaces(frame: pl.DataFrame) -> dict[str, int]:
    """In how many cells of the columns of several values white space stands inside a value."""
    several = [column for column in frame.columns if _kind(frame, column) == "several"]
    counts = {column: int(frame[column].str.contains(r"\s").sum()) for column in several}
    return {column: count for column, count in counts.items() if count}


def _events_out(events: pl.DataFrame) -> dict[str, pl.Series]:
    columns: dict[str, pl.Series] = {}
    for name in ("user_id", "item_id", "behaviour"):
        if name in events.columns:
            columns[f"{name}:token"] = events[name]
    if "query" in events.columns:
        columns["query:token_seq"] = events["query"]
    if "value" in events.columns:
        columns["rating:float"] = _numbers_out(events["value"])
    if "timestamp" in events.columns:
        columns["timestamp:float"] = _times_out(events["timestamp"])
    if "item_id" not in events.columns:
        columns["item_id:token"] = pl.Series([None] * events.height, dtype=pl.String)
    return columns


def _numbers_out(column: pl.Series) -> pl.Series:
    wrong = column.is_not_null() & ~_finite(column)
    if wrong.any():
        raise DataError(
            f"events: {column.name} must be a number to be written as rating:float. "
            f"Got {column.filter(wrong)[0]!r}."
        )
    return column


def _finite(column: pl.Series) -> pl.Series:
    return column.str.strip_chars().cast(pl.Float64, strict=False).is_finite().fill_null(False)


def _times_out(column: pl.Series) -> pl.Series:
    """Numbers as they are, other times as UTC seconds; empty where a time cannot be read."""
    if (column.is_null() | _finite(column)).all():
        return column
    seconds = pl.Series(to_seconds(column, "events"))
    return seconds.set(seconds == int(NO_TIME), None).cast(pl.String)


def _kind(frame: pl.DataFrame, name: str) -> str:
    """'id', 'words', 'several', 'float' or 'token': how a column of items or users is written."""
    column = frame[name]
    if name in ("item_id", "user_id"):
        return "id"
    if name in ("title", "text") and "item_id" in frame.columns:
        return "words"
    if column.str.contains("|", literal=True).any():
        return "several"
    numeric = bool((column.is_null() | _finite(column)).all())
    return "float" if numeric and column.str.contains(".", literal=True).any() else "token"


def _rows_out(frame: pl.DataFrame) -> dict[str, pl.Series]:
    types = {"id": "token", "words": "token_seq", "several": "token_seq"}
    columns: dict[str, pl.Series] = {}
    for name in frame.columns:
        kind = _kind(frame, name)
        column = frame[name]
        if kind == "several":
            column = column.str.replace_all(r"\s", "_").str.replace_all(r"\|+", " ")
            column = column.str.strip_chars(" ")
        header = f"{_field(name)}:{types.get(kind, kind)}"
        if header.rpartition(":")[0] in [known.rpartition(":")[0] for known in columns]:
            raise DataError(f"Two columns would both be called {header!r} (one was {name!r}).")
        columns[header] = column
    return columns


def _field(name: str) -> str:
    """A column's name as a header can have it."""
    return "".join("_" if letter in ":" or letter.isspace() else letter for letter in name)


def _write_graph(tables: Tables, stem: Path) -> None:
    triples, entities = tables.triples, tables.entities
    if triples is not None and triples.height:
        ends = {"head_id:token": triples["head"], "relation_id:token": triples["relation"],
                "tail_id:token": triples["tail"]}  # fmt: skip
        _save(ends, _file(stem, "kg"))
    if entities is not None and entities.height:
        own = [name for name in ("entity_id", "type", "name") if name in entities.columns]
        entities = entities.unique("entity_id", keep="first", maintain_order=True)
        _save({f"{name}:token": entities[name] for name in own}, _file(stem, "entity"))
    links = _links_out(tables)
    if links is not None and links.height:
        _save({f"{name}:token": links[name] for name in ("item_id", "entity_id")},
              _file(stem, "link"))  # fmt: skip


def _links_out(tables: Tables) -> pl.DataFrame | None:
    """item_id, entity_id; where there are no entities, the ends that are items are themselves."""
    if tables.entities is not None:
        if "item_id" not in tables.entities.columns:
            return None
        return tables.entities.select("item_id", "entity_id").drop_nulls()
    if tables.triples is None:
        return None
    ends = pl.concat([tables.triples["head"], tables.triples["tail"]]).unique(maintain_order=True)
    known = [frame["item_id"] for frame in (tables.items, tables.events)
             if frame is not None and "item_id" in frame.columns]  # fmt: skip
    items = ends.filter(ends.is_in(pl.concat(known).drop_nulls().implode())) if known else ends[:0]
    return pl.DataFrame({"item_id": items, "entity_id": items})


def _write_vectors(name: str, vectors: Named, stem: Path) -> None:
    user = name.startswith("user:")
    field = _field(name.removeprefix("user:"))
    numbers = pl.DataFrame({"v": vectors.values.astype(np.float32)})["v"].arr.to_list()
    column = numbers.cast(pl.List(pl.String)).list.join(" ")
    ids = pl.Series(vectors.ids, dtype=pl.String)
    file = _file(stem, f"{field.replace('/', '_')}_{'user' if user else 'item'}emb")
    if file.exists():
        raise DataError(f"Two vectors would both be written to {file.name} (one was {name!r}).")
    if vectors.ids:
        _save({f"{'uid' if user else 'iid'}:token": ids, f"{field}:float_seq": column}, file)


def _save(columns: Mapping[str, pl.Series], file: Path) -> None:
    """Write columns by their header `name:type`; tabs and line breaks become spaces."""
    frame = pl.DataFrame([column.alias(header) for header, column in columns.items()])
    frame = frame.with_columns(pl.all().str.replace_all("[\t\r\n]", " "))
    with open(file, "wb") as handle:
        handle.write(("\t".join(columns) + "\n").encode())
        frame.write_csv(handle, include_header=False, separator="\t", quote_style="never")
