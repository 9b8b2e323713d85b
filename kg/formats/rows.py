"""Tables as files of the field hold them, with and without a header; errors name the line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from kg.errors import DataError, UsageError
from kg.formats.tables import EVENTS
from kg.tables import (
    UNREADABLE,
    bad_byte,
    column_names,
    existing_file,
    open_bytes,
    read_table,
)

# A table without a header


def member(folder: Path, name: str, form: str) -> Path:
    """The file of this name in a folder of this format; `DataError` where it is missing."""
    if not folder.is_dir():
        raise DataError(f"A data set in the format {form} must be a folder. Got {folder} instead.")
    file = folder / name
    if not file.is_file():
        there = sorted(one.name for one in folder.iterdir())[:10]
        raise DataError(
            f"{folder} must hold a file {name} ({form}). Got {', '.join(there) or 'nothing'}."
        )
    return file


def bare_table(
    file: Path, mark: str, names: Sequence[str], *, optional: int = 0, latin: bool = False
) -> pl.DataFrame:
    """The cells of a file without a header or quoting as text (null where empty), and `line`.

    The last `optional` cells of a line may be missing. `latin`: a file that is not UTF-8 is
    Latin-1. Raises `DataError` naming the line of a wrong number of cells.
    """
    lines = _lines(file, latin)
    width = lines["text"].str.count_matches(mark, literal=True) + 1
    wrong = np.flatnonzero(~width.is_between(len(names) - optional, len(names)).to_numpy())
    if wrong.size:
        row = int(wrong[0])
        told = f"{len(names) - optional} to {len(names)}" if optional else str(len(names))
        raise DataError(
            f"{file}, line {lines['line'][row]}, must have {told} cells ({', '.join(names)}) "
            f"separated by {mark!r}. Got {width[row]} instead."
        )
    cells = lines["text"].str.split_exact(mark, len(names) - 1).struct.rename_fields(list(names))
    frame = cells.struct.unnest().with_columns(pl.all().str.strip_chars().replace("", None))
    return frame.with_columns(lines["line"])


def _lines(file: Path, latin: bool) -> pl.DataFrame:
    """`line`, from 1, and `text` of the lines that are not blank."""
    frame = file_lines(file, latin).filter(pl.col("text").str.strip_chars() != "")
    if frame.height == 0:
        raise DataError(f"{file} is empty: at least one line is needed.")
    return frame.with_columns(pl.col("line").cast(pl.Int64))


def check_numbers(frame: pl.DataFrame, column: str, file: Path, called: str = "") -> None:
    """Raises `DataError` naming the line of the first cell that is filled and no number; `called`
    is what the message calls the column, if not by its name.
    """
    bad = frame[column].is_not_null() & frame[column].cast(pl.Float64, strict=False).is_null()
    if bad.any():
        row = int(np.flatnonzero(bad.to_numpy())[0])
        raise DataError(
            f"{file}, line {frame['line'][row]}: the {called or column} must be a number. "
            f"Got {frame[column][row]!r} instead."
        )


# A table with one


def headed_table(file: Path, names: Sequence[str]) -> pl.DataFrame:
    """These columns of a file as text; `DataError` where its header lacks one."""
    frame = read_table(file)
    for name in names:
        if name not in frame.columns:
            raise DataError(
                f"{file}, line 1, must name the column {name!r}. "
                f"Got {', '.join(frame.columns[:12])} instead."
            )
    return frame.select(pl.col(name).str.strip_chars().replace("", None) for name in names)


def header_of(path: Path) -> set[str]:
    """The names of a file's columns; none where it is no table."""
    try:
        return set(column_names(path)) if path.is_file() else set()
    except (DataError, UsageError):
        return set()


def events_frame(frame: pl.DataFrame, behaviour: str | None = None) -> pl.DataFrame:
    """The columns of `EVENTS` in their order, all of this behaviour; those without a cell go."""
    if behaviour is not None:
        frame = frame.with_columns(pl.lit(behaviour).alias("behaviour"))
    empty = [name for name in frame.columns if frame[name].null_count() == frame.height]
    kept = [name for name in EVENTS if name in frame.columns]
    return frame.select(name for name in kept if name not in empty or name == "user_id")


# Lines


def file_lines(file: Path, latin: bool = False) -> pl.DataFrame:
    """The lines of a text file that are not empty: line (from 1, of the file), text.

    `latin`: a file that is not UTF-8 is Latin-1. Raises `UsageError` if there is no such file,
    `DataError` where it is empty or no UTF-8.
    """
    try:
        with open_bytes(existing_file(file)) as handle:
            raw = handle.read().removeprefix(b"\xef\xbb\xbf")
    except UNREADABLE as error:
        raise DataError(f"{file} cannot be read: {error}.") from None
    if b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if not latin:
            line = raw.count(b"\n", 0, error.start) + 1
            raise bad_byte(file, line, raw[error.start]) from None
        text = raw.decode("latin-1")
    column = pl.col("text")
    lines = pl.DataFrame({"text": [text]}).with_columns(column.str.split("\n")).explode("text")
    lines = lines.with_columns(column.str.strip_suffix("\r")).with_row_index("line", offset=1)
    return lines.filter(column != "")


def first_bad(frame: pl.DataFrame, bad: pl.Expr) -> dict[str, object] | None:
    """The first row for which the expression is true, by column name; None if there is none."""
    rows = frame.filter(bad).head(1)
    return rows.row(0, named=True) if rows.height else None
