"""Reading a user's table: CSV, TSV or Parquet, gzipped or not, or a frame; every column as text.

Ids must stay as they were written ('0114709' is not 114709), so nothing is guessed here; whoever
asks for numbers calls `numbers` or `kg.times`, which name the cell that is wrong. Rows are counted
from 1 below the header, blank lines not counted; lines are those of the file.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import itertools
import re
import shlex
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from kg.broken import Broken
from kg.errors import BrokenLine, DataError, UsageError, suggest
from kg.given import Frame, as_text, frame_of, is_frame

UNREADABLE = (OSError, EOFError, zlib.error)
"""What a broken disk, a lacking permission or a cut-off gzip file raises while it is read."""
_BROKEN = (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError, OverflowError)
_BOM = b"\xef\xbb\xbf"
Table = str | Path | Frame
"""A file, or a frame of polars or pandas."""


def table_name(table: Table, of_frame: str = "the frame") -> str:
    """What messages call it: the path, or `of_frame`."""
    return of_frame if is_frame(table) else str(table)


def read_table(path: Table, broken: Broken | None = None) -> pl.DataFrame:
    """Every column of the file or frame as text (null where empty).

    Columns without a name (the row numbers that pandas writes) and empty rows at the end are left
    out, and to `broken`, if given, goes each line of a CSV that has another number of cells. Raises
    `UsageError` if there is no such file, `DataError` if it is empty or cannot be read, or holds a
    column that is no text (a struct).
    """
    frame, odd = read_cells(path, broken=broken)
    for name, kind in odd.items():
        raise _no_cells(path, name, kind)
    return frame


def read_cells(
    path: Table, asked: Collection[str] = (), broken: Broken | None = None
) -> tuple[pl.DataFrame, dict[str, str]]:
    """As `read_table`, without the columns that are no text, and those with their types; one that
    is `asked` for is an error.
    """
    frame, odd = _read_file(existing_file(path), broken) if isinstance(path, str | Path) else (
        _read_frame(path))  # fmt: skip
    for name in asked:
        if name in odd:
            raise _no_cells(path, name, odd[name])
    frame = frame.head(_filled_height(frame))
    if frame.height == 0:
        why = f" that can be read: {broken}" if broken else ": at least one row is needed"
        raise DataError(f"{table_name(path)} has a header and no rows{why}.")
    return frame, odd


def _read_file(file: Path, broken: Broken | None) -> tuple[pl.DataFrame, dict[str, str]]:
    raw = _bytes(file)
    if _is_parquet(raw, file):
        return _read_parquet(raw, file)
    _check_kind(raw, file)
    return _read_csv(raw, file, broken), {}


def _read_frame(table: Frame) -> tuple[pl.DataFrame, dict[str, str]]:
    if not is_frame(table):
        raise UsageError(
            "A table must be the path of a file or a frame of polars or pandas. "
            f"Got {type(table).__name__} instead."
        )
    return _as_texts(frame_of(table))


def _as_texts(frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, str]]:
    """The columns that can be text as text, and the types of the others."""
    named = [name for name in frame.columns if not _unnamed(name)]
    text = {name: as_text(frame[name]) for name in named}
    odd = {name: str(frame[name].dtype) for name in named if text[name] is None}
    return pl.DataFrame([column for column in text.values() if column is not None]), odd


def _no_cells(path: Table, name: str, kind: str) -> DataError:
    return DataError(
        f"{table_name(path)}: column {name!r} must hold text, numbers, times or lists of them. "
        f"Got the type {kind} instead: leave it out or write it as text."
    )


_JSON = re.compile(rb"\s*(?:\[\s*)?\{\s*[\"}]")


def _check_kind(start: bytes, file: Path) -> None:
    """`DataError` for files that are no tables, by the first bytes of what they hold."""
    what = None
    zipped = start.startswith(b"PK\x03\x04")
    if _JSON.match(start.removeprefix(_BOM)):
        what = "JSON"
    elif zipped and file.suffix.lower() not in (".xlsx", ".xlsm", ".ods"):
        what = "a zip archive"
    elif zipped or start.startswith(b"\xd0\xcf\x11\xe0"):  # of old Excel
        what = "a spreadsheet"
    if what is not None:
        raise DataError(
            f"{file} holds {what}, which is not read as a table. CSV, TSV and Parquet are, also "
            "gzipped: save it as one of these (CSV in UTF-8)."
        )


def column_names(path: str | Path) -> list[str]:
    """The names of the table's columns, without reading its rows. Errors as in `read_table`."""
    file = existing_file(path)
    try:
        with open_bytes(file) as handle:
            start = handle.read(65536)
            parquet = _is_parquet(start, file)
            schema = pl.read_parquet_schema(io.BytesIO(start + handle.read())) if parquet else {}
    except UNREADABLE + _BROKEN as error:
        raise DataError(f"{file} cannot be read: {_first_line(error)}.") from None
    if parquet:
        return [name for name in schema if not _unnamed(name)]
    _check_kind(start, file)
    start, _, _ = _plain(start).replace(b"\r", b"\n").partition(b"\n")
    try:
        names = _header(start.decode("utf-8"), _separator(start), file)
    except UnicodeDecodeError as error:
        raise bad_byte(file, 1, start[error.start]) from None
    return [name for name in names if not _unnamed(name)]


