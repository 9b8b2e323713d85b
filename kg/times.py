"""Times as people write them, to int64 seconds since 1970 (UTC)."""

from __future__ import annotations

import numpy as np
import polars as pl

from kg.errors import DataError
from kg.widths import narrow

NO_TIME = np.int64(-(2**62))
"""An entry without a readable time; `kg.clean` keeps such events aside."""


def to_seconds(column: pl.Series, where: str) -> np.ndarray:
    """int64 [n] UTC seconds from epoch seconds, milli- or microseconds, or ISO 8601 text.

    The unit of numbers is judged by their median (a second count of today has ten digits); 8, 12
    or 14 digits that all spell a moment, such as 20240131 or 202401311405, are dates. Days may be
    written 2024/1/31, 2024.01.31 or 2024年1月31日, times 2:05 PM, 下午 2:05 or 14时5分, all of them
    in full-width forms. A time without a zone is read as UTC. A cell that is empty or cannot be
    read becomes `NO_TIME`; a column in which no cell can be read raises `DataError`.
    """
    text = narrow(column).str.strip_chars().replace("", None)
    plain = _finite(text.cast(pl.Float64, strict=False))
    if plain.null_count() == text.null_count() and plain.null_count() < len(plain):
        seconds = _from_numbers(text, plain)
    else:  # what the minority of the cells holds is no time
        seconds = _from_iso(text)
        if plain.is_not_null().sum() > (seconds != NO_TIME).sum():
            seconds = _from_numbers(text, plain)
    if (seconds == NO_TIME).all():
        filled = np.flatnonzero(text.is_not_null().to_numpy())
        row = int(filled[0]) if filled.size else 0
        raise DataError(
            f"{where}: column {column.name!r} must hold epoch seconds, milliseconds or ISO 8601 "
            f"times. Got {column[row]!r} in row {row + 1} instead: write it with the year first, "
            "such as 2026-11-03 14:05 (whether 03/11 is March or November is not "
            "guessed). For rows that are already in order and have no time, use --no-time."
        )
    return seconds


def spelled(seconds: int) -> str:
    """'2026-11-03 14:05:00', the moment of these UTC seconds (of any year)."""
    return str(np.datetime64(int(seconds), "s")).replace("T", " ")


def _finite(values: pl.Series) -> pl.Series:
    """Null for what is no number at all, NaN and infinity."""
    return values.set(~values.is_finite().fill_null(False), None)


_COMPACT = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}


def _from_numbers(text: pl.Series, plain: pl.Series) -> np.ndarray:
    for length, form in _COMPACT.items():
        days = _moments(text.set(text.str.len_chars() != length, None), form)
        days = days.set(~days.dt.year().is_between(1900, 2199), None)
        if days.null_count() == plain.null_count():
            return days.dt.epoch("s").fill_null(int(NO_TIME)).to_numpy().astype(np.int64)
    values = plain.to_numpy().astype(np.float64)  # null becomes NaN
    median = float(np.nanmedian(np.abs(values)))
    unit = 1.0 if median < 1e11 else 1e3 if median < 1e14 else 1e6 if median < 1e17 else 1e9
    values = values / unit
    ok = np.abs(values) < 2**53  # False for NaN
    return np.where(ok, np.floor(np.where(ok, values, 0)), NO_TIME).astype(np.int64)


_FORMATS = ("%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d")
_YEAR_FIRST = r"^(\d{4})[/.年](\d{1,2})[/.月](\d{1,2})日?"
_ZONE = r"(T[0-9:.]+) ?(Z|z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)$"


_HALF = r"(?i)\s*(上午|下午|[ap]\.?m\b\.?)\s*"
_UNITS = ((r"[时時点點]\s*(\d)", ":${1}"), (r"分\s*(\d)", ":${1}"), (r"[时時点點]整?", ":00"),
          (r"[分秒]", ""))  # fmt: skip


def _from_iso(text: pl.Series) -> np.ndarray:
    half = text.str.extract(_HALF, 1).str.to_lowercase()
    plain = text.str.replace(_HALF, " ")
    for unit, mark in _UNITS:
        plain = plain.str.replace(unit, mark)
    dashed = plain.str.replace(_YEAR_FIRST, "${1}-${2}-${3} ").str.strip_chars()
    joined = dashed.str.replace(r"^(\S+?)(\s+T?|T)", "${1}T", n=1)
    zone = joined.str.extract(_ZONE, 2)
    bare = joined.str.replace(_ZONE, "${1}")
    seconds = pl.Series([None] * len(text), dtype=pl.Int64)
    for form in _FORMATS:
        seconds = seconds.zip_with(seconds.is_not_null(), _moments(bare, form).dt.epoch("s"))
        if seconds.null_count() == text.null_count():
            break
    seconds = _of_half(seconds, half)
    known = seconds.is_not_null().to_numpy()
    return np.where(known, seconds.fill_null(0).to_numpy() - _shift(zone), NO_TIME).astype(np.int64)


def _of_half(seconds: pl.Series, half: pl.Series) -> pl.Series:
    """With the half of the day that stands beside a time of twelve hours ('pm', '下午'); null where
    it cannot be, as in 14:00 AM. An hour of 24 that says so twice (14:00 PM) stays.
    """
    if half.null_count() == len(half):
        return seconds
    late = half.str.contains("下|p").fill_null(False)
    early = ~late & half.is_not_null()
    hour = seconds // 3600 % 24
    seconds = seconds.set(early & (hour > 12).fill_null(False), None)
    noon = early & (hour == 12).fill_null(False)
    after = late & (hour < 12).fill_null(False)
    return seconds + 12 * 3600 * (after.cast(pl.Int64) - noon.cast(pl.Int64))


def _moments(text: pl.Series, form: str) -> pl.Series:
    """Of this form, null where a cell is of another."""
    if "%H" in form:
        return text.str.to_datetime(form, strict=False, time_unit="us")
    return text.str.to_date(form, strict=False).cast(pl.Datetime("us"))


def _shift(zone: pl.Series) -> np.ndarray:
    """int64 [n]: seconds that this zone ('+08:00', '-0330', '+08', 'Z' or null) is ahead of UTC."""
    digits = zone.str.replace(":", "")
    hours = digits.str.slice(1, 2).cast(pl.Int64, strict=False).fill_null(0).to_numpy()
    minutes = digits.str.slice(3, 2).cast(pl.Int64, strict=False).fill_null(0).to_numpy()
    sign = np.where(digits.str.starts_with("-").fill_null(False).to_numpy(), -1, 1)
    return np.asarray(sign * (hours * 3600 + minutes * 60), np.int64)
