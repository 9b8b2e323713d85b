"""Reading a user's table: CSV, TSV or Parquet, gzipped or not, every column as text.

Ids must stay as they were written ('0114709' is not 114709), so nothing is guessed here; whoever
asks for numbers calls `numbers` or `kg.times`, which name the row that is wrong.
"""

from __future__ import annotations

import codecs
import gzip
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl

from kg.errors import DataError, UsageError, suggest


def read_table(path: str | Path) -> pl.DataFrame:
    """Every column of the file as text (null where empty).

    Raises `UsageError` if there is no such file, `DataError` if it is empty or cannot be read.
    """
    file = existing_file(path)
    frame = _read_parquet(file) if ".parquet" in file.suffixes else _read_csv(file)
    if frame.height == 0:
        raise DataError(f"{file} has a header and no rows: at least one row is needed.")
    return frame


def existing_file(path: str | Path) -> Path:
    """The path, checked to be a file with something in it."""
    file = Path(path)
    if not file.exists():
        raise UsageError(f"There is no file {file}.")
    if file.is_dir():
        raise UsageError(f"{file} is a folder; a file is needed.")
    try:
        size = file.stat().st_size
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}.") from None
    if size == 0:
        raise DataError(f"{file} is empty: a header and at least one row are needed.")
    return file


def _read_parquet(file: Path) -> pl.DataFrame:
    try:
        raw = open_bytes(file).read()
        frame = pl.read_parquet(raw)
    except (OSError, EOFError, pl.exceptions.PolarsError) as error:
        raise DataError(f"{file} is not a readable Parquet file: {_first_line(error)}") from None
    return frame.select(_as_text(frame[name]) for name in frame.columns)


def _as_text(column: pl.Series) -> pl.Series:
    if column.dtype == pl.List:
        return column.list.eval(pl.element().cast(pl.String)).list.join("|")
    if column.dtype in (pl.Datetime, pl.Date):
        return column.cast(pl.Datetime("us")).dt.strftime("%Y-%m-%dT%H:%M:%S")
    if column.dtype.is_float() and column.drop_nulls().len() and _all_whole(column):
        return column.cast(pl.Int64).cast(pl.String)  # pandas turns ids with gaps into floats
    try:
        return column.cast(pl.String)
    except pl.exceptions.PolarsError:
        raise DataError(
            f"Column {column.name!r} has type {column.dtype}, which is neither text, a number, "
            "a time nor a list."
        ) from None


def _all_whole(column: pl.Series) -> bool:
    values = column.drop_nulls()
    return bool(values.is_finite().all() and (values == values.round(0)).all()
                and (values.abs() < 2**53).all())  # fmt: skip


def _read_csv(file: Path) -> pl.DataFrame:
    try:
        raw = open_bytes(file).read()
    except (OSError, EOFError) as error:
        raise DataError(f"{file} cannot be read: {_first_line(error)}") from None
    if not raw.strip():
        raise DataError(f"{file} is empty: a header and at least one row are needed.")
    header = raw[:65536].split(b"\n", 1)[0]
    try:
        frame = pl.read_csv(raw, separator=_separator(header), infer_schema=False)
    except pl.exceptions.PolarsError as error:
        bad = _bad_byte(raw)
        raise DataError(f"{file}{bad or ' cannot be read as CSV: ' + _first_line(error)}") from None
    return frame.rename({name: name.strip().lstrip("\ufeff") for name in frame.columns})


def _separator(header: bytes) -> str:
    counts = {mark: header.count(mark.encode()) for mark in (",", "\t", ";")}
    return max(counts, key=lambda mark: counts[mark])


def _bad_byte(raw: bytes) -> str:
    try:
        codecs.decode(raw, "utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return (
            f", line {line}, holds the byte 0x{raw[error.start]:02x}, which is not UTF-8. "
            "Save the file as UTF-8 (for instance with `iconv -t utf-8`)."
        )
    return ""


def open_bytes(file: Path):  # type: ignore[no-untyped-def]
    """A binary handle, unzipped where the first bytes say gzip (whatever the name says)."""
    with open(file, "rb") as handle:
        zipped = handle.read(2) == b"\x1f\x8b"
    return gzip.open(file, "rb") if zipped else open(file, "rb")


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:200]


def pick_columns(
    frame: pl.DataFrame,
    wanted: Mapping[str, tuple[str, ...]],
    mapping: Mapping[str, str],
    *,
    needed: tuple[str, ...],
    where: str,
) -> dict[str, str]:
    """Which column of `frame` plays which role.

    `wanted` gives each role its usual spellings; `mapping` ({role: column}) overrides.
    Raises `DataError` for a role in `needed` that no column can play.
    """
    plain = {name.lower().strip(): name for name in reversed(frame.columns)}
    found: dict[str, str] = {}
    for role, spellings in wanted.items():
        if role in mapping:
            if mapping[role] not in frame.columns:
                raise DataError(
                    f"{where} has no column {mapping[role]!r} (asked for as {role!r})."
                    f"{suggest(mapping[role], frame.columns)} Its columns: {_listed(frame)}."
                )
            found[role] = mapping[role]
            continue
        hit = next((plain[name] for name in spellings if name in plain), None)
        if hit is not None and hit not in mapping.values():
            found[role] = hit
    for role in needed:
        if role not in found:
            raise DataError(
                f"{where} has no column for {role!r}: one of {', '.join(wanted[role][:5])} is "
                f"looked for, or say which with --columns {role}=NAME. "
                f"Its columns: {_listed(frame)}."
            )
    return found


def _listed(frame: pl.DataFrame) -> str:
    return ", ".join(frame.columns[:20]) + (" …" if frame.width > 20 else "")


def numbers(column: pl.Series, where: str) -> np.ndarray:
    """float32 [n], NaN where empty; `DataError` names the first row that is no number."""
    values = column.str.strip_chars().cast(pl.Float64, strict=False)
    bad = values.is_null() & (column.str.strip_chars().fill_null("") != "")
    if bad.any():
        row = int(np.flatnonzero(bad.to_numpy())[0])
        raise DataError(
            f"{where}, row {row + 1}: column {column.name!r} must be a number. "
            f"Got {column[row]!r} instead."
        )
    return values.fill_null(float("nan")).to_numpy().astype(np.float32)
