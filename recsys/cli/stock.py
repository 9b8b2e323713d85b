"""What is in stock, from a table and from options."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from kg.catalog import ITEM_COLUMNS
from kg.errors import DataError, UsageError
from kg.ids import but_for_zeros, zeros_told
from kg.tables import pick_columns, place, read_table
from recsys.cli.output import say
from recsys.serving.items import ItemStore
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


def usable_flags(
    flags: Mapping[str, bool], items: ItemStore, typed: Collection[str], file: Path | None
) -> tuple[dict[str, bool], str]:
    """The flags of items that the run has, and words on those of the file that are left out ('':
    none): unknown and removed ones. Ids that were `typed` stay: a mistake in one is an error.
    `DataError` if nothing is left.
    """
    keys = [key for key in flags if key not in typed]
    codes = items.find(keys)
    unknown = [key for key, code in zip(keys, codes, strict=True) if code < 0]
    gone = items.hidden & ~items.absent
    removed = [key for key, code in zip(keys, codes, strict=True) if code >= 0 and gone[code]]
    left = []
    if unknown:
        pairs = but_for_zeros(unknown, items.ids)
        zeros = f"; {zeros_told(pairs)}" if pairs else ""
        left.append(f"{len(unknown):,} not known ({_few(unknown)}{zeros})")
    if removed:
        left.append(f"{len(removed):,} removed ({_few(removed)}; `items add` brings items back)")
    out = {key: there for key, there in flags.items() if key not in {*unknown, *removed}}
    if not out:
        raise DataError(f"{file}: none of its items can be used: {', '.join(left)}.")
    return out, ", ".join(left)


def _few(keys: list[str]) -> str:
    return ", ".join(map(repr, keys[:3])) + (", …" if len(keys) > 3 else "")


def _read(file: Path, columns: Mapping[str, str]) -> dict[str, bool]:
    frame = read_table(file)
    roles = pick_columns(frame, COLUMNS, columns, needed=tuple(COLUMNS), where=str(file))
    ids = frame[roles["item_id"]].str.strip_chars().fill_null("").to_list()
    cells = frame[roles["in_stock"]].str.strip_chars().fill_null("").to_list()
    flags: dict[str, bool] = {}
    silent = [key for key, cell in zip(ids, cells, strict=True) if not cell]
    if silent:
        say(f"{file}: {len(silent):,} empty cells of {roles['in_stock']!r} say nothing "
            f"({_few(silent)}): these items stay as they are")  # fmt: skip
    for row, (key, cell) in enumerate(zip(ids, cells, strict=True), 1):
        if not cell:
            continue
        there = in_stock(cell)
        if there is None:
            raise DataError(
                f"{place(file, row)}: column {roles['in_stock']!r} must be yes, no or a number. "
                f"Got {cell!r} instead."
            )
        if flags.get(key, there) != there:
            raise DataError(
                f"{place(file, row)}: {key!r} is in stock in one row and not in another."
            )
        flags[key] = there
    return flags
