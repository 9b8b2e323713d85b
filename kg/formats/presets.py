"""One table of events, as five other libraries take it.

Verified in the libraries' own sources: RecTools' column names (`rectools/columns.py`), Cornac's
order of cells and its tab (`cornac/data/reader.py`), Elliot's tab and order of cells
(`docs/source/guide/data_prep.rst`), LibRecommender's order of cells and its '::' (`README.md`).
Microsoft recommenders' `userID,itemID,rating,timestamp` stands in our survey of peers.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from kg.errors import DataError
from kg.formats.rows import bare_table, check_numbers, events_frame, headed_table, header_of
from kg.formats.tables import Format, Tables
from kg.tables import UNREADABLE, numbers, open_bytes

_RATED = ("user_id", "item_id", "value", "timestamp")


def _read_headed(
    columns: Sequence[str], behaviour: str | None, notes: tuple[str, ...], file: Path
) -> Tables:
    """A table whose `columns` are user, item, value and, where it has one, time."""
    present = header_of(file)
    names = [name for name in columns if name in present or name != columns[3]]
    frame = headed_table(_one_file(file), names)
    numbers(frame[columns[2]], str(file))
    frame = frame.rename(dict(zip(columns, _RATED, strict=True)), strict=False)
    return Tables(events=events_frame(frame, behaviour), notes=notes)


def _read_bare(marks: Sequence[str], notes: tuple[str, ...], file: Path) -> Tables:
    """User, item, value and perhaps time, separated by the first of these that line 1 holds."""
    first = _first_line(_one_file(file))
    mark = next((mark for mark in marks if mark in first), marks[0])
    frame = bare_table(file, mark, _RATED, optional=1)
    check_numbers(frame, "value", file)
    return Tables(events=events_frame(frame, "rate"), notes=notes)


def _first_line(file: Path) -> str:
    """Empty where the file cannot be read: whoever reads the rest says so."""
    try:
        with open_bytes(file) as handle:
            return handle.readline(65536).decode("utf-8", "replace")
    except UNREADABLE:
        return ""


def _one_file(path: Path) -> Path:
    if path.is_dir():
        raise DataError(f"This format is one file of events. Got the folder {path} instead.")
    return path


_RECTOOLS = ("user_id", "item_id", "weight", "datetime")
_MICROSOFT = ("userID", "itemID", "rating", "timestamp")
_WEIGHTED = ("The weights are kept as values; the events are of no kind, so they count as views.",)
_LABELLED = (
    "The third cell is kept as a rating: where it is a label of 0 or 1, a 0 is a rating of 0.",
)

FORMATS: tuple[Format, ...] = (
    Format(
        "rectools",
        "a table of user_id, item_id, weight, datetime (RecTools)",
        lambda path: header_of(path) >= set(_RECTOOLS),
        partial(_read_headed, _RECTOOLS, None, _WEIGHTED),
    ),
    Format(
        "ms-recommenders",
        "a table of userID, itemID, rating, timestamp (Microsoft recommenders)",
        lambda path: header_of(path) >= set(_MICROSOFT[:3]),
        partial(_read_headed, _MICROSOFT, "rate", ()),
    ),
    Format(
        "elliot",
        "user, item, rating and perhaps time by tabs, no header (Elliot, WarpRec)",
        lambda _: False,
        partial(_read_bare, ("\t",), ()),
    ),
    Format(
        "cornac",
        "UIR or UIRT text: user, item, rating and perhaps time, no header (Cornac)",
        lambda _: False,
        partial(_read_bare, ("\t", "::", ",", " "), ()),
    ),
    Format(
        "librec",
        "user, item, label and perhaps time by '::' or commas, no header (LibRecommender)",
        lambda _: False,
        partial(_read_bare, ("::", ",", "\t"), _LABELLED),
    ),
)
