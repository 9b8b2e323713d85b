"""Tables of entities, and the table that a person has marked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import polars as pl

from kg.building.hierarchy import folded
from kg.building.triples import ENTITY_COLUMNS
from kg.errors import DataError
from kg.linking.decision import SCHEMA
from kg.linking.titles import Titled
from kg.tables import Table, pick_columns, place, read_table, table_name

PERSON = "person"
"""How a link was found that someone marked in the table for review."""


def read_entities(path: Table, columns: Mapping[str, str] | None = None) -> Titled:
    """Entities of a table with entity_id and name, or of a plain folder's entities.csv.

    `columns` maps these roles to column names; other roles are passed over. Raises `UsageError` if
    there is no such file, `DataError` naming the line of an id that is empty or stands twice.
    """
    if isinstance(path, str | Path) and Path(path).is_dir():
        path = Path(path) / "entities.csv"
    table, where = read_table(path), table_name(path, "the entities")
    needed = ("entity_id", "name")
    own = {role: name for role, name in (columns or {}).items() if role in needed}
    roles = pick_columns(table, ENTITY_COLUMNS, own, needed=needed, where=where)
    ids = _cells(table, roles["entity_id"])
    seen: set[str] = set()
    for row, key in enumerate(ids, 1):
        if not key or key in seen:
            raise DataError(
                f"{place(where, row)}: each entity id must be there and stand once. Got {key!r}."
            )
        seen.add(key)
    return Titled(tuple(ids), tuple(_cells(table, roles["name"])))


def read_review(file: Table, items: Titled, entities: Titled) -> pl.DataFrame:
    """The links that a person marked with x, yes or 1, with the columns `COLUMNS`; confidence 1.

    Empty, no and 0 mean: not this one. Raises `DataError` naming the line of another mark, of an
    id that is not known, and of an item or an entity that is marked twice.
    """
    table, where = read_table(file), table_name(file, "the review")
    wanted = {name: (name,) for name in ("item_id", "entity_id", "take")}
    roles = pick_columns(table, wanted, {}, needed=tuple(wanted), where=where)
    cells = (_cells(table, roles[name]) for name in wanted)
    titles, names = (dict(zip(t.ids, t.titles, strict=True)) for t in (items, entities))
    taken = [
        (item, titles[item], entity, names[entity], 1.0, PERSON)
        for item, entity in _taken(zip(*cells, strict=True), titles, names, where)
    ]
    return pl.DataFrame(taken, schema=SCHEMA, orient="row")


def _taken(
    rows: Iterator[tuple[str, str, str]], titles: dict[str, str], names: dict[str, str], where: str
) -> Iterator[tuple[str, str]]:
    """The marked pairs, checked."""
    seen: set[tuple[str, str]] = set()
    for row, (item, entity, mark) in enumerate(rows, 1):
        for kind, key, known in (("item", item, titles), ("entity", entity, names)):
            if key not in known:
                raise DataError(f"{place(where, row)}: there is no {kind} {key!r} in its table.")
        if folded(mark) in ("", "no", "0"):
            continue
        if folded(mark) not in ("x", "yes", "1"):
            raise DataError(
                f"{place(where, row)}: take must be x, yes or 1, or empty. Got {mark!r} instead."
            )
        for end in (("item", item), ("entity", entity)):
            if end in seen:
                raise DataError(
                    f"{place(where, row)}: each {end[0]} must be taken once. Got {end[1]!r} again."
                )
            seen.add(end)
        yield item, entity


def _cells(table: pl.DataFrame, column: str) -> list[str]:
    return table[column].str.strip_chars().fill_null("").to_list()
