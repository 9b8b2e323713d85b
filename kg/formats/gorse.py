"""Gorse's dump: feedback.jsonl, items.jsonl and users.jsonl, one JSON object in each line.

An item's Comment is its text, its Categories are `category`; Labels, an object or a list, are
attributes: a column for each key, 'a.b' for a key b in the object a, `labels` for a list. A list
of numbers under a key is a vector of that name. A '|' inside a value becomes '/'.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from kg.errors import DataError
from kg.formats.rows import file_lines, first_bad
from kg.formats.tables import EVENTS, Format, Named, Tables
from kg.times import NO_TIME, to_seconds

FEEDBACK = {"UserId": "user_id", "ItemId": "item_id", "FeedbackType": "behaviour",
            "Timestamp": "timestamp", "Value": "value"}  # fmt: skip
BEHAVIOUR = "interaction"
"""The FeedbackType of an event that has no behaviour; Gorse asks for one."""
_NO_TIME = r"^0001-01-01[T ]00:00:00"
"""How Go writes a time that was never set."""
_SPACED = r"^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\S*) ([+-]\d{4}) \S+$"
"""How Go prints a time, which Gorse's import takes too; it becomes ISO 8601."""


# Reading


def read(folder: Path) -> Tables:
    """The folder's tables. `DataError` names the file, the line and the value that is wrong."""
    feedback, items, users = (folder / f"{name}.jsonl" for name in ("feedback", "items", "users"))
    if not any(file.is_file() for file in (feedback, items, users)):
        raise DataError(f"{folder} must be a folder with feedback.jsonl, items.jsonl or "
                        "users.jsonl. There is none.")  # fmt: skip
    notes: list[str] = []
    vectors: dict[str, Named] = {}
    return Tables(
        events=_read_feedback(feedback, notes) if feedback.is_file() else None,
        items=_read_rows(items, "ItemId", "item_id", vectors, notes) if items.is_file() else None,
        users=_read_rows(users, "UserId", "user_id", vectors, notes) if users.is_file() else None,
        vectors=vectors,
        notes=tuple(notes),
    )


def _lines(file: Path) -> pl.DataFrame:
    lines = file_lines(file).filter(pl.col("text").str.strip_chars() != "")
    if lines.height == 0:
        raise DataError(f"{file} is empty: at least one JSON object is needed.")
    return lines


def _objects(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, object) of each line. `DataError` for a line that is no JSON object."""
    for line, text in _lines(file).iter_rows():
        try:
            found = json.loads(text)
        except ValueError as error:
            raise DataError(
                f"{file}, line {line}, must be a JSON object ({error}). Got {text[:80]!r}."
            ) from None
        except RecursionError:
            raise DataError(f"{file}, line {line}, must be a JSON object. It is nested too "
                            "deeply.") from None  # fmt: skip
        if not isinstance(found, dict):
            raise DataError(f"{file}, line {line}, must be a JSON object. Got {text[:80]!r}.")
        if "\\ud" in text.lower() and not _encodable(found):
            raise DataError(f"{file}, line {line}, must hold whole characters. Got half of one "
                            r"(\ud800 to \udfff).")  # fmt: skip
        yield line, found


def _encodable(found: Mapping[str, Any]) -> bool:
    """Whether no text in it has half of a surrogate pair, which is no Unicode."""
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _read_feedback(file: Path, notes: list[str]) -> pl.DataFrame:
    """The events; times stay as they are written, mostly ISO 8601."""
    lines = _lines(file)
    names = (*FEEDBACK, "Comment", "Labels")
    frame = _quickly(lines["text"], names)
    if frame is None:
        frame = _one_by_one(file, names)
    frame = frame.with_columns(pl.all().replace("", None), lines["line"])
    _check_feedback(file, frame)
    rest = [name for name in ("Comment", "Labels") if frame[name].null_count() < frame.height]
    if rest:
        notes.append(f"Of feedback.jsonl these were left out: {', '.join(rest)}.")
    time = pl.col("Timestamp")
    kept = pl.when(~time.str.contains(_NO_TIME)).then(time.str.replace(_SPACED, "${1}T${2}${3}"))
    frame = frame.with_columns(kept.alias("Timestamp"))
    there = [name for name in FEEDBACK if frame[name].null_count() < frame.height]
    events = frame.select(pl.col(name).alias(FEEDBACK[name]) for name in there)
    return events.select(name for name in EVENTS if name in events.columns)


def _quickly(lines: pl.Series, names: Sequence[str]) -> pl.DataFrame | None:
    """The fields as text by polars; None where a line is broken or half a character may be."""
    if lines.str.contains(r"(?i)\\ud[89a-f]").any():  # polars takes half of a surrogate pair
        return None
    raw = lines.str.join("\n")[0].encode()
    try:
        frame = pl.read_ndjson(io.BytesIO(raw), schema=dict.fromkeys(names, pl.String))
    except pl.exceptions.PolarsError:
        return None
    return frame if frame.height == len(lines) else None


def _one_by_one(file: Path, names: Sequence[str]) -> pl.DataFrame:
    """The same by Python's json, which names the line that is broken."""
    rows = [[_text(found.get(name)) for name in names] for _, found in _objects(file)]
    return pl.DataFrame(rows, schema=dict.fromkeys(names, pl.String), orient="row")


