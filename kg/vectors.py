"""Named vectors of items or users, such as image or audio embeddings, made elsewhere.

A file is an .npz with `ids` [M] and `vectors` [M, W], or a table (CSV, TSV, Parquet, a frame) with
a column of ids and columns of numbers, or one column of numbers joined by '|' (a list in Parquet).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from kg import given
from kg.alike import ByValue
from kg.broken import Broken
from kg.errors import DataError, UsageError
from kg.ids import Vocab
from kg.tables import Table, existing_file, numbers, pick_columns, place, read_table, table_name

if TYPE_CHECKING:
    from collections.abc import Mapping

RESERVED = frozenset({"text", "graph", "id", "repeat", "intent", "query", "user", "linear"})
"""Names of the other parts of a score or gate."""
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


@dataclass(frozen=True, eq=False)
class Vectors(ByValue):
    """W numbers for M rows of a table: row int64 [M], ascending; values float32 [M, W].

    Rows that are not named are not known; a model must then add nothing. Raises `DataError` for
    rows that do not ascend and for a number that is not finite.
    """

    name: str
    row: np.ndarray
    values: np.ndarray

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.values.ndim != 2 or len(self.row) != len(self.values):
            raise DataError(f"Vectors {self.name!r} must have one row of numbers per row entry.")
        if (np.diff(self.row) <= 0).any() or (self.row.size and self.row[0] < 0):
            raise DataError(f"The rows of vectors {self.name!r} must ascend, each once.")
        bad = np.argwhere(~np.isfinite(self.values))
        if bad.size:
            at, number = bad[0].tolist()
            raise DataError(
                f"The vectors {self.name!r} must be finite numbers. Got {self.values[at, number]} "
                f"for row {int(self.row[at])} of their table: leave out rows that have none."
            )

    @property
    def width(self) -> int:
        """W."""
        return self.values.shape[1]

    def dense(self, rows: int) -> np.ndarray:
        """float32 [rows, W], zeros where nothing is known."""
        out = np.zeros((rows, self.width), np.float32)
        out[self.row] = self.values
        return out

    @classmethod
    def of(
        cls, name: str, ids: Iterable[object], values: Iterable[object], known: Vocab
    ) -> Vectors:
        """The vectors [M, W] of these ids, numbered by `known`; strangers are passed over.

        `values` is an array, a list of rows or a Series of them. Raises `DataError` for another
        shape, and naming the id of a number that is not finite.
        """
        keys = given.ids(ids, f"The ids of the vectors {name!r}")
        return _matched(name, keys, _rows(values, name), known, name)[0]


def _rows(values: Iterable[object], name: str) -> np.ndarray:
    """float [M, W]; a Series holds a list in each cell."""
    try:
        array = np.asarray(values)
        if array.dtype == object and array.ndim == 1:
            array = np.array([np.asarray(row, float) for row in array])
        return array.astype(float)
    except (TypeError, ValueError):
        raise DataError(f"The vectors {name!r} must be rows of equally many numbers.") from None


@dataclass(frozen=True, eq=False)
class VectorReport(ByValue):
    """Rows read and used; `aside` (id, row, reason) holds those that were not."""

    read: int
    used: int
    width: int
    aside: pl.DataFrame

    def __str__(self) -> str:
        counts = self.aside.group_by("reason").len().sort("reason").iter_rows()
        told = ", ".join(f"{n:,} {reason}" for reason, n in counts) or "none"
        return f"{self.read:,} vectors of {self.width} numbers, {self.used:,} used, aside: {told}"


def check_name(name: str) -> None:
    """`UsageError` unless vectors may be called so."""
    if not _NAME.fullmatch(name) or name in RESERVED:
        raise UsageError(
            "The name of vectors must be letters, digits, - and _, beginning with a letter, and "
            f"none of {', '.join(sorted(RESERVED))}. Got {name!r} instead."
        )


def read_vectors(
    name: str,
    path: Table,
    known: Vocab,
    *,
    spellings: tuple[str, ...] = ("id",),
    columns: Mapping[str, str] | None = None,
    broken: Broken | None = None,
) -> tuple[Vectors, VectorReport]:
    """The vectors of a file or frame, numbered by `known`, and a report of the rows not used.

    Set aside are ids that `known` lacks and rows of zeros, which say nothing. `spellings` are names
    of the id column of a table; `columns` ({"item_id": NAME}) overrules them by role. `DataError`
    names file, row, rule and value of an id that stands twice, of a number that is not finite, of
    rows of different widths. Lines of a table with another number of cells go to `broken`, if
    given.
    """
    check_name(name)
    if isinstance(path, str | Path) and Path(path).suffix == ".npz":
        ids, values = read_npz(existing_file(path))
    else:
        ids, values = _from_table(path, f"{known.name}_id", spellings, columns or {}, broken)
    return _matched(name, ids, values, known, table_name(path))


def read_npz(file: Path) -> tuple[list[str], np.ndarray]:
    """The ids [M] and vectors [M, W] of a file; `DataError` where it is broken or holds others."""
    try:
        with np.load(file, allow_pickle=False) as stored:
            missing = [key for key in ("ids", "vectors") if key not in stored.files]
            if missing:
                raise DataError(
                    f"{file} must hold the arrays 'ids' and 'vectors'. "
                    f"Got {', '.join(stored.files) or 'none'} instead."
                )
            ids, values = stored["ids"], stored["vectors"]
    except DataError:
        raise
    except Exception as error:  # a broken archive, or one of something else, may raise nearly any
        raise DataError(
            f"{file} is no readable .npz of plain numbers and texts (object arrays need pickle, "
            f"which is never read): {error}."
        ) from None
    if ids.dtype.kind not in "USiu" or ids.ndim != 1:
        raise DataError(
            f"{file}: 'ids' must be one row of texts or whole numbers. "
            f"Got the type {ids.dtype} and shape {list(ids.shape)} instead."
        )
    if ids.dtype.kind == "S":
        ids = np.char.decode(ids, "utf-8")
    if values.dtype.kind not in "fiu" or values.ndim != 2 or len(values) != len(ids):
        raise DataError(
            f"{file}: 'vectors' must be numbers of the shape [{len(ids)}, W], one row per id. "
            f"Got the type {values.dtype} and shape {list(values.shape)} instead."
        )
    return [str(key).strip() for key in ids.tolist()], values  # as ids of tables are


def _from_table(
    table: Table, role: str, spellings: tuple[str, ...], columns: Mapping[str, str],
    broken: Broken | None,
) -> tuple[list[str], np.ndarray]:  # fmt: skip
    frame, file = read_table(table, broken), table_name(table)
    wanted = {role: (role, *spellings)}
    asked = {r: name for r, name in columns.items() if r == role and name in frame.columns}
    key = pick_columns(frame, wanted, asked, needed=(role,), where=file)[role]
    rest = [name for name in frame.columns if name != key]
    if not rest:
        raise DataError(f"{file} must have columns of numbers beside {key!r}. It has none.")
    ids = frame[key].str.strip_chars().fill_null("").to_list()
    if len(rest) == 1 and frame[rest[0]].str.contains("|", literal=True).any():
        return ids, _joined(frame[rest[0]], file)
    return ids, np.stack([_filled(frame[name], file) for name in rest], 1)


def _filled(column: pl.Series, file: str) -> np.ndarray:
    values = numbers(column, file)
    if np.isnan(values).any():
        raise _bad(file, int(np.flatnonzero(np.isnan(values))[0]), column.name, "an empty cell")
    return values


def _joined(column: pl.Series, file: str) -> np.ndarray:
    """float32 [M, W] of cells like '0.1|0.2'."""
    cells = column.fill_null("").str.split("|")
    widths = cells.list.len().to_numpy()
    odd = np.flatnonzero(widths != widths[0])
    if odd.size:
        raise DataError(
            f"{place(file, int(odd[0]) + 1)}: column {column.name!r} must hold {widths[0]} numbers "
            f"as the first row does. Got {widths[odd[0]]} instead."
        )
    flat = cells.explode(empty_as_null=True).rename(column.name)
    values = flat.str.strip_chars().cast(pl.Float32, strict=False).to_numpy()
    bad = np.flatnonzero(~np.isfinite(values.astype(np.float32)))
    if bad.size:
        raise _bad(file, int(bad[0] // widths[0]), column.name, repr(flat[int(bad[0])]))
    return values.reshape(len(column), -1)


def _bad(file: str, row: int, column: object, found: str) -> DataError:
    return DataError(
        f"{place(file, row + 1)}: column {str(column)!r} must be a finite number. "
        f"Got {found} instead."
    )


def _at(where: str, row: int) -> str:
    """The line of a table, or the row of arrays."""
    return f"{where}, row {row + 1}" if where.endswith(".npz") else place(where, row + 1)


def _matched(
    name: str, ids: list[str], values: np.ndarray, known: Vocab, where: str
) -> tuple[Vectors, VectorReport]:
    if values.ndim != 2 or len(values) != len(ids) or values.shape[1] < 1:
        raise DataError(
            f"{where}: there must be W numbers for each of {len(ids)} ids, W >= 1. "
            f"Got the shape {list(values.shape)} instead."
        )
    with np.errstate(over="ignore"):
        values = values.astype(np.float32)
    bad = np.argwhere(~np.isfinite(values))
    if bad.size:
        row, column = bad[0].tolist()
        raise DataError(
            f"{_at(where, row)} (id {ids[row]!r}): number {column + 1} must be finite. "
            f"Got {values[row, column]} instead."
        )
    if len(set(ids)) != len(ids):
        first: dict[str, int] = {}
        row, key = next((n, k) for n, k in enumerate(ids) if first.setdefault(k, n) != n)
        raise DataError(
            f"{_at(where, row)}: each id must stand once. Got {key!r} again, after "
            f"{_at(where, first[key]).removeprefix(f'{where}, ')}."
        )
    code = known.encode(ids, missing="negative")
    told = values.any(1)
    reason = np.where(code < 0, f"unknown {known.name}", np.where(told, "", "only zeros"))
    keep = np.flatnonzero(reason == "")
    keep = keep[np.argsort(code[keep], kind="stable")]
    away = np.flatnonzero(reason != "")
    aside = pl.DataFrame(
        {"vectors": [name] * len(away), "id": [ids[n] for n in away.tolist()], "row": away + 1,
         "reason": reason[away].tolist()},
        schema={"vectors": pl.String, "id": pl.String, "row": pl.Int64, "reason": pl.String},
    )  # fmt: skip
    report = VectorReport(len(ids), len(keep), values.shape[1], aside)
    return Vectors(name, code[keep], values[keep]), report
