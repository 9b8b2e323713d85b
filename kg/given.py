"""What comes from Python: columns and frames, read by position, whatever library made them.

A column is a list, a tuple, an array or a Series of polars or pandas; a frame is one of polars or
pandas, which is never imported. The labels of a pandas index say nothing here: after a sort or a
filter they are no positions.

Cells become text by one rule: None, NaN, NaT and NA are empty; floats that are all whole, which
pandas makes of whole numbers with gaps, are written without a point; moments are ISO 8601 in UTC
(one without a zone is read as UTC); the values of a list are joined by '|'.
"""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import polars as pl

from kg.errors import DataError, UsageError
from kg.times import NO_TIME, spelled, to_seconds

JOINT = "|"
"""Stands between the values of one cell."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_LATEST = 10**12
"""No time in seconds lies beyond this (the year 33658); a count of milliseconds does."""
_NAN = (float, np.floating, np.datetime64, decimal.Decimal)
_WIDTHS = {"datetime64[D]", "datetime64[ms]", "datetime64[us]", "datetime64[ns]"}


class PandasFrame(Protocol):
    """As much of a pandas frame as is looked at."""

    columns: Any
    index: Any
    iloc: Any


Frame = pl.DataFrame | pl.LazyFrame | PandasFrame


def is_frame(table: object) -> bool:
    """Whether this is a frame of polars or pandas."""
    if isinstance(table, pl.DataFrame | pl.LazyFrame):
        return True
    return hasattr(table, "columns") and hasattr(table, "iloc")


def frame_of(table: Frame) -> pl.DataFrame:
    """As a frame of polars; of pandas, the levels of an index that has a name are columns too.

    Raises `DataError` for two columns of one name.
    """
    if isinstance(table, pl.LazyFrame):
        return table.collect()
    if isinstance(table, pl.DataFrame):
        return table
    columns: dict[str, Any] = {}
    for level, name in enumerate(table.index.names):
        if name is not None and name not in table.columns:
            columns[str(name)] = table.index.get_level_values(level)
    for at, name in enumerate(table.columns):
        if str(name) in columns:
            raise DataError(f"Each column of a frame must have its own name. Got {name!r} twice.")
        columns[str(name)] = table.iloc[:, at]
    return pl.DataFrame([_series(name, column) for name, column in columns.items()])


def _series(name: str, column: Any) -> pl.Series:
    """Of cells that are no text an Object, which `as_text` refuses."""
    cells = _plain(column, f"The column {name!r}")
    if isinstance(cells, pl.Series):
        return cells.rename(name)
    try:
        return pl.Series(name, _texts(cells), dtype=pl.String)
    except TypeError:
        return pl.Series(name, cells, dtype=pl.Object)


# Columns


def cells(column: Iterable[Any], what: str) -> list[Any]:
    """The cells of a column as they are; `UsageError` for what is no column."""
    found = _plain(column, what)
    return found.to_list() if isinstance(found, pl.Series) else found


def texts(column: Iterable[object], what: str) -> list[str | None]:
    """The cells of a column as text, None where one is empty.

    Raises `UsageError` for what is no column, `DataError` for cells that are no text.
    """
    cells = _plain(column, what)
    if isinstance(cells, pl.Series):
        text = as_text(cells)
        found = None if text is None else text.to_list()
    else:
        try:
            found = _texts(cells)
        except TypeError:
            found = None
    if found is None:
        raise DataError(f"{what} must hold text, numbers, times or lists of them.")
    return [cell or None for cell in found]


def ids(column: Iterable[object], what: str) -> list[str]:
    """The cells of a column as text; `DataError` names the place of one that is empty."""
    cells = _plain(column, what)
    found = texts(cells, what)
    for at, key in enumerate(found):
        if key is None:
            told = _shown(cells[at])
            raise DataError(f"{what}, position {at} (from 0), must not be empty. Got {told}.")
    return [key for key in found if key is not None]


def lists(column: Iterable[object], what: str) -> list[list[str]]:
    """The values of each cell: several of a list, one of anything else, none where it is empty."""
    rows = [
        [cell] if not _several(cell) else sorted(cell, key=str) if isinstance(cell, set | frozenset)
        else list(cell) for cell in cells(column, what)
    ]  # fmt: skip
    flat = iter(texts([cell for row in rows for cell in row], what))
    return [[text for _ in row if (text := next(flat)) is not None] for row in rows]


def numbers(column: Iterable[object], what: str) -> np.ndarray:
    """float64 [n], NaN where a cell is empty; `DataError` names the first that is no number."""
    cells = _plain(column, what)
    if isinstance(cells, pl.Series) and cells.dtype.is_numeric():
        return cells.cast(pl.Float64).to_numpy().astype(np.float64)
    out = np.full(len(cells), np.nan)
    for at, cell in enumerate(cells):
        try:
            out[at] = np.nan if is_missing(cell) else float(cell)
        except (TypeError, ValueError):
            raise DataError(
                f"{what}, position {at} (from 0), must be a number. Got {_shown(cell)}."
            ) from None
    return out


def seconds(column: Iterable[object], what: str) -> np.ndarray:
    """int64 [n] UTC seconds of datetimes, dates, ISO 8601 text, or numbers that are seconds.

    Raises `DataError` naming the place of a cell that is empty or no moment, and for numbers too
    large to be seconds.
    """
    array = _array(column, what)
    missing = map(is_missing, array) if array.dtype == object else array != array
    if (empty := np.flatnonzero(np.fromiter(missing, bool, len(array)))).size:
        raise _no_moment(what, int(empty[0]), array[empty[0]])
    kind = array.dtype.kind
    if kind == "M":
        return array.astype("datetime64[s]").astype(np.int64)
    if kind == "U" or (kind == "O" and len(array) and all(isinstance(c, str) for c in array)):
        return _spelled_out(array.tolist(), what)
    if kind == "O":
        array = np.array([_moment(cell, what, at) for at, cell in enumerate(array)], np.int64)
    elif kind not in "iuf":
        raise UsageError(f"{what} must hold moments. Got the type {array.dtype} instead.")
    return _counted(array, what)


def _spelled_out(cells: list[str], what: str) -> np.ndarray:
    try:
        found = to_seconds(pl.Series("time", cells, dtype=pl.String), what)
    except DataError:  # not one can be read
        raise _no_moment(what, 0, cells[0]) from None
    if (bad := np.flatnonzero(found == NO_TIME)).size:
        raise _no_moment(what, int(bad[0]), cells[bad[0]])
    return found


def _counted(array: np.ndarray, what: str) -> np.ndarray:
    """Of numbers that are seconds already."""
    if (bad := np.flatnonzero(np.abs(array.astype(float)) >= 2**63)).size:
        raise _no_moment(what, int(bad[0]), array[bad[0]])
    found = np.floor(array).astype(np.int64)
    known = found[found != NO_TIME]
    if len(known) and np.median(np.abs(known)) > _LATEST:
        raise DataError(
            f"{what} must be seconds since 1970 or datetimes. Got {known[0]}, which would be "
            f"{_year(int(known[0]))}: divide milliseconds by 1000, nanoseconds by 1e9."
        )
    return found


def is_missing(cell: object) -> bool:
    """Whether it is None, NaN, NaT or the NA of pandas."""
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(cell, _NAN) and bool(cell != cell)


def as_text(column: pl.Series) -> pl.Series | None:
    """The cells as text, null where empty; None for a type that is no text, number or time and no
    list of them.
    """
    kind = column.dtype
    try:
        if isinstance(kind, pl.Array):
            column = column.arr.to_list()
        if isinstance(column.dtype, pl.List):
            if isinstance(column.dtype.inner, pl.Struct):
                return None
            return column.list.eval(pl.element().cast(pl.String)).list.join(JOINT).replace("", None)
        if kind == pl.Datetime:  # a time with a zone becomes UTC
            return column.cast(pl.Datetime("us")).dt.strftime("%Y-%m-%dT%H:%M:%S")
        if kind.is_float():
            column = column.fill_nan(None)
            if _all_whole(column):  # pandas turns whole numbers with gaps into floats
                return column.cast(pl.Int64).cast(pl.String)
        return None if kind in (pl.Struct, pl.Object) else column.cast(pl.String)
    except pl.exceptions.PolarsError:
        return None


def _all_whole(column: pl.Series) -> bool:
    values = column.drop_nulls()
    return bool(
        values.is_finite().all()
        and (values == values.round(0)).all()
        and (values.abs() < 2**53).all()
    )


# One column, one cell


def _plain(column: Any, what: str) -> pl.Series | list[Any]:
    """The cells by position: of one type as a Series of polars, else as a list."""
    if isinstance(column, list | pl.Series):
        return column
    array = column.to_numpy() if hasattr(column, "to_numpy") else column
    if not isinstance(array, np.ndarray):
        return _listed(array, what)
    if array.ndim != 1:
        raise UsageError(f"{what} must be one column. Got the shape {list(array.shape)} instead.")
    if array.dtype.kind == "M" and str(array.dtype) not in _WIDTHS:
        array = array.astype("datetime64[us]")
    return pl.Series(array) if array.dtype.kind in "biufM" else array.tolist()


def _listed(column: Any, what: str) -> list[Any]:
    if is_frame(column) or isinstance(column, str | bytes | Mapping | set | frozenset):
        found = "a frame" if is_frame(column) else f"a {type(column).__name__}"
    elif isinstance(column, Iterable):
        return list(column)
    else:
        found = repr(column)
    raise UsageError(f"{what} must be a column: a list, an array or a Series. Got {found} instead.")


def _array(column: Any, what: str) -> np.ndarray:
    """The cells of times by position, as numpy has them."""
    array = column.to_numpy() if hasattr(column, "to_numpy") else column
    if not isinstance(array, np.ndarray):
        cells = _listed(array, what)
        for at, cell in enumerate(cells):
            if _several(cell):
                raise _no_moment(what, at, cell)
        array = np.array(cells)
        if array.dtype.kind not in "iufM":  # numpy would make text of numbers beside it
            array = np.array(cells, object)
    if array.ndim != 1:
        raise UsageError(f"{what} must be one column. Got the shape {list(array.shape)} instead.")
    return array


def _several(cell: object) -> bool:
    return isinstance(cell, Iterable) and not isinstance(cell, str | bytes | Mapping)


def _texts(cells: Sequence[Any]) -> list[str | None]:
    """Of cells of any kind; `TypeError` for one that is no text."""
    if all(type(cell) is str for cell in cells):
        return list(cells)
    floats = [c for c in cells if isinstance(c, float | np.floating) and c == c]
    whole = all(np.isfinite(c) and c == round(c) and abs(float(c)) < 2**53 for c in floats)
    return [None if is_missing(cell) else _text(cell, whole) for cell in cells]


def _text(cell: Any, whole: bool) -> str:
    if isinstance(cell, str):
        return str(cell)
    if isinstance(cell, bool | np.bool_):
        return "true" if cell else "false"
    if isinstance(cell, float | np.floating):
        return str(int(cell)) if whole else str(cell)
    if isinstance(cell, dt.datetime):
        moment = cell if cell.tzinfo is None else cell.astimezone(dt.UTC).replace(tzinfo=None)
        return moment.isoformat(timespec="seconds")
    if isinstance(cell, bytes | Mapping):
        raise TypeError("neither text nor a number")
    if _several(cell):
        return JOINT.join(text for text in _texts(list(cell)) if text)
    return str(cell)


def _moment(cell: Any, what: str, at: int) -> int:
    if isinstance(cell, dt.datetime):
        zoned = cell if cell.tzinfo is not None else cell.replace(tzinfo=dt.UTC)
        return int((zoned - _EPOCH) // dt.timedelta(seconds=1))
    if isinstance(cell, dt.date):
        return (cell - _EPOCH.date()).days * 86400
    if isinstance(cell, np.datetime64):
        return int(cell.astype("datetime64[s]").astype(np.int64))
    if isinstance(cell, int | float | np.integer | np.floating) and abs(float(cell)) < 2**63:
        return int(np.floor(cell))
    raise _no_moment(what, at, cell)


def _no_moment(what: str, at: int, cell: object) -> DataError:
    return DataError(
        f"{what}, position {at} (from 0), must be a moment: seconds since 1970, a datetime or ISO "
        f"8601 text. Got {_shown(cell)} instead: leave out what has none, or the whole column."
    )


def _shown(cell: object) -> str:
    return str(cell) if isinstance(cell, np.number | np.datetime64) else repr(cell)


def _year(stamp: int) -> str:
    return f"the year {spelled(stamp).split('-')[0]}" if abs(stamp) < 2**55 else "no year at all"
