"""One atomic file of RecBole: tabs, a header of `name:type`, and cells checked against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from kg.errors import DataError
from kg.formats.rows import file_lines, first_bad
from kg.formats.tables import Named

TYPES = ("token", "token_seq", "float", "float_seq")
WORDS = ("title", "text")
"""Columns of `Tables` whose token_seq is a text of words, not several values."""
LINE = "\x00line"
"""The column of line numbers; no header can have this name."""


@dataclass(frozen=True)
class Atomic:
    """One atomic file: `types` by column name, `frame` of text with these columns and `LINE`."""

    file: Path
    types: Mapping[str, str]
    frame: pl.DataFrame

    def of_type(self, kind: str) -> list[str]:
        """The names of the columns of this type, in their order."""
        return [name for name, type_ in self.types.items() if type_ == kind]

    def need(self, *names: str) -> None:
        """`DataError` unless these columns are there."""
        for name in names:
            if name not in self.types:
                raise DataError(
                    f"{self.file}, line 1: the header must have a column {name!r}. "
                    f"Got {', '.join(self.types)}."
                )

    def unique(self, name: str) -> None:
        """`DataError` where a cell of this column is empty or stands there twice."""
        found = first_bad(self.frame, pl.col(name).is_null())
        if found is not None:
            raise DataError(f"{self.file}, line {found[LINE]}: {name} must not be empty.")
        found = first_bad(self.frame, ~pl.col(name).is_first_distinct())
        if found is not None:
            raise DataError(
                f"{self.file}, line {found[LINE]}: each {name} must stand there once. "
                f"Got {found[name]!r} again."
            )


def read_atomic(file: Path) -> Atomic:
    """The file, each cell checked against the type of its column; empty cells are null.

    Raises `DataError` for an empty file, a header without types, a line with too few or too many
    cells, a byte that is not UTF-8, and a float that is no number.
    """
    lines = file_lines(file)
    if lines.height == 0:
        raise DataError(f"{file} is empty: a header and at least one row are needed.")
    types = _types(str(lines["text"][0]), file)
    body = lines.tail(-1)
    if lines["line"][0] != 1 or body.height == 0:
        raise DataError(f"{file} must have a header in line 1 and at least one row below it.")
    atomic = Atomic(file, types, _cells(body, list(types), file))
    floats = atomic.of_type("float")
    for name in floats:
        _check_numbers(atomic, name)
    none = (pl.col(name).str.strip_chars().str.to_lowercase() == "nan" for name in floats)
    kept = [pl.when(nan).then(None).otherwise(pl.col(name)).alias(name)
            for name, nan in zip(floats, none, strict=True)]  # fmt: skip
    return Atomic(file, types, atomic.frame.with_columns(kept))


def _types(header: str, file: Path) -> dict[str, str]:
    types: dict[str, str] = {}
    for cell in header.split("\t"):
        name, _, kind = cell.strip().rpartition(":")
        if not name or kind not in TYPES:
            raise DataError(
                f"{file}, line 1: each column of the header must be name:type, with a type of "
                f"{', '.join(TYPES)}, and tabs between them. Got {cell[:80]!r}."
            )
        if name in types:
            raise DataError(f"{file}, line 1: each column must have its own name. Got {name!r} "
                            "twice.")  # fmt: skip
        types[name] = kind
    return types


def _cells(body: pl.DataFrame, names: Sequence[str], file: Path) -> pl.DataFrame:
    tabs = pl.col("text").str.count_matches("\t", literal=True)
    found = first_bad(body.with_columns(tabs.alias("tabs")), pl.col("tabs") != len(names) - 1)
    if found is not None:
        raise DataError(
            f"{file}, line {found['line']}, must have {len(names)} cells between tabs as the "
            f"header has. Got {int(str(found['tabs'])) + 1} instead."
        )
    parts = body["text"].str.split_exact("\t", len(names) - 1).struct.unnest()
    columns = [parts.to_series(place).alias(name) for place, name in enumerate(names)]
    frame = pl.DataFrame(columns).with_columns(pl.all().replace("", None))
    return frame.with_columns(body["line"].alias(LINE))


def _check_numbers(atomic: Atomic, name: str) -> None:
    number = pl.col(name).str.strip_chars().cast(pl.Float64, strict=False)
    bad = pl.col(name).is_not_null() & ~(number.is_finite() | number.is_nan()).fill_null(False)
    found = first_bad(atomic.frame, bad)
    if found is not None:
        raise DataError(
            f"{atomic.file}, line {found[LINE]}: {name} must be a number. Got {found[name]!r}."
        )


def values_of(atomic: Atomic, name: str, role: str) -> pl.Expr:
    """The column as cells of `Tables`: several values joined by '|', the words of a text kept."""
    if atomic.types[name] != "token_seq" or role in WORDS:
        return pl.col(name)
    tidy = pl.col(name).str.replace_all("|", "/", literal=True).str.strip_chars(" ")
    return tidy.str.replace_all(" +", "|").replace("", None).alias(name)


# Vectors


def vectors_of(atomic: Atomic, column: str, key: str) -> Named:
    """The float_seq of one column; rows without one are left out.

    Raises `DataError` where a value is no number or a vector is not as long as the first.
    """
    rows = atomic.frame.filter(pl.col(column).is_not_null())
    words = rows[column].str.strip_chars(" ").str.replace_all(" +", " ").str.split(" ")
    width = int(words.list.len()[0]) if rows.height else 0
    sized = rows.with_columns(words.list.len().alias("\x00"))
    found = first_bad(sized, pl.col("\x00") != width)
    if found is not None:
        raise DataError(
            f"{atomic.file}, line {found[LINE]}: {column} must hold {width} numbers as the "
            f"first row does. Got {found[chr(0)]}."
        )
    flat = words.explode(empty_as_null=True).cast(pl.Float32, strict=False)
    wrong = np.flatnonzero(~flat.is_finite().fill_null(False).to_numpy())
    if wrong.size:
        row = int(wrong[0]) // width
        raise DataError(
            f"{atomic.file}, line {rows[LINE][row]}: {column} must be numbers joined by a "
            f"space. Got {words[row][int(wrong[0]) % width]!r}."
        )
    return Named(tuple(rows[key].to_list()), flat.to_numpy().reshape(rows.height, width))
