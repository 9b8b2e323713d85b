"""When facts came to be known: int64 [E] UTC seconds beside the edges of a relation.

Edges of a relation without such an array have no date, nor has one that is `UNDATED` in it.
"""

from __future__ import annotations

import contextlib

import numpy as np
import polars as pl

from kg.errors import DataError
from kg.tables import place
from kg.times import NO_TIME, to_seconds

UNDATED = NO_TIME
"""Of an edge whose date is not known, in a relation in which others have one."""
_NEVER = np.iinfo(np.int64).max


def distinct(
    index: np.ndarray, time: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Edges [2, E'] sorted, each once, and their dates [E']: the earliest that is known of each."""
    if time is None:
        return np.unique(index, axis=1), None
    edges, at = np.unique(index, axis=1, return_inverse=True)
    first = np.full(edges.shape[1], _NEVER)
    np.minimum.at(first, at.ravel(), np.where(time == UNDATED, _NEVER, time))
    return edges, np.where(first == _NEVER, UNDATED, first)


def dates(column: pl.Series, where: str) -> np.ndarray:
    """int64 [n] UTC seconds of a column of the file `where`, `UNDATED` where a cell is empty.

    Raises `DataError` naming the line of a cell that is neither a date nor a number of seconds; a
    year alone is none, for nobody knows when in it.
    """
    text = column.cast(pl.String).str.strip_chars().replace("", None)
    out, bad = read_dates(text, where)
    if bad.size:
        row = int(bad[0])
        raise DataError(
            f"{place(where, row + 1)}: {column.name!r} {DATE}. Got {text[row]!r} instead."
        )
    return out


DATE = "must be a date (2024-05-31, ISO 8601) or UTC seconds"


def read_dates(text: pl.Series, where: str) -> tuple[np.ndarray, np.ndarray]:
    """The dates of cells (null where empty) as `dates` gives them, and the rows of bad cells."""
    out = np.full(len(text), UNDATED)
    short = text.str.contains(r"^\d{1,4}$").fill_null(False).to_numpy()
    plain = text.cast(pl.Float64, strict=False).is_not_null().to_numpy() & ~short
    filled = text.is_not_null().to_numpy()
    for cells in (np.flatnonzero(plain), np.flatnonzero(filled & ~plain & ~short)):
        with contextlib.suppress(DataError):  # not one can be read: told below
            out[cells] = to_seconds(text[cells], where) if cells.size else UNDATED
    return out, np.flatnonzero(filled & (out == UNDATED))