def existing_file(path: str | Path) -> Path:
    """The path, checked to be a file with something in it."""
    file = Path(path)
    try:
        if not file.exists():
            raise UsageError(f"There is no file {file}.")
        if file.is_dir():
            raise UsageError(f"{file} is a folder; a file is needed.")
        size = file.stat().st_size
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror}.") from None
    if size == 0:
        needed = "one line is" if file.suffix == ".txt" else "a header and at least one row are"
        raise DataError(f"{file} is empty: {needed} needed.")
    return file


def open_bytes(file: Path) -> gzip.GzipFile | io.BufferedReader:
    """A binary handle, unzipped where the first bytes say gzip (whatever the name says)."""
    with open(file, "rb") as handle:
        zipped = handle.read(2) == b"\x1f\x8b"
    return gzip.open(file, "rb") if zipped else open(file, "rb")


def place(path: str | Path, row: int) -> str:
    """'FILE, line L' for a row of a text file that `read_table` has read, else 'FILE, row N'."""
    lines = lines_of(path, [row])
    return f"{path}, row {row}" if lines is None else f"{path}, line {lines[0]}"


def lines_of(path: str | Path, rows: Sequence[int]) -> list[int] | None:
    """The lines of a text file in which these rows (ascending) begin; None where it has none."""
    file = Path(path)
    if not file.is_file() or _is_parquet(raw := _bytes(file), file):
        return None
    sound, bad = _blanked(_plain(raw))  # as it is read where such lines are left out
    raw = b"".join(sound)
    text, mark = raw.decode("utf-8"), _separator(raw.partition(b"\n")[0])
    width = len(_header(text, mark, file))
    strict = _quickly(raw, mark, width) is None
    seen, line = -1, 1  # -1: the header
    found: list[int] = []
    for line, cells, wrong in _rows_of(_lines(text), mark, width, strict, bad):
        seen += wrong is None and len(cells) == width  # others are blank or broken lines
        if len(found) < len(rows) and seen == rows[len(found)]:
            found.append(line)
        if len(found) == len(rows):
            break
    return found + [line] * (len(rows) - len(found))


def put_aside(
    broken: Broken, where: str, bad: pl.DataFrame, rows: Sequence[int], rule: str
) -> None:
    """Tell `broken` of these rows (ascending) of the table `where`, which break the rule."""
    if not rows:
        return
    lines = lines_of(where, rows)
    told = where if lines is not None else f"{where} (by rows)"
    for line, row in zip(lines or rows, bad.iter_rows(), strict=True):
        text = io.StringIO()
        csv.writer(text, lineterminator="").writerow([cell or "" for cell in row])
        broken.add(told, line, rule, text.getvalue())