def _check_feedback(file: Path, frame: pl.DataFrame) -> None:
    for name in ("UserId", "ItemId", "FeedbackType"):
        found = first_bad(frame, pl.col(name).is_null())
        if found is not None:
            raise DataError(f"{file}, line {found['line']}: {name} must be there and not empty.")
    number = pl.col("Value").cast(pl.Float64, strict=False).is_finite().fill_null(False)
    found = first_bad(frame, pl.col("Value").is_not_null() & ~number)
    if found is not None:
        raise DataError(
            f"{file}, line {found['line']}: Value must be a number. Got {found['Value']!r}."
        )


def _read_rows(
    file: Path, key: str, column: str, vectors: dict[str, Named], notes: list[str]
) -> pl.DataFrame:
    """Items or users: the id, then title and text, then the attributes in their first order."""
    seen: set[str] = set()
    rows: list[dict[str, str | None]] = []
    numbers: dict[str, _Vectors] = {}
    hidden = 0
    for line, found in _objects(file):
        own = _text(found.get(key))
        if not own:
            raise DataError(f"{file}, line {line}: {key} must be there and not empty.")
        if own in seen:
            raise DataError(
                f"{file}, line {line}: each {key} must stand there once. Got {own!r} again."
            )
        seen.add(own)
        hidden += found.get("IsHidden") is True
        cells: dict[str, str | None] = {column: own, **_fields(found)}
        for name, value in _flat(found.get("Labels")):
            if _is_vector(value):
                numbers.setdefault(name, _Vectors(file, name)).add(line, len(rows), value)
            elif name == "title":
                cells[name] = _text(value)
            else:
                cells[_free(name, column)] = _text(value if isinstance(value, list) else [value])
        rows.append(cells)
    if hidden:
        notes.append(f"{hidden} hidden items were kept like the others.")
    for name, lists in numbers.items():
        _settle(name, lists, rows, column, vectors, notes)
    return _frame(rows, column)


def _settle(
    name: str,
    lists: _Vectors,
    rows: Sequence[dict[str, str | None]],
    column: str,
    vectors: dict[str, Named],
    notes: list[str],
) -> None:
    """Lists of one length are vectors, others are cells of their rows, and noted."""
    if len({len(value) for value in lists.values}) == 1:
        prefix = "user:" if column == "user_id" else ""
        ids = tuple(str(rows[row][column]) for row in lists.rows)
        vectors[prefix + name] = Named(ids, np.stack(lists.values).astype(np.float32))
        return
    notes.append(f"The numbers of {name} have several lengths: values, and no vector.")
    for row, value in zip(lists.rows, lists.values, strict=True):
        rows[row][_free(name, column)] = _text(value.tolist())


def _frame(rows: Sequence[Mapping[str, str | None]], column: str) -> pl.DataFrame:
    """A column for each key that some row fills; `title` and `text` follow the id."""
    names = dict.fromkeys((column, "title", "text", *(name for row in rows for name in row)))
    cells = {name: [row.get(name) or None for row in rows] for name in names}
    filled = {name: values for name, values in cells.items() if any(values)}
    return pl.DataFrame(filled, schema=dict.fromkeys(filled, pl.String))


