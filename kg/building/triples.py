"""Extra facts from a file of triples: head, relation, tail.

With an entities file, heads and tails are entity ids and that file says which entity is which
item: entity 12 and item 12 are different things. Without it, an id that matches an item is that
item; where plain numbers could be read both ways it is an error unless the caller says "item".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import repeat
from typing import Literal

import numpy as np
import polars as pl

from kg import given
from kg.alike import ByValue
from kg.broken import Broken
from kg.dates import DATE, UNDATED, distinct, read_dates
from kg.errors import BrokenLine, DataError, UsageError
from kg.graph import Relation
from kg.ids import Vocab
from kg.tables import (
    Table,
    pick_columns,
    place,
    put_aside,
    read_table,
    table_name,
    without_empty,
)

TRIPLE_COLUMNS: dict[str, tuple[str, ...]] = {
    "head": ("head", "head_id", "subject", "source_id", "h"),
    "relation": ("relation", "relation_id", "predicate", "r"),
    "tail": ("tail", "tail_id", "object", "target_id", "t"),
    "time": ("time", "timestamp", "date", "known_since", "since"),
}
UNTYPED = "entity"
"""The type of a node that no file declares."""
ENTITY_COLUMNS: dict[str, tuple[str, ...]] = {
    "entity_id": ("entity_id", "entity", "id"),
    "type": ("type", "kind", "class"),
    "name": ("name", "label", "title"),
    "item_id": ("item_id", "item"),
}


@dataclass(frozen=True, eq=False)
class Triples(ByValue):
    """Facts by relation, with the nodes they bring: vocabularies and names per new type.

    `dropped` counts the triples left out, by reason; `edge_time` as that of a `KnowledgeGraph`.
    """

    edges: Mapping[Relation, np.ndarray]
    vocabs: Mapping[str, Vocab]
    names: Mapping[str, tuple[str, ...]]
    dropped: Mapping[str, int]
    edge_time: Mapping[Relation, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Sequence[object]] | given.Frame, items: Vocab) -> Triples:
        """Of rows (head, relation, tail), or a frame with these columns, as `read_triples` with
        triple_ids="item".
        """
        if given.is_frame(rows):
            return read_triples(rows, items, triple_ids="item")  # type: ignore[arg-type]
        frame = triple_rows(rows)  # type: ignore[arg-type]
        if frame.height == 0:
            return cls({}, {"item": items}, {}, {})
        kind, key, names = _matched_to_items(frame, items, "item", "The triples")
        return _grouped(frame, items, kind, key, names, 0, set())


def triple_rows(rows: Iterable[Sequence[object]]) -> pl.DataFrame:
    """head, relation, tail as text; `UsageError` names the first row that is no such three."""
    told = [row if isinstance(row, str) else list(row) for row in rows]
    for number, row in enumerate(told):
        if isinstance(row, str) or len(row) != 3:
            raise _no_triple(row, number)
    columns = {
        role: [(cell or "").strip() for cell in given.texts([row[at] for row in told], role)]
        for at, role in enumerate(("head", "relation", "tail"))
    }
    frame = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    empty = frame.select(pl.any_horizontal(pl.all() == "").alias("any"))["any"].to_numpy()
    if empty.any():
        at = int(np.flatnonzero(empty)[0])
        raise _no_triple(told[at], at)
    return frame


def _no_triple(row: object, number: int) -> UsageError:
    return UsageError(
        "Each of the triples must be a head, a relation and a tail, none empty. "
        f"Got {row!r} instead, number {number}."
    )


def read_triples(
    path: Table,
    items: Vocab,
    *,
    entities: Table | None = None,
    triple_ids: Literal["item"] | None = None,
    skip_relations: tuple[str, ...] = (),
    broken: Broken | None = None,
) -> Triples:
    """The triples of a file or frame, in terms of the catalogue's items.

    An entity of type "item" without an item_id is the item of its own id. One that is no item of
    the catalogue is dropped with its triples and counted. An entity of type "user" becomes
    "entity_user": the users are those of the log.
    A column of times says when each fact came to be known.
    Raises `DataError` naming the line of an empty cell, of a time that is none, or of an entity
    that is not declared, or the id that could be read both ways. To `broken`, if given, go the
    lines of the first three, and of another number of cells, and the rest is read.
    """
    frame, where = read_table(path, broken), table_name(path, "the triples")
    roles = pick_columns(
        frame, TRIPLE_COLUMNS, {}, needed=("head", "relation", "tail"), where=where, option=False
    )
    frame = frame.select(
        pl.int_range(1, pl.len() + 1).alias("row"),
        *(pl.col(name).str.strip_chars().fill_null("").alias(role) for role, name in roles.items()),
    )
    for role in ("head", "relation", "tail"):
        empty = np.flatnonzero((frame[role] == "").to_numpy())
        frame = _without(frame, empty, f"'{role}' must not be empty", None, where, broken)
    if "time" in roles:
        seconds, odd = read_dates(frame["time"].replace("", None), where)
        frame = frame.with_columns(seconds=pl.Series(seconds))
        frame = _without(frame, odd, f"'{roles['time']}' {DATE}", "time", where, broken)
    unwanted = frame["relation"].is_in(list(skip_relations))
    frame = frame.filter(~unwanted)
    if frame.height == 0:
        return Triples({}, {"item": items}, {}, {"skipped relation": int(unwanted.sum())})
    if entities is None:
        kind, key, names = _matched_to_items(frame, items, triple_ids, where)
        lost: set[str] = set()
    else:
        kind, key, names, lost = _declared(items, entities, broken)
        for role in ("head", "tail"):
            unknown = np.flatnonzero([end not in kind for end in frame[role].to_list()])
            rule = f"the {role} must be declared in {table_name(entities, 'the entities')}"
            frame = _without(frame, unknown, rule, role, where, broken)
    return _grouped(frame, items, kind, key, names, int(unwanted.sum()), lost)


def _without(
    frame: pl.DataFrame, bad: np.ndarray, rule: str, role: str | None, where: str,
    broken: Broken | None,
) -> pl.DataFrame:  # fmt: skip
    """The frame without these rows, which go to `broken`; `DataError` if there is none."""
    if bad.size == 0:
        return frame
    gone = frame[bad]
    if broken is None:
        got = f" Got {gone[role][0]!r} instead." if role else ""
        raise BrokenLine(f"{place(where, gone['row'][0])}: {rule}.{got}")
    cells = gone.select(name for name in TRIPLE_COLUMNS if name in frame.columns)
    put_aside(broken, where, cells, gone["row"].to_list(), rule)
    if len(bad) == frame.height:
        raise DataError(f"{where} holds no triple that can be read: {broken}.")
    return frame.filter(~np.isin(np.arange(frame.height), bad))


def _matched_to_items(
    frame: pl.DataFrame, items: Vocab, triple_ids: str | None, where: str
) -> tuple[dict[str, str], dict[str, str], dict[str, str]]:
    ends = set(frame["head"].to_list()) | set(frame["tail"].to_list())
    matched = {end for end in ends if end in items}
    strangers = ends - matched
    if not matched:
        raise DataError(
            f"{where}: no head or tail is an item id. Heads such as {frame['head'][0]!r} must be "
            f"item ids{_such_as(items)}, or an --entities file must say which entity is which item."
        )
    numeric = [end for end in strangers if end.isdigit()]
    if triple_ids is None and numeric and any(end.isdigit() for end in matched):
        raise DataError(
            f"{where}: the id {min(numeric)!r} is a plain number that is no item, while "
            f"{min(end for end in matched if end.isdigit())!r} is one: the numbers may be entity "
            "ids. Give the --entities file, or say --triple-ids item if equal numbers mean items."
        )
    kind = dict.fromkeys(matched, "item") | dict.fromkeys(strangers, UNTYPED)
    return kind, {end: end for end in ends}, {}


def _such_as(items: Vocab) -> str:
    return f" such as {items.ids[0]!r}" if len(items) else ""


def _declared(
    items: Vocab, source: Table, broken: Broken | None
) -> tuple[dict[str, str], dict[str, str], dict[str, str], set[str]]:
    table, file = read_table(source, broken), table_name(source, "the entities")
    roles = pick_columns(table, ENTITY_COLUMNS, {}, needed=("entity_id",), where=file, option=False)
    lines = np.arange(1, table.height + 1)
    if broken is not None:
        table, lines = without_empty(table, [roles["entity_id"]], file, broken)
    columns = {
        role: table[name].str.strip_chars().fill_null("").to_list() for role, name in roles.items()
    }
    ids = columns["entity_id"]
    _check_declarations(ids, file, lines)
    blank = [""] * len(ids)
    kind: dict[str, str] = {}
    key: dict[str, str] = {}
    names: dict[str, str] = {}
    lost: set[str] = set()
    linked = {item for item in columns.get("item_id", blank) if item}
    rows = zip(ids, columns.get("type", blank), columns.get("name", blank),
               columns.get("item_id", blank), strict=True)  # fmt: skip
    for entity, type_, name, item in rows:
        if item or type_ == "item":
            kind[entity], key[entity] = "item", item or _own_item(entity, linked)
            if key[entity] not in items:
                lost.add(entity)
        else:
            kind[entity], key[entity] = _TAKEN.get(type_, type_) or UNTYPED, entity
            names[entity] = name
    return kind, key, names, lost


_TAKEN = {"user": "entity_user"}


def _own_item(entity: str, linked: set[str]) -> str:
    """The id of an item that has no item_id: that of its entity. Empty where another entity is
    `linked` to it, and for a plain number where some are linked, since these number something else.
    """
    return "" if entity in linked or (linked and entity.isdigit()) else entity


def _check_declarations(ids: list[str], where: str, rows: np.ndarray) -> None:
    seen: set[str] = set()
    for row, entity in zip(rows.tolist(), ids, strict=True):
        if not entity:
            raise BrokenLine(f"{place(where, row)}: the entity id must not be empty.")
        if entity in seen:
            raise DataError(
                f"{place(where, row)}: each entity must stand once. Got {entity!r} again."
            )
        seen.add(entity)


def _grouped(
    frame: pl.DataFrame, items: Vocab, kind: dict[str, str], key: dict[str, str],
    names: dict[str, str], skipped: int, lost: set[str],
) -> Triples:  # fmt: skip
    heads, tails = frame["head"].to_list(), frame["tail"].to_list()
    members: dict[str, set[str]] = {}
    groups: dict[Relation, tuple[list[str], list[str], list[int]]] = {}
    with_dates = "seconds" in frame.columns
    dates = frame["seconds"].to_list() if with_dates else repeat(int(UNDATED))
    dropped = 0
    for head, name, tail, time in zip(heads, frame["relation"], tails, dates, strict=False):
        if head in lost or tail in lost:
            dropped += 1
            continue
        relation = (kind[head], name, kind[tail])
        columns = groups.setdefault(relation, ([], [], []))
        columns[0].append(key[head])
        columns[1].append(key[tail])
        columns[2].append(time)
        for end in (head, tail):
            if kind[end] != "item":
                members.setdefault(kind[end], set()).add(key[end])
    vocabs = {type_: Vocab.of(keys, type_) for type_, keys in members.items()} | {"item": items}
    edges: dict[Relation, np.ndarray] = {}
    dated: dict[Relation, np.ndarray] = {}
    for r, (a, b, t) in groups.items():
        ends = np.stack([vocabs[r[0]].encode(a), vocabs[r[2]].encode(b)])
        edges[r], time = distinct(ends, np.array(t, np.int64) if with_dates else None)
        if time is not None:
            dated[r] = time
    called = {t: tuple(names.get(k, k) for k in v.ids) for t, v in vocabs.items() if t != "item"}
    told = {"skipped relation": skipped, "item not in the catalogue": dropped}
    return Triples(edges, vocabs, called, {why: n for why, n in told.items() if n}, dated)