def without_empty(
    frame: pl.DataFrame, columns: Sequence[str], where: str, broken: Broken
) -> tuple[pl.DataFrame, np.ndarray]:
    """The rows of the table `where` in which none of these cells is empty, and their numbers from
    1; the others go to `broken`. `DataError` if there is none.
    """
    row = np.arange(1, frame.height + 1)
    for name in columns:
        empty = (frame[name].str.strip_chars().fill_null("") == "").to_numpy()
        rows = row[empty].tolist()
        put_aside(broken, where, frame.filter(empty), rows, f"the {name} must not be empty")
        frame, row = frame.filter(~empty), row[~empty]
    if frame.height == 0:
        raise DataError(f"{where} holds no row that can be read: {broken}.")
    return frame, row


def _bytes(file: Path) -> bytes:
    try:
        with open_bytes(file) as handle:
            return handle.read()
    except UNREADABLE as error:
        raise DataError(f"{file} cannot be read: {_first_line(error)}.") from None


def _is_parquet(raw: bytes, file: Path) -> bool:
    return raw[:4] == b"PAR1" or ".parquet" in file.suffixes


def _unnamed(name: str) -> bool:
    return not name.strip() or name.startswith("__index_level_")


def _filled_height(frame: pl.DataFrame) -> int:
    """Rows up to the last one that holds something."""
    filled = frame.select(pl.any_horizontal(pl.all().is_not_null()).alias("any"))["any"]
    rows = np.flatnonzero(filled.to_numpy())
    return int(rows[-1]) + 1 if rows.size else 0


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0][:200].rstrip(".") or type(error).__name__


# Parquet


def _read_parquet(raw: bytes, file: Path) -> tuple[pl.DataFrame, dict[str, str]]:
    try:
        return _as_texts(pl.read_parquet(io.BytesIO(raw)))
    except UNREADABLE + _BROKEN as error:
        raise DataError(f"{file} is not a readable Parquet file: {_first_line(error)}.") from None


# CSV and TSV


def _read_csv(raw: bytes, file: Path, broken: Broken | None) -> pl.DataFrame:
    raw = _plain(raw)
    if not raw.strip():
        raise DataError(f"{file} is empty: a header and at least one row are needed.")
    raw, text, bad = _decoded(raw, file, broken)
    mark = _separator(raw[:65536].partition(b"\n")[0])
    names = _header(text, mark, file)
    frame = _quickly(raw, mark, len(names))
    if frame is None:
        frame = _row_by_row(text, mark, len(names), file, broken, bad)
    frame.columns = [name or f"\x00{number}" for number, name in enumerate(names)]
    return frame.select(
        name for name in frame.columns if not (name.startswith("\x00") or _unnamed(name))
    )


def _decoded(raw: bytes, file: Path, broken: Broken | None) -> tuple[bytes, str, Collection[int]]:
    """The bytes and the text of them; lines that are not UTF-8 go to `broken`, are blank, and last
    their numbers.
    """
    try:
        return raw, raw.decode("utf-8"), ()
    except UnicodeDecodeError as error:
        first, byte = raw.count(b"\n", 0, error.start) + 1, raw[error.start]
    lines, bad = _blanked(raw)
    few = max(min(MANY_BAD, len(lines) / 4), 0.01 * len(lines))
    if first == 1 or len(bad) > few:  # the file is no UTF-8
        raise bad_byte(file, first, byte)
    if broken is None:
        raise BrokenLine(f"{bad_byte(file, first, byte)}")
    for number, gone in bad.items():
        broken.add(file, number, "must be UTF-8", gone.decode("utf-8", "replace").rstrip("\r\n"))
    raw = b"".join(lines)
    return raw, raw.decode("utf-8"), bad.keys()


MANY_BAD = 10
"""So many lines that are not UTF-8 (of a quarter of all, at most), or one in a hundred, may be left
out."""


