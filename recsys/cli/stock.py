"""What is in stock, from a table and from options."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from kg.catalog import ITEM_COLUMNS
from kg.errors import DataError, UsageError
from kg.tables import pick_columns, read_table
from recsys.serving.stock import in_stock

COLUMNS = {
    "item_id": ITEM_COLUMNS["item_id"],
    "in_stock": ("in_stock", "instock", "stock", "available", "availability", "quantity", "库存"),
}


def stock_flags(
    file: Path | None, out: list[str], back: list[str], columns: Mapping[str, str]
) -> dict[str, bool]:
    """By id: whether it may be recommended; `columns` are those of the file by role, if they are
    not called as usual. `UsageError` if nothing or both is said of an id, `DataError` for a cell
    that says neither yes nor no nor a number.
    """
    if columns and file is None:
        raise UsageError("--columns needs a FILE.")
    flags = _read(file, columns) if file is not None else {}
    for key in out + back:
        if key in out and key in back:
            raise UsageError(f"Say either --out or --in of an item. Got both of {key!r}.")
    flags |= dict.fromkeys(out, False) | dict.fromkeys(back, True)
    if not flags:
        raise UsageError("Say what is in stock: a FILE, --out ID or --in ID.")
    return flags


def _read(file: Path, columns: Mapping[str, str]) -> dict[str, bool]:
    frame = read_table(file)
    roles = pick_columns(frame, COLUMNS, columns, needed=tuple(COLUMNS), where=str(file))
    ids = frame[roles["item_id"]].str.strip_chars().fill_null("").to_list()
    cells = frame[roles["in_stock"]].str.strip_chars().fill_null("").to_list()
    flags: dict[str, bool] = {}
    for row, (key, cell) in enumerate(zip(ids, cells, strict=True), 1):
        there = in_stock(cell)
        if there is None:
            raise DataError(
                f"{file}, row {row}: column {roles['in_stock']!r} must be yes, no or a number. "
                f"Got {cell!r} instead."
            )
        if flags.get(key, there) != there:
            raise DataError(
                f"{file}, row {row}: {key!r} is in stock in one row and not in another."
            )
        flags[key] = there
    return flags