def _fields(found: Mapping[str, Any]) -> dict[str, str]:
    """text, category and timestamp of an item or a user."""
    time = _text(found.get("Timestamp"))
    cells = {
        "text": _text(found.get("Comment")),
        "category": _text(found.get("Categories")),
        "timestamp": None
        if time is None or re.match(_NO_TIME, time)
        else re.sub(_SPACED, r"\1T\2\3", time),
    }
    return {name: cell for name, cell in cells.items() if cell is not None}


def _free(name: str, column: str) -> str:
    """The column of a label: its own name, unless a field of Gorse's has that."""
    taken = (column, "text") if column == "user_id" else (column, "text", "category", "timestamp")
    return f"labels.{name}" if name in taken else name


def _flat(labels: Any, before: str = "") -> Iterator[tuple[str, Any]]:
    """(name, value) of each label that is no object; a list alone is called labels."""
    if isinstance(labels, dict):
        for key, value in labels.items():
            yield from _flat(value, f"{before}.{key}" if before else str(key))
    elif labels is not None:
        yield before or "labels", labels


def _is_vector(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(
        isinstance(one, (int, float)) and not isinstance(one, bool) for one in value
    )  # fmt: skip


def _text(value: Any) -> str | None:
    """A JSON value as a cell: a list is joined by '|', '|' in a value of it becomes '/'."""
    if value is None or isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        parts = [part for one in value if (part := _text(one))]
        return "|".join(part.replace("|", "/") for part in parts) or None
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


class _Vectors:
    """The lists of numbers of one name, and the rows in which they stand."""

    def __init__(self, file: Path, name: str) -> None:
        self.file, self.name = file, name
        self.rows: list[int] = []
        self.values: list[np.ndarray] = []

    def add(self, line: int, row: int, value: list[float]) -> None:
        """`DataError` unless each number is finite in float32."""
        numbers = np.array(value)
        if numbers.dtype == object or not (np.abs(numbers) <= np.finfo(np.float32).max).all():
            raise DataError(
                f"{self.file}, line {line}: the numbers of {self.name} must be finite and fit "
                f"into float32. Got {str(value)[:80]}."
            )
        self.rows.append(row)
        self.values.append(numbers)


# Writing


def write(tables: Tables, folder: Path) -> None:
    """feedback.jsonl, items.jsonl and users.jsonl, for what there is.

    Raises `DataError` if there is none of them, or a value of an event is no number. What is left
    out is said by `lost`.
    """
    own = {name: found for name, found in tables.vectors.items() if not name.startswith("user:")}
    theirs = {name[5:]: found for name, found in tables.vectors.items() if name not in own}
    items = _objects_out(tables.items, "item_id", "ItemId", own)
    users = _objects_out(tables.users, "user_id", "UserId", theirs)
    feedback = None if tables.events is None else _feedback_out(tables.events)
    if not items and not users and (feedback is None or feedback.height == 0):
        raise DataError("Files for Gorse must hold events, items or users. Got none of them.")
    for name, rows in (("items", items), ("users", users)):
        if rows:
            _save(rows, folder / f"{name}.jsonl")
    if feedback is not None and feedback.height:
        feedback.write_ndjson(folder / "feedback.jsonl")


def lost(tables: Tables) -> tuple[str, ...]:
    """What `write` changes or leaves out of these tables: a sentence each."""
    said = []
    events = tables.events
    if events is not None:
        items = events["item_id"] if "item_id" in events.columns else None
        alone = events.height if items is None else items.null_count()
        if alone:
            said.append(f"{alone} events without an item are left out.")
        if "query" in events.columns:
            said.append("The query of an event is left out.")
    for name in ("triples", "entities"):
        if getattr(tables, name) is not None:
            said.append(f"The {name} are left out.")
    for frame, column in ((tables.items, "item_id"), (tables.users, "user_id")):
        slashed = 0 if frame is None else int(frame[column].str.contains("/", literal=True).sum())
        if slashed:
            said.append(f"{slashed} of {column} hold a '/', which Gorse's import refuses.")
    return tuple(said)


def _feedback_out(events: pl.DataFrame) -> pl.DataFrame:
    """FeedbackType, UserId, ItemId, Value and Timestamp, those that there are."""
    if "item_id" not in events.columns:
        return pl.DataFrame()
    events = events.drop_nulls(["user_id", "item_id"])
    behaviour = pl.col("behaviour") if "behaviour" in events.columns else pl.lit(None, pl.String)
    frame = events.select(
        behaviour.fill_null(BEHAVIOUR).alias("FeedbackType"),
        pl.col("user_id").alias("UserId"),
        pl.col("item_id").alias("ItemId"),
    )
    if "value" in events.columns:
        frame = frame.with_columns(_numbers_out(events["value"]).alias("Value"))
    if "timestamp" in events.columns and events.height:
        frame = frame.with_columns(_times_out(events["timestamp"]).alias("Timestamp"))
    return frame


def _numbers_out(column: pl.Series) -> pl.Series:
    """Whole numbers if all are, else floats."""
    number = column.str.strip_chars().cast(pl.Float64, strict=False)
    wrong = column.is_not_null() & ~number.is_finite().fill_null(False)
    if wrong.any():
        raise DataError(
            f"events: {column.name} must be a number to be written as Value. "
            f"Got {column.filter(wrong)[0]!r}."
        )
    whole = column.str.strip_chars().cast(pl.Int64, strict=False)
    return whole if whole.null_count() == column.null_count() else number


def _times_out(column: pl.Series) -> pl.Series:
    """ISO 8601 as it is; seconds become it, in UTC. Empty where a time cannot be read."""
    if column.drop_nulls().str.contains(r"^\d{4}-\d\d-\d\d").all():
        return column
    seconds = pl.Series(to_seconds(column, "events"))
    times = seconds.set(seconds == int(NO_TIME), None) * 1000
    return times.cast(pl.Datetime("ms")).dt.strftime("%Y-%m-%dT%H:%M:%SZ")


def _objects_out(
    frame: pl.DataFrame | None, column: str, key: str, vectors: Mapping[str, Named]
) -> list[dict[str, Any]]:
    """An object for each row, and for each id that only has vectors."""
    several = _several(frame)
    rows: dict[str, dict[str, Any]] = {}
    for row in () if frame is None else frame.iter_rows(named=True):
        rows[row[column]] = _object_out(row, column, key, several)
    for name, found in vectors.items():
        if frame is not None and name in frame.columns:
            raise DataError(f"A column and vectors would both be the label {name!r}.")
        for own, value in zip(found.ids, found.values.tolist(), strict=True):
            alone = _object_out({column: own}, column, key, several)
            rows.setdefault(own, alone)["Labels"][name] = value
    return list(rows.values())


def _several(frame: pl.DataFrame | None) -> set[str]:
    """The columns that hold more than one value somewhere: all their cells become lists."""
    if frame is None:
        return set()
    split = {name for name in frame.columns if frame[name].str.contains("|", literal=True).any()}
    return (split | {"labels"}) - {"title", "text"}


def _object_out(
    row: Mapping[str, str | None], column: str, key: str, several: set[str]
) -> dict[str, Any]:
    item = column == "item_id"
    labels: dict[str, Any] = {}
    for name, cell in row.items():
        if cell is None or name in (column, "text") or (item and name in ("category", "timestamp")):
            continue
        own = name.removeprefix("labels.")
        labels[own] = cell.split("|") if name in several else cell
    out: dict[str, Any] = {key: row[column]}
    if item:
        out |= {"IsHidden": False, "Categories": (row.get("category") or "").split("|")}
        out["Categories"] = [name for name in out["Categories"] if name]
        out |= {"Timestamp": row["timestamp"]} if row.get("timestamp") else {}
    return out | {"Labels": labels, "Comment": row.get("text") or ""}


def _save(rows: Sequence[Mapping[str, Any]], file: Path) -> None:
    with open(file, "w", encoding="utf-8", newline="\n") as handle:
        handle.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def recognises(path: Path) -> bool:
    """Whether the folder has a feedback.jsonl or an items.jsonl."""
    return any((path / f"{name}.jsonl").is_file() for name in ("feedback", "items"))


FORMAT = Format(
    "gorse",
    "Gorse's dump: feedback.jsonl, items.jsonl and users.jsonl",
    recognises,
    read,
    write,
    lost,
)