def _blanked(raw: bytes) -> tuple[list[bytes], dict[int, bytes]]:
    """The lines, blank where they are not UTF-8, and these by their number."""
    lines, bad = raw.splitlines(keepends=True), {}
    for number, line in enumerate(lines, 1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            bad[number] = line
            lines[number - 1] = b"\n"
    return lines, bad


def _plain(raw: bytes) -> bytes:
    """Without a byte order mark, and with line ends that the parsers know."""
    raw = raw.removeprefix(_BOM)
    return raw if b"\n" in raw else raw.replace(b"\r", b"\n")


def bad_byte(file: Path, line: int, byte: int) -> DataError:
    """The error for a byte that is not UTF-8, with the command that makes UTF-8 of what the file
    seems to be.
    """
    if _else_utf8(file, line):
        return DataError(
            f"{file}, line {line}, holds the byte 0x{byte:02x}, which is not UTF-8, as what stands "
            "around it is: mend that line."
        )
    kind, name = _encoding(file, line) or ("", "ENCODING")
    path, zipped = shlex.quote(str(file)), file.suffix.lower() == ".gz"
    command = f"iconv -f {name} -t utf-8" + ("" if zipped else f" {path}") + " > NEW"
    table = {".csv", ".tsv", ".txt"}.intersection(file.suffixes)
    return DataError(
        f"{file}, line {line}, holds the byte 0x{byte:02x}, which is not UTF-8. "
        + (f"It seems to be {kind}: save" if kind else "Save")
        + f" the file as UTF-8, for instance with `{f'gzip -dc {path} | ' * zipped}{command}`"
        + (", or in Excel as CSV UTF-8." if kind and table else ".")
    )


BYTE_ORDER_MARK = "\ufeff"
"""Begins a file that people fill in: without it Excel reads UTF-8 as its country's code page."""
_READ_AHEAD = 1 << 20
_HIGH_PAIR = re.compile(rb"([\x81-\xfe])([\x40-\x7e\x80-\xfe])")
_LATIN = re.compile("(?<![^\x00-\x7f])[À-ÖØ-öø-ÿŒœŠšŽžŸ€£°§«»–—‘’“”…](?![^\x00-\x7f])")


def _else_utf8(file: Path, line: int) -> bool:
    """Whether most of what is not ASCII near a line of the file is UTF-8."""
    with open_bytes(file) as handle:
        raw = b"".join(itertools.islice(handle, max(line - 1000, 0), line + 999))
    text = raw.decode("utf-8", "replace")
    odd = text.count("\ufffd")
    return sum(sign > "\x7f" for sign in text) >= 3 * odd


def _encoding(file: Path, line: int) -> tuple[str, str] | None:
    """What the file seems to be from this line on, and what iconv calls it; None: nobody knows."""
    with open_bytes(file) as handle:
        start = handle.read(2)
        handle.seek(0)
        raw = b"".join(itertools.islice(handle, line - 1, line + 999))[:_READ_AHEAD]
    if start in (b"\xff\xfe", b"\xfe\xff"):
        return "UTF-16", "utf-16"
    # the commonest characters have their leading bytes in these ranges
    shares = {
        ("GBK", "gb18030"): _share_of_pairs(raw, "gb18030", 0xB0, 0xD7, 0xA1),
        ("Big5", "big5"): _share_of_pairs(raw, "cp950", 0xA4, 0xC6, 0x40),
    }
    likeliest = max(shares, key=lambda kind: shares[kind])
    if shares[likeliest] > 0.5:
        return likeliest
    text = raw.decode("cp1252", "replace")
    high = sum(sign > "\x7f" for sign in text)
    return ("Windows-1252", "cp1252") if 2 * len(_LATIN.findall(text)) > high else None


def _share_of_pairs(raw: bytes, codec: str, low: int, high: int, second: int) -> float:
    """How many of the two-byte characters lead with a byte in [low, high] and go on with one from
    `second` on; 0 for what is not of this encoding, or in which hardly two high bytes stand
    together, as in Western texts.
    """
    try:
        codecs.getincrementaldecoder(codec)().decode(raw)  # the last character may be cut off
    except UnicodeDecodeError:
        return 0.0
    pairs = [(pair[0], pair[1]) for pair in (m.group() for m in _HIGH_PAIR.finditer(raw))]
    if 4 * sum(last >= 0xA1 for _, last in pairs) < len(pairs):
        return 0.0
    usual = sum(low <= first <= high and last >= second for first, last in pairs)
    return usual / max(len(pairs), 1)


def _separator(header: bytes) -> str:
    counts = {mark: header.count(mark.encode()) for mark in (",", "\t", ";")}
    return max(counts, key=lambda mark: counts[mark])


def _header(text: str, mark: str, file: Path) -> list[str]:
    try:
        row = next(csv.reader(io.StringIO(text[:65536], newline=""), delimiter=mark), [])
    except csv.Error as error:
        raise DataError(f"{file}, line 1, cannot be read as a header: {error}.") from None
    names = [name.strip() for name in row]
    if any("\x00" in name for name in names):
        raise DataError(f"{file}, line 1, holds a zero byte: it is no text file in UTF-8.")
    twice = next((n for i, n in enumerate(names) if n and n in names[:i]), None)
    if twice is not None:
        raise DataError(f"{file}, line 1: each column must have its own name. Got {twice!r} twice.")
    if not any(names):
        raise DataError(f"{file}, line 1, must name the columns. Got an empty line instead.")
    return names


def _quickly(raw: bytes, mark: str, width: int) -> pl.DataFrame | None:
    """The table by polars, or None where it fails or some row may be short or blank."""
    try:
        frame = pl.read_csv(io.BytesIO(raw), separator=mark, infer_schema=False)
    except UNREADABLE + _BROKEN:
        return None
    if frame.width != width:
        return None
    if b'"' in raw and frame.select(pl.any_horizontal(pl.all().str.contains("\n")).any()).item():
        return None  # a mark of inches may have taken in the next rows
    if frame[:, -1].null_count() == 0:  # a short row would end in a null
        return frame
    full = raw.count(mark.encode()) == (width - 1) * (frame.height + 1)  # no row has more
    return frame if full and width > 1 and b'"' not in raw else None


def _row_by_row(
    text: str, mark: str, width: int, file: Path, broken: Broken | None, bad: Collection[int]
) -> pl.DataFrame:
    """The same by Python's csv: slower, forgives blank lines and inch marks, names a bad line."""
    rows: list[list[str]] = []
    lines = _lines(text)
    for line, cells, wrong in _rows_of(lines, mark, width, bad=bad):
        if wrong is None and len(cells) == width:
            rows.append(cells)
        elif wrong is not None or any(cell.strip() for cell in cells) or len(cells) > 1:
            rule = f"must have {width} cells as the header has"
            if line == 1:
                raise DataError(f"{file}, line 1, cannot be read as a header: {wrong or rule}.")
            if broken is not None:
                broken.add(file, line, rule if wrong is None else wrong, lines[line - 1].rstrip())
            elif wrong is not None:
                raise BrokenLine(f"{file}, line {line}, cannot be read as CSV: {wrong}.")
            else:
                raise BrokenLine(f"{file}, line {line}, {rule}. Got {len(cells)} instead.")
    table = zip(*rows[1:], strict=True) if len(rows) > 1 else [()] * width
    columns = [pl.Series(str(n), cells, dtype=pl.String) for n, cells in enumerate(table)]
    return pl.DataFrame(columns).with_columns(pl.all().replace("", None))


def _lines(text: str) -> list[str]:
    return io.StringIO(text, newline="").readlines()


def _rows_of(
    lines: list[str], mark: str, width: int, strict: bool = True, bad: Collection[int] = ()
) -> Iterator[tuple[int, list[str], str | None]]:
    """The line that each row of a CSV begins in, its cells, and what is wrong with it. After a row
    that cannot be read, such as one with a quote that is never closed, or that takes in lines and
    has another width, or one of the `bad` lines, the next line begins anew.
    """
    line, most = 0, MOST_LINES
    before = csv.field_size_limit(LONGEST_CELL)

    def fed(begin: int) -> Iterator[str]:
        for number in range(begin, len(lines)):
            if number - line > most:
                raise csv.Error("a quote is opened and not closed")
            yield lines[number]

    try:
        while line < len(lines):
            begin, reader = line, csv.reader(fed(line), delimiter=mark, strict=strict)
            try:
                for cells in reader:
                    end = begin + reader.line_num
                    if end - line > 1 and len(cells) != width:
                        raise csv.Error(f"must have {width} cells as the header has")
                    if end - line > 1 and any(n + 1 in bad for n in range(line, end)):
                        raise csv.Error("holds a line that is not UTF-8")
                    yield line + 1, cells, None
                    line = end
            except csv.Error as error:
                yield line + 1, [], str(error)
                line, most = line + 1, max(FEW_LINES, most // 10)
    finally:
        csv.field_size_limit(before)


MOST_LINES, FEW_LINES = 10_000, 100
"""So many lines may a cell hold, and no more so many where quotes were left open before."""
LONGEST_CELL = 1 << 24
"""More characters are taken for a quote that is never closed."""


# Roles


def unknown_columns(mapping: Mapping[str, str], *column_lists: Iterable[str]) -> None:
    """Raises `UsageError` if `mapping` ({role: column}) names a column that stands in no list.

    One mapping serves several files, each of which takes the roles that it knows.
    """
    known = list(dict.fromkeys(name for names in column_lists for name in names))
    for role, name in mapping.items():
        if name not in known:
            raise UsageError(
                f"The option --columns must name columns of the files. Got {role}={name!r}, which "
                f"stands in none of them.{suggest(name, known)} Their columns: {_listed(known)}."
            )


def pick_columns(
    frame: pl.DataFrame,
    wanted: Mapping[str, tuple[str, ...]],
    mapping: Mapping[str, str],
    *,
    needed: tuple[str, ...],
    where: str,
    option: bool = True,
) -> dict[str, str]:
    """Which column of `frame` plays which role.

    `wanted` gives each role its usual spellings; `mapping` ({role: column}) overrides, and may
    hold roles of other files, which are passed over. `option`: whether --columns can name them.
    Raises `DataError` for a role in `needed` that no column can play.
    """
    plain = {name.lower().strip(): name for name in reversed(frame.columns)}
    taken = {name for role, name in mapping.items() if role in wanted}
    found: dict[str, str] = {}
    for role, spellings in wanted.items():
        if role in mapping:
            if mapping[role] not in frame.columns:
                raise DataError(
                    f"{where} has no column {mapping[role]!r} (asked for as {role!r})."
                    f"{suggest(mapping[role], frame.columns)} "
                    f"Its columns: {_listed(frame.columns)}."
                )
            found[role] = mapping[role]
            continue
        hit = next((plain[name] for name in spellings if name in plain), None)
        if hit is not None and hit not in taken:
            found[role] = hit
    for role in needed:
        hint = f", or say which with --columns {role}=NAME" if option else ": rename it"
        if role not in found:
            raise DataError(
                f"{where} has no column for {role!r}: one of {', '.join(wanted[role][:5])} is "
                f"looked for{hint}. "
                f"Its columns: {_listed(frame.columns)}."
            )
    return found


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (" …" if len(names) > 20 else "")


def numbers(column: pl.Series, where: str) -> np.ndarray:
    """float32 [n], NaN where empty or 'nan', of a column of the table `where` with all its rows;
    `DataError` names the line of the first cell that is no number.
    """
    text = column.str.strip_chars()
    values = text.cast(pl.Float64, strict=False)
    fits = values.is_nan() | (values.abs() <= float(np.finfo(np.float32).max))
    bad = ~fits.fill_null(False) & (text.fill_null("") != "")
    if bad.any():
        row = int(np.flatnonzero(bad.to_numpy())[0])
        raise DataError(
            f"{place(where, row + 1)}: column {column.name!r} must be a number. "
            f"Got {column[row]!r} instead."
        )
    return values.fill_null(float("nan")).to_numpy().astype(np.float32)
