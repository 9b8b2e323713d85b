"""Times as people write them, to int64 seconds since 1970 (UTC)."""

from __future__ import annotations

import numpy as np
import polars as pl

from kg.errors import DataError

NO_TIME = np.int64(-(2**62))
"""An entry without a readable time; `kg.clean` keeps such events aside."""


def to_seconds(column: pl.Series, where: str) -> np.ndarray:
    """int64 [n] UTC seconds from epoch seconds, milli- or microseconds, or ISO 8601 text.

    The unit of numbers is judged by their median (a second count of today has ten digits). A time
    without a zone is read as UTC. An empty cell becomes `NO_TIME`; a column in which no cell can
    be read raises `DataError`.
    """
    text = column.str.strip_chars().replace("", None)
    plain = text.cast(pl.Float64, strict=False)
    if plain.null_count() < text.len() and plain.null_count() <= 0.5 * text.len():
        seconds = _from_numbers(plain)
    else:
        seconds = _from_iso(text)
    if (seconds == NO_TIME).all():
        raise DataError(
            f"{where}: column {column.name!r} must hold epoch seconds, milliseconds or ISO 8601 "
            f"times. Got {column[0]!r} in its first row instead. For rows that are already in "
            "order and have no time, use --no-time."
        )
    return seconds


def _from_numbers(plain: pl.Series) -> np.ndarray:
    median = abs(float(plain.median() or 0.0))  # type: ignore[arg-type]
    unit = 1.0 if median < 1e11 else 1e3 if median < 1e14 else 1e6 if median < 1e17 else 1e9
    values = plain.fill_null(float("nan")).to_numpy() / unit
    ok = np.isfinite(values) & (np.abs(values) < 2**53)
    return np.where(ok, np.floor(np.where(ok, values, 0)), NO_TIME).astype(np.int64)


_FORMATS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d", "%Y/%m/%dT%H:%M:%S%.f",
            "%Y/%m/%dT%H:%M", "%Y/%m/%d")  # fmt: skip


def _from_iso(text: pl.Series) -> np.ndarray:
    joined = text.str.replace(r"^(\S+)\s+", "$1T", n=1)
    zone = joined.str.extract(r"T.*?(Z|z|[+-]\d{2}:?\d{2})$")
    bare = joined.str.replace(r"(T.*?)(Z|z|[+-]\d{2}:?\d{2})$", "$1")
    seconds = pl.Series([None] * len(text), dtype=pl.Int64)
    for form in _FORMATS:
        if "%H" in form:
            parsed = bare.str.to_datetime(form, strict=False, time_unit="us")
        else:
            parsed = bare.str.to_date(form, strict=False).cast(pl.Datetime("us"))
        seconds = seconds.zip_with(seconds.is_not_null(), parsed.dt.epoch("s"))
        if seconds.null_count() == text.null_count():
            break
    digits = zone.str.replace(":", "")
    hours = digits.str.slice(0, 3).cast(pl.Int64, strict=False).fill_null(0).to_numpy()
    minutes = digits.str.slice(3, 2).cast(pl.Int64, strict=False).fill_null(0).to_numpy()
    negative = digits.str.starts_with("-").fill_null(False).to_numpy()
    shift = hours * 3600 + np.where(negative, -minutes, minutes) * 60
    known = seconds.is_not_null().to_numpy()
    return np.where(known, seconds.fill_null(0).to_numpy() - shift, NO_TIME).astype(np.int64)
